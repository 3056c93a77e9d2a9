"""A microphone without hardware: a PulseAudio of our own, whose sink has a monitor that PortAudio takes for one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
_SCRIPT = """\
load-module module-native-protocol-unix socket={socket}
"""
SINK, SOURCE = "vmic_sink", "vmic"


@dataclass
class Pulse:
    """A sound server that runs, and the ``environment`` in which programs find it."""

    environment: dict[str, str]
    pid: int

    def ask(self, *words: str) -> str:
        """Ask the server for something and return its answer."""
        command = ["pactl", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    def plug_in(self, rate_hz: int = 16_000) -> None:
        """Plug a microphone in that has this rate, mono."""
        name = f"sink_name={SINK}"
        self.ask("load-module", "module-null-sink", name, f"rate={rate_hz}", "channels=1")
        self.ask("load-module", "module-remap-source", f"source_name={SOURCE}", f"master={SINK}.monitor")
        self.ask("set-default-source", SOURCE)

    def unplug(self) -> None:
        """Pull the microphone out."""
        for module in ("module-remap-source", "module-null-sink"):
            self.ask("unload-module", module)

    @contextmanager
    def playing(self, path: Path) -> Iterator[None]:
        """Play a WAV into the microphone for as long as the context is open."""
        command = ["paplay", f"--device={SINK}", str(path)]
        with subprocess.Popen(command, env=self.environment) as player:
            try:
                yield
            finally:
                player.terminate()

    def play(self, path: Path) -> None:
        """Play a WAV into the microphone to its end."""
        command = ["paplay", f"--device={SINK}", str(path)]
        subprocess.run(command, env=self.environment, timeout=60, check=True)

    def stop(self) -> None:
        """Let the server hang, as a system under load does."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the server run again."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def pulse(folder: Path) -> Iterator[Pulse]:
    """Run a sound server that keeps all of its files in ``folder``; it is ended by its process id."""
    home, runtime = folder / "home", folder / "run"
    for place in (home, runtime):
        place.mkdir(parents=True)
        place.chmod(0o700)
    (home / ".asoundrc").write_text(_ASOUNDRC)
    socket = runtime / "native"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime),
        "PULSE_SERVER": f"unix:{socket}",
    }
    script = folder / "pulse.pa"
    script.write_text(_SCRIPT.format(socket=socket))
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no"]
    with (folder / "pulse.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--log-level=error", f"--file={script}"],
            env={name: value for name, value in environment.items() if name != "PULSE_SERVER"},
            stdout=log,
            stderr=log,
        )
    try:
        running = Pulse(environment, server.pid)
        _wait_for(running, server)
        running.plug_in()
        yield running
    finally:
        running.go_on()
        server.terminate()
        server.wait(10)


def _wait_for(running: Pulse, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 10
    while True:
        assert server.poll() is None and time.monotonic() < deadline_s, "PulseAudio does not run"
        try:
            running.ask("info")
        except subprocess.CalledProcessError:
            time.sleep(0.05)
        else:
            return
