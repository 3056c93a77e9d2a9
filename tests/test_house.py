"""The rules of the house, each failing with a sentence that says what to do. ARCHITECTURE.md explains them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "voxctl"
MODULES = sorted(PACKAGE.rglob("*.py"))
#: What runs inside vLLM's own process, in the image: none of ours is there.
CONTAINER = PACKAGE.parent / "container"
INSIDE = sorted(CONTAINER.rglob("*.py"))

#: room → the rooms of ours it may import. A room that is a single file is named by it.
MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "errors": set(),
    "events": set(),
    "config": {"errors"},
    "audio": {"errors"},
    "transport": {"errors"},
    "realtime": {"errors", "events"},
    "transcript": {"errors", "events", "_version"},
    "redact": {"errors", "events"},
    "session": {"audio.pcm", "audio.speech", "realtime", "transport.base", "events", "errors"},
    "serving": {"audio.pcm", "realtime", "errors"},
    "aws": {"errors", "config"},
    "connect": {"transport", "serving", "aws"},
    "bench": {"audio", "connect", "errors", "realtime", "transport.base"},
    "image": {"errors"},
    "demo": {
        "audio.pcm",
        "errors",
        "events",
        "realtime.models",
        "serving.server",
        "serving.standin.loopback",
        "session",
        "transcript",
        "transport.base",
    },
    "doctor": {
        "audio",
        "aws",
        "connect",
        "errors",
        "events",
        "realtime",
        "serving",
        "session",
        "transport",
        "_version",
    },
    "ui": {"errors", "events", "transcript"},
    "cli": {
        "audio",
        "aws",
        "bench",
        "config",
        "connect",
        "demo",
        "doctor",
        "errors",
        "events",
        "image",
        "realtime",
        "redact",
        "serving",
        "session",
        "transcript",
        "transport",
        "ui",
        "_version",
    },
    "__init__": {"_version", "audio", "connect", "demo", "errors", "redact", "session", "transcript"},
    "__main__": {"cli"},
}

#: foreign package → the only places that may import it.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "websockets": ("transport/websocket.py", "transport/faults.py", "serving/standin/"),
    "aws_sdk_sagemaker_runtime_http2": ("transport/sagemaker.py",),
    "awscrt": ("transport/sagemaker.py",),
    "smithy_core": ("transport/sagemaker.py",),
    "smithy_http": ("transport/sagemaker.py",),
    "smithy_aws_core": ("transport/sagemaker.py",),
    "smithy_aws_event_stream": ("transport/sagemaker.py",),
    "boto3": ("aws/client.py",),
    "botocore": ("aws/", "serving/standin/"),
    "h2": ("serving/standin/",),
    "hyperframe": ("serving/standin/",),
    "cryptography": ("serving/standin/", "demo/certificate.py"),
    "soundfile": ("audio/",),
    "soxr": ("audio/",),
    "sounddevice": ("audio/portaudio.py",),
    "numpy": ("audio/",),
    "stdnum": ("redact/judges.py",),
    "phonenumbers": ("redact/judges.py",),
    "email_validator": ("redact/judges.py",),
    "av": ("audio/media.py",),
    "pocketsphinx": ("serving/", "audio/speech.py"),
    "starlette": ("serving/", "demo/"),
    "uvicorn": ("serving/",),
    "typer": ("cli/",),
    "rich": ("ui/",),
}

#: What the gateway may use of vLLM's own packages, where it can do without.
INSIDE_MAY_IMPORT = {
    ("container/gateway/exposition.py", "prometheus_client"),
    ("container/gateway/delay.py", "huggingface_hub"),
}

#: Heavy packages that `voxctl --help` must not load.
HEAVY = (
    "av",
    "numpy",
    "phonenumbers",
    "stdnum",
    "email_validator",
    "regex",
    "soundfile",
    "soxr",
    "sounddevice",
    "websockets",
    "boto3",
    "botocore",
    "awscrt",
    "uvicorn",
    "starlette",
    "pocketsphinx",
    "rich.live",
)

MODULE_LINES = 250
FUNCTION_LINES = 40
FUNCTION_LINES_P95 = 30
CATCH_ALLS_PER_1000_LINES = 1

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else CONTAINER.parent).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def by_room(paths: list[Path]) -> list[list[Path]]:
    """Return the files of each room together: a test for each file would take longer than what it tests."""
    rooms = groupby(sorted(paths), key=lambda path: name_of(path).split("/")[0])
    return [list(files) for _, files in rooms]


def room_of_all(paths: list[Path]) -> str:
    return name_of(paths[0]).split("/")[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: write imports in full, `from voxctl…`, not relative ones"
            yield node.module or ""


def functions_of(path: Path) -> Iterator[tuple[Function, int]]:
    """Yield every function and its length in lines, its docstring left out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node, (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("paths", by_room(MODULES), ids=room_of_all)
def test_a_room_imports_only_what_the_table_allows(paths: list[Path]) -> None:
    for path in paths:
        room = room_of(path)
        assert room in MAY_IMPORT, f"{name_of(path)}: add the new room {room!r} to MAY_IMPORT and to ARCHITECTURE.md"
        for imported in imports_of(path):
            if not imported.startswith("voxctl."):
                continue
            wanted = imported.removeprefix("voxctl.")
            allowed = MAY_IMPORT[room] | {room}
            fits = any(wanted == a or wanted.startswith(f"{a}.") for a in allowed)
            assert fits, f"{name_of(path)} imports voxctl.{wanted}; {room} may import only {sorted(allowed)}"


@pytest.mark.parametrize("paths", by_room(MODULES), ids=room_of_all)
def test_a_foreign_package_stays_behind_its_border(paths: list[Path]) -> None:
    for path in paths:
        for imported in imports_of(path):
            places = ONLY_IN.get(imported.split(".")[0])
            assert places is None or name_of(path).startswith(places), (
                f"{name_of(path)} imports {imported}; go through {', '.join(places or ())} instead"
            )


@pytest.mark.parametrize("paths", by_room(INSIDE), ids=room_of_all)
def test_the_container_imports_only_itself_and_the_standard_library(paths: list[Path]) -> None:
    for path in paths:
        for imported in imports_of(path):
            top = imported.split(".")[0]
            fits = top == "gateway" or top in sys.stdlib_module_names or (name_of(path), top) in INSIDE_MAY_IMPORT
            assert fits, f"{name_of(path)} imports {imported}, which vLLM's image need not have: do without it"


@pytest.mark.parametrize("paths", by_room([*MODULES, *INSIDE]), ids=room_of_all)
def test_no_file_and_no_function_outgrows_its_budget(paths: list[Path]) -> None:
    for path in paths:
        n_lines = len(path.read_text("utf-8").splitlines())
        assert n_lines <= MODULE_LINES, (
            f"{name_of(path)} has {n_lines} lines: split it at the seam you would explain first"
        )
        for function, length in functions_of(path):
            assert length <= FUNCTION_LINES, f"{name_of(path)}: {function.name} has {length} lines: name a part of it"


def test_most_functions_are_short() -> None:
    lengths = sorted(length for path in [*MODULES, *INSIDE] for _, length in functions_of(path))
    p95 = lengths[int(0.95 * len(lengths))]
    assert p95 <= FUNCTION_LINES_P95, f"19 of 20 functions should have at most {FUNCTION_LINES_P95} lines, not {p95}"


@pytest.mark.parametrize("paths", by_room(MODULES), ids=room_of_all)
def test_the_library_is_mute(paths: list[Path]) -> None:
    for path in paths:
        if room_of(path) in ("ui", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "logging.basicConfig", "sys.stdout.write", "sys.stderr.write"), (
                    f"{name_of(path)}:{node.lineno} calls {called}: give an event or log; only ui/ and cli/ write"
                )


def test_catch_alls_are_rare_and_say_why() -> None:
    n_lines, found = 0, []
    for path in [*MODULES, *INSIDE]:
        lines = path.read_text("utf-8").splitlines()
        n_lines += len(lines)
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ExceptHandler) and _catches_all(node):
                found.append(f"{name_of(path)}:{node.lineno}")
                why = "#" in lines[node.lineno - 1] or any("#" in line for line in lines[node.lineno : node.lineno + 2])
                reraised = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
                assert why or reraised, f"{found[-1]} catches everything: name the errors, or say why it must"
    most = max(1, n_lines * CATCH_ALLS_PER_1000_LINES // 1000)
    assert len(found) <= most, f"{len(found)} catch-alls in {n_lines} lines, at most {most}: {found}"


def _catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


@pytest.mark.parametrize("paths", by_room([*MODULES, *INSIDE]), ids=room_of_all)
def test_names_say_what_a_thing_is(paths: list[Path]) -> None:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Handler", "Helper", "Utils", "Base")), (
                    f"{name_of(path)}: {node.name}: name it for what it is, not for the pattern"
                )


