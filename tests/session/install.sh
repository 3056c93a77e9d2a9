#!/bin/sh
# Put a reader's sentences into build/librivox, with the words that are said in them: LibriVox clips, in the public
# domain, from the source distribution of the recogniser that voxctl comes with. A second run is instant.
set -eu
cd "$(dirname "$0")/../.."

folder=build/librivox
stamp=$folder/.voxctl-setup
log=build/librivox.log
wanted=$(cksum <tests/session/install.sh)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"

: >"$log"
. .ci/step.sh

# The source of this package alone: with sources of all, pip would compile what reads its metadata.
download() {
    printf 'pocketsphinx==5.1.1 --hash=sha256:%s\n' \
        675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355 >"$folder/requirements.txt"
    .venv/bin/python -m pip --disable-pip-version-check --no-input download --no-deps --no-binary pocketsphinx \
        --require-hashes --dest "$folder" --requirement "$folder/requirements.txt"
}

unpack() {
    .venv/bin/python - "$folder" <<'PY'
import sys
import tarfile
from pathlib import Path

folder = Path(sys.argv[1])
archive = folder / "pocketsphinx-5.1.1.tar.gz"
with tarfile.open(archive) as packed:
    for member in packed:
        place = Path(member.name)
        if place.parts[1:4] == ("test", "data", "librivox") and place.suffix in (".wav", ".txt"):
            (folder / place.name).write_bytes(packed.extractfile(member).read())
archive.unlink()
(folder / "requirements.txt").unlink()
PY
}

step "downloading a reader's sentences" download
step "unpacking a reader's sentences" unpack
printf '%s\n' "$wanted" >"$stamp"
