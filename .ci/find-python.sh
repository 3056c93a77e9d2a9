#!/bin/sh
# Print the path of a Python that voxctl runs on (3.13 or 3.12), fetching one if the machine has none.
# VOXCTL_PYTHON=/path/to/python overrides the search.
#
# A name on PATH proves nothing: version managers leave shims there that fail unless that version is selected.
# So every candidate is run and asked for its version before it is believed.
set -u

say() { printf '%s\n' "$*" >&2; }

# Print the real path of a candidate if it is a usable 3.12 or 3.13; venv and ensurepip are split off on some systems.
# A candidate inside a virtual environment, perhaps the very one about to be made anew, gives what that was made from.
usable() {
    "$1" -c '
import os, sys
if sys.version_info[:2] not in ((3, 12), (3, 13)):
    sys.exit(1)
import ensurepip, ssl, venv
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(base if os.path.exists(base) else sys.executable)
' 2>/dev/null
}

take() {
    found=$(usable "$1") && [ -n "$found" ] && { printf '%s\n' "$found"; exit 0; }
}

if [ -n "${VOXCTL_PYTHON:-}" ]; then
    take "$VOXCTL_PYTHON"
    say "VOXCTL_PYTHON=$VOXCTL_PYTHON is not a working Python 3.12 or 3.13 (with venv); correct it or unset it"
    exit 1
fi

for version in 3.13 3.12; do
    take "python$version"
done
take python3

# Installed with pyenv but not selected: newest first.
for root in "$(pyenv root 2>/dev/null)" "${PYENV_ROOT:-}" "${HOME:-/nonexistent}/.pyenv"; do
    [ -d "$root/versions" ] || continue
    for version in 3.13 3.12; do
        for candidate in "$root/versions/$version"*/bin/python3; do
            take "$candidate"
        done
    done
done

# uv knows the Pythons it has, and can fetch one.
with_uv() {
    for version in 3.13 3.12; do
        take "$("$1" python find --system --no-project "$version" 2>/dev/null)"
    done
    say "fetching Python 3.13 with uv …"
    for version in 3.13 3.12; do
        "$1" python install --no-progress "$version" >&2 && take "$("$1" python find --system --no-project "$version" 2>/dev/null)"
    done
}

if uv --version >/dev/null 2>&1; then
    with_uv uv
fi

# Any Python 3 with pip can fetch uv into a folder that is thrown away.
for old in python3 python; do
    "$old" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || continue
    scratch=$(mktemp -d) || break
    trap 'rm -rf "$scratch"' EXIT
    if "$old" -m venv "$scratch/uv" >/dev/null 2>&1 && "$scratch/uv/bin/python" -m pip install -q uv >/dev/null 2>&1; then
        with_uv "$scratch/uv/bin/uv"
    fi
    break
done

say "voxctl needs Python 3.13 or 3.12 and none was found: install one (with its venv module), or set VOXCTL_PYTHON=/path/to/python3.13"
exit 1