@pytest.mark.parametrize("paths", by_room([*MODULES, *INSIDE]), ids=room_of_all)
def test_what_is_public_says_what_it_promises(paths: list[Path]) -> None:
    for path in paths:
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), f"{name_of(path)}: begin with a docstring of the module"
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{name_of(path)}: class {node.name} needs a docstring"


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules that a run of voxctl loads."""
    code = f"import sys; sys.argv = ['voxctl', *{arguments!r}]\ntry:\n    from voxctl.__main__ import main; main()\n"
    code += "except SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return set(run.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("transcribe", "--help"),
        ("mic", "--help"),
        ("serve", "--help"),
        ("build", "--help"),
        ("deploy", "--help"),
        ("status", "--help"),
        ("delete", "--help"),
        ("doctor", "--help"),
        ("config", "--help"),
        ("demo", "--help"),
    ],
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "voxctl.cli.app" in loaded
    heavy = sorted(loaded & set(HEAVY))
    assert not heavy, f"`voxctl {' '.join(arguments)}` loads {heavy}: import them inside the function that needs them"


def test_the_order_of_the_error_classes_is_that_of_their_tree() -> None:
    from voxctl import errors

    codes = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.VoxError) and name[0] != "_"
    }
    documented = [name for name in codes if name in (errors.__doc__ or "")]
    assert documented == list(codes), f"draw {set(codes) - set(documented)} in the tree of voxctl/errors.py"
    order = [code for name, code in codes.items() if name != "VoxError" and code]  # 0 is no failure
    assert all(a <= b for a, b in pairwise(order)), "keep voxctl/errors.py in the order of exit codes"
