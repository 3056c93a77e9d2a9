#!/bin/sh
# Everything the heavy suites need and `make test` does not. Each piece has a script of its own, which does nothing
# the second time, tries a failed step once more, and fails loudly. A missing piece is a failure, never a skip.
set -eu
cd "$(dirname "$0")/.."

sh tests/vllm/install.sh
sh tests/session/install.sh
sh tests/container/install.sh
sh tests/browser/install.sh
sh tests/mic/install.sh
