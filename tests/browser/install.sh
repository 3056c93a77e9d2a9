#!/bin/sh
# What the tests of the page need: Debian's Chromium, Playwright's driver in .venv (it brings no browser), Node for the
# worklet's resampler, and axe-core in build/browser. A second run is instant.
set -eu
cd "$(dirname "$0")/../.."

folder=build/browser
log=build/browser.log
axe=4.14.1
axe_sha256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
mkdir -p "$folder"
: >"$log"
. .ci/step.sh


system_packages() {
    if [ "$(id -u)" != 0 ]; then
        echo "not root: apt-get install $*"
        return 1
    fi
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

playwright() {
    .venv/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes \
        --requirement tests/browser/requirements.txt
}

axe_core() {
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" "axe-core@$axe" &&
        printf '%s  %s\n' "$axe_sha256" "$folder/node_modules/axe-core/axe.min.js" | sha256sum --check
}

command -v chromium >/dev/null || step "installing Chromium" system_packages chromium
command -v npm >/dev/null || step "installing Node" system_packages nodejs npm
version=$(sed -n 's/^playwright==\([0-9.]*\).*/\1/p' tests/browser/requirements.txt)
.venv/bin/python -c "from importlib.metadata import version; assert version('playwright') == '$version'" 2>/dev/null ||
    step "installing Playwright" playwright
grep -q "\"version\": \"$axe\"" "$folder/node_modules/axe-core/package.json" 2>/dev/null ||
    step "installing axe-core" axe_core
