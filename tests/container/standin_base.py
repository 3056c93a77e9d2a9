"""Writes a base image for tests: this Python, a shell, and a server that takes AWS's variables as AWS's image does.

Everything in it is on this machine already, so that nothing is fetched: 90 MB in a second.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from importlib.metadata import files
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: What the server in it runs on.
PACKAGES = ("anyio", "click", "h11", "idna", "starlette", "typing_extensions", "uvicorn", "websockets")
_UNUSED = {"test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip", "site-packages", "__pycache__"}
_ENTRY = "#!/bin/sh\nexec python3 -m standin_serve\n"


def write_base(target: Path) -> None:
    """Write the file system of the image as a tar archive."""
    with tarfile.open(target, "w") as archive:
        _Layer(archive).fill()


class _Layer:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._names: set[str] = set()
        self._programs: list[Path] = []

    def fill(self) -> None:
        for name in ("tmp", "proc", "dev", "sys", "etc", "var", "root", "usr/bin", "usr/lib"):
            self._folder(name)
        for name in ("bin", "lib", "lib64"):
            self._link(name, f"usr/{name}")
        self._text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        self._python()
        self._packages()
        self._program(Path(shutil.which("sh") or "/bin/sh"), "usr/bin/sh")
        self._libraries()
        self._text("usr/local/bin/sagemaker_entrypoint.sh", _ENTRY, 0o755)
        self._file(REPOSITORY / "tests" / "container" / "standin_serve.py", "usr/local/bin/standin_serve.py")

    def _python(self) -> None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        self._program(Path(sys.executable).resolve(), f"usr/local/bin/{version}")
        self._link("usr/local/bin/python3", version)
        library = Path(sysconfig.get_path("stdlib")).resolve()
        for path in sorted(library.rglob("*")):
            parts = path.relative_to(library).parts
            if path.is_file() and not _UNUSED.intersection(parts) and path.suffix not in (".pyc", ".a"):
                self._program(path, f"usr/local/lib/{version}/{'/'.join(parts)}", needs=".so" in path.name)
        self._site = f"usr/local/lib/{version}/site-packages"

    def _packages(self) -> None:
        for package in PACKAGES:
            for file in files(package) or ():
                if ".." not in file.parts and file.suffix != ".pyc":
                    self._program(Path(str(file.locate())), f"{self._site}/{file}", needs=file.suffix == ".so")
        for folder, pattern in (("voxctl", "**/*.py"), ("tests/fakes", "scripted.py")):
            for path in sorted((REPOSITORY / folder).glob(pattern)):
                self._file(path, f"{self._site}/{path.relative_to(REPOSITORY)}")

    def _libraries(self) -> None:
        told = subprocess.run(["ldd", *map(str, self._programs)], capture_output=True, text=True, check=False).stdout
        for name in sorted(set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE))):
            # Python's own shared library is found where the loader looks without being told.
            ours = name.startswith(sys.base_prefix)
            place = f"usr/lib/{sysconfig.get_config_var('MULTIARCH')}/{Path(name).name}" if ours else name.lstrip("/")
            self._file(Path(name).resolve(), re.sub(r"^(lib|lib64)/", r"usr/\1/", place))

    def _program(self, path: Path, name: str, *, needs: bool = True) -> None:
        if needs:
            self._programs.append(path)
        self._file(path, name)

    def _file(self, path: Path, name: str) -> None:
        if name not in self._names:
            self._names.add(name)
            entry = tarfile.TarInfo(name)
            data = path.read_bytes()
            entry.size, entry.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
            self._archive.addfile(entry, io.BytesIO(data))

    def _text(self, name: str, text: str, mode: int = 0o644) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text.encode()), mode
        self._archive.addfile(entry, io.BytesIO(text.encode()))

    def _folder(self, name: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        self._archive.addfile(entry)

    def _link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._archive.addfile(entry)


if __name__ == "__main__":
    write_base(Path(sys.argv[1]))
