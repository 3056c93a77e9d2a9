#!/bin/sh
# Write constraints.txt: every dependency, direct and not, by exact version and hash, for every Python and platform
# that voxctl supports. It names no place to fetch from; that is for whoever installs to say.
set -eu
cd "$(dirname "$0")/.."

python=$(sh .ci/find-python.sh)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m venv "$scratch/uv"
"$scratch/uv/bin/python" -m pip install --quiet uv

# The build backend, and what it asks for when it installs in place, are part of the set-up and pinned with the rest.
"$python" - >"$scratch/build.in" <<'PY'
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")
PY
"$scratch/uv/bin/uv" pip compile --quiet --universal --python-version 3.12 --generate-hashes --upgrade \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    --extra dev --extra mic pyproject.toml "$scratch/build.in" --output-file "$scratch/constraints.txt"
{
    echo "# Every dependency of voxctl by exact version and hash; written by \`make constraints\`."
    cat "$scratch/constraints.txt"
} >constraints.txt
