#!/bin/sh
# What a microphone without hardware needs: PortAudio, a sound server, and ALSA's way from one to the other, from the
# system's packages. Does nothing where they are already there.
set -eu
cd "$(dirname "$0")/../.."

packages="libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins"
log=build/mic.log

missing() {
    for package in $packages; do
        dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || echo "$package"
    done
}

if ! command -v apt-get >/dev/null; then
    echo "install PortAudio, PulseAudio with paplay and pactl, and ALSA's pulse plug-in by hand" >&2
    command -v pulseaudio >/dev/null && command -v paplay >/dev/null
    exit
fi
[ -n "$(missing)" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
mkdir -p build

: >"$log"
. .ci/step.sh

install() {
    # shellcheck disable=SC2086  # words are meant
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install --yes --no-install-recommends $packages && return 0
    $as_root apt-get update
    return 1
}

step "installing a sound server" install
[ -z "$(missing)" ]
