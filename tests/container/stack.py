"""A container engine, registries and programs of one's own: in namespaces that vanish with whoever made them.

Inside, the names of Amazon's registries lead to registries on loopback, over TLS, and 8080 is a port of nobody else's.
The machine's own network, mounts and ``/etc`` stay as they are.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

REPOSITORY = Path(__file__).parents[2]
BUILT = REPOSITORY / "build" / "container"
ACCOUNT, REGION = "123456789012", "us-east-1"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PUBLIC = "public.ecr.aws"
USER, PASSWORD = "AWS", "a-token-that-must-stay-secret"
#: bcrypt of the password, which nothing here can compute.
_HASH = "$2b$05$46ZMXkg38MhfepMgWf9GMuO6UPRGPNBMkVWOQ4gCcusyAhlqQ5LdG"
_ADDRESSES = {PUBLIC: "127.0.0.2", ECR: "127.0.0.3"}
_CLONE_NEWNET = 0x40000000
#: The control group of all containers, which the machine's own engine does not have.
_GROUP = "/voxctl-test"
#: In full, for programs that are to find nothing else.
_NSENTER = shutil.which("nsenter") or "nsenter"


def require_packages() -> None:
    """Fail with the line to type where the engine was not unpacked."""
    assert (BUILT / ".voxctl-setup").exists(), "run `sh .ci/setup-real.sh` first: it unpacks the container engine"


@dataclass
class Inside:
    """Namespaces with a loopback of their own. ``run`` runs a program there; ``call`` a function, on a thread."""

    folder: Path
    pid: int
    ca: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line that runs a program inside, as this very process, so that signals reach it."""
        return [*self._enter_command(), "--", *map(str, arguments)]

    def _enter_command(self) -> list[str]:
        return [_NSENTER, f"--target={self.pid}", "--mount", "--net"]

    def run(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        limit_s: float = 60,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end."""
        return subprocess.run(
            [*self._enter_command(), "--pid", "--", *map(str, arguments)],
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            input=stdin,
        )

    def start(self, *arguments: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a program inside, in its processes' own namespace, which ends with all the others."""
        with log.open("wb") as sink:
            command = [*self._enter_command(), "--pid", "--", *map(str, arguments)]
            return subprocess.Popen(command, env=self.environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)

    def call[T](self, work: Callable[[], T]) -> T:
        """Call a function whose sockets are of the inside."""
        with ThreadPoolExecutor(1, initializer=self._enter) as there:
            return there.submit(work).result()

    def _enter(self) -> None:
        with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
            os.setns(namespace.fileno(), _CLONE_NEWNET)


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    """Make namespaces, with a hosts file and an authority of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in _ADDRESSES.items()))
    ca = folder / "ca.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    issued = authority.issue_cert(*_ADDRESSES, "127.0.0.1", *_ADDRESSES.values())
    (folder / "server.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(folder / "server.key")
    # What engines keep beside the folders they are given stays inside as well.
    script = f"mount --bind {hosts} /etc/hosts && mount -t tmpfs none /run && mount -t tmpfs none /var/lib"
    script += " && echo $$ && exec cat"
    # It ends, and all in its namespaces with it, when the other end of its input is closed: when this process ends.
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdin and holder.stdout
    try:
        assert holder.stdout.readline().strip() == b"1", "namespaces of one's own need root"
        pid = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0])
        made = Inside(folder, pid, ca, _environment(folder, ca))
        made.call(_loopback_up)
        yield made
    finally:
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()


def _loopback_up() -> None:
    up, set_flags = 0x1, 0x8914
    with socket.socket() as anyone:
        fcntl.ioctl(anyone, set_flags, struct.pack("16sh14x", b"lo", up))


def _environment(folder: Path, ca: Path) -> dict[str, str]:
    engine, podman = BUILT / "engine" / "usr", BUILT / "podman" / "usr"
    home = folder / "home"
    (home / ".config" / "containers").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{engine}/bin:{engine}/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": f"{engine}/lib/x86_64-linux-gnu:{podman}/lib/x86_64-linux-gnu",
        "HOME": str(home),
        "SSL_CERT_FILE": str(ca),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        "VOXCTL_CONFIG": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


@contextmanager
def registry(place: Inside, host: str, *, locked: bool) -> Iterator[None]:
    """Run a registry under one of Amazon's names; ``locked``: it gives nothing without the password."""
    folder = place.folder / host
    folder.mkdir()
    (folder / "htpasswd").write_text(f"{USER}:{_HASH}\n")
    address = f"{_ADDRESSES[host]}:443"
    tls = f"tls: {{certificate: {place.folder}/server.pem, key: {place.folder}/server.key}}"
    lock = f"auth: {{htpasswd: {{realm: ecr, path: {folder}/htpasswd}}}}\n" if locked else ""
    (folder / "config.yml").write_text(
        "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '{address}', {tls}}}\n{lock}"
    )
    process = place.start("docker-registry", "serve", folder / "config.yml", log=folder / "log")
    try:
        _until(lambda: place.call(lambda: _answers(_ADDRESSES[host], 443)), folder / "log")
        yield
    finally:
        _end(process)


def _answers(host: str, port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex((host, port)) == 0


@dataclass
class Docker:
    """An engine that runs. ``env`` is what makes ``docker`` speak to it."""

    place: Inside
    env: dict[str, str]
    log: Path

    def __call__(self, *arguments: str | Path, stdin: str | None = None, limit_s: float = 60) -> str:
        """Run a docker command, which must succeed, and return what it says."""
        done = self.place.run("docker", *arguments, env=self.env, stdin=stdin, limit_s=limit_s)
        assert done.returncode == 0, f"docker {arguments}: {done.stderr or done.stdout}"
        return done.stdout.strip()


@contextmanager
def docker(place: Inside, name: str, *, containerd: bool, buildx: bool, size: str | None = None) -> Iterator[Docker]:
    """Run an engine. ``containerd`` says which store it keeps images in; ``size``: its disk has only so much."""
    folder = place.folder / name
    for part in ("data", "exec", "client/cli-plugins"):
        (folder / part).mkdir(parents=True)
    if size:
        place.run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder / "data")
    if buildx:
        plugin = BUILT / "engine" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-buildx"
        (folder / "client" / "cli-plugins" / "docker-buildx").symlink_to(plugin)
    (folder / "daemon.json").write_text(json.dumps({"features": {"containerd-snapshotter": containerd}}))
    socket = folder / "docker.sock"
    process = place.start(
        *("dockerd", "--host", f"unix://{socket}", "--config-file", folder / "daemon.json"),
        *("--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"),
        # Containers have the network of the inside, which is enough, and nobody's rules for packets are touched.
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--cgroup-parent", _GROUP),
        log=folder / "log",
    )
    made = Docker(place, {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(folder / "client")}, folder / "log")
    try:
        _until(lambda: place.run("docker", "version", env=made.env).returncode == 0, folder / "log")
        yield made
    finally:
        _end(process)
        for group in (*Path("/sys/fs/cgroup").glob(f"*/{_GROUP[1:]}"), *Path("/sys/fs/cgroup").glob(_GROUP[1:])):
            with suppress(OSError):  # it may be another engine's, still
                group.rmdir()


@contextmanager
def podman(place: Inside) -> Iterator[dict[str, str]]:
    """Give what makes ``podman`` work here: it needs no engine that runs."""
    folder, usr = place.folder / "podman", BUILT / "podman" / "usr"
    folder.mkdir()
    (folder / "containers.conf").write_text(
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n'
        f'conmon_path = ["{usr}/bin/conmon"]\n[engine.runtimes]\ncrun = ["{usr}/bin/crun"]\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/data"\nrunroot = "{folder}/run"\n'
    )
    policy = Path(place.environment["HOME"]) / ".config" / "containers" / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    yield {
        "PATH": f"{usr}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
        "XDG_RUNTIME_DIR": str(folder),
    }


def _until(done: Callable[[], bool], log: Path, limit_s: float = 30) -> None:
    deadline_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline_s, log.read_text("utf-8", errors="replace")[-3000:]
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    # What ``nsenter --pid`` waits for is its child.
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
    process.wait(20)
