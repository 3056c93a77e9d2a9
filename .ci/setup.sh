#!/bin/sh
# Make .venv what pyproject.toml and constraints.txt say, or leave it alone if it already is. Quiet when all is well.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.voxctl-setup
log=.venv/voxctl-setup.log

release() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# The folder's own place is part of it: the commands of an environment hold its full path, so a moved one is useless.
wanted=$({ pwd; cat pyproject.toml constraints.txt .ci/setup.sh .ci/step.sh; } | cksum)
made=$(sed -n 1p "$stamp" 2>/dev/null || true)
version=$(release .venv/bin/python || true)
if [ -n "${VOXCTL_PYTHON:-}" ] && [ "$(release "$VOXCTL_PYTHON" || true)" != "$version" ]; then
    made=
fi
if [ "$made" = "$wanted" ] && [ -n "$version" ]; then
    exit 0
fi

# The stamp is written last. Without one the environment is unknown or half made, and looks whole where it is not:
# begin again from nothing. With an old one it is brought up to date in place.
if [ -z "$made" ] || [ -z "$version" ] || [ "$(sed -n 2p "$stamp")" != "$(pwd)" ]; then
    python=$(sh .ci/find-python.sh)
    version=$(release "$python")
    echo "setting up .venv with Python $version …" >&2
    rm -rf .venv
    "$python" -m venv .venv
else
    echo "bringing .venv up to date …" >&2
    rm -f "$stamp"
fi

: >"$log"
. .ci/step.sh

pip=".venv/bin/python -m pip --disable-pip-version-check --no-input"
# Everything by exact version and hash first; then voxctl itself, which has no hash, with nothing left to fetch.
step "installing dependencies" $pip install --require-hashes --requirement constraints.txt
step "installing voxctl" $pip install --no-deps --no-build-isolation --editable .
step "checking the installation" $pip check

printf '%s\n%s\n' "$wanted" "$(pwd)" >"$stamp"
