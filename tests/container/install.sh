#!/bin/sh
# Unpack Docker's engine, buildx, a registry and podman into build/container, from Debian's packages (signed lists of the
# machine's own mirror). Nothing is installed: dpkg's database and the system's folders stay as they are. A second run is
# instant. Needs Debian 12 or newer.
set -eu
cd "$(dirname "$0")/../.."

folder=$PWD/build/container
stamp=$folder/.voxctl-setup
log=$PWD/build/container.log
wanted=$({ pwd; cat tests/container/install.sh; } | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
[ "$(id -u)" = 0 ] || {
    echo "the container suite starts an engine of its own and must be run as root" >&2
    exit 1
}
rm -rf "$folder"
mkdir -p "$folder/debs" "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/engine" "$folder/podman"

: >"$log"
. .ci/step.sh

# One list of ours beside the machine's own, which it leaves alone. Debian 13's engine is the oldest with a recent
# buildx; what needs a newer C library than Debian 12 has comes from Debian 12.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | grep debian | head -n 1)
[ -n "$mirror" ] || {
    echo "apt knows no mirror of Debian on this machine: run apt-get update, or add one to its sources" >&2
    exit 1
}
key=/usr/share/keyrings/debian-archive-keyring.gpg
for release in bookworm trixie; do
    echo "deb [signed-by=$key] $mirror $release main" >"$folder/$release.list"
done

apt() {
    release=$1
    shift
    mkdir -p "$folder/lists/$release/partial"
    apt-get -o Dir::Etc::sourcelist="$folder/$release.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$folder/lists/$release" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

download() {
    release=$1
    shift
    (cd "$folder/debs" && apt "$release" download "$@")
}

unpack() {
    for package in "$folder"/debs/*.deb; do
        dpkg -x "$package" "$1"
    done
    rm "$folder"/debs/*.deb
}

# The links that the packages would make when they are installed.
link_iptables() {
    for name in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do
        ln -sf xtables-nft-multi "$folder/engine/usr/sbin/$name"
    done
}

echo "unpacking a container engine into build/container, half a minute and about 500 MB …" >&2
step "reading the lists of Debian 12" apt bookworm update -qq
step "reading the lists of Debian 13" apt trixie update -qq
step "downloading the engine" download trixie docker.io docker-cli docker-buildx containerd docker-registry tini
step "downloading what it runs with" download bookworm runc iptables libip4tc2 libip6tc2 libxtables12 libmnl0 \
    libnfnetlink0 libnetfilter-conntrack3 libnftnl11
step "unpacking the engine" unpack "$folder/engine"
step "linking iptables" link_iptables
step "downloading podman" download bookworm podman conmon crun golang-github-containers-common \
    golang-github-containers-image libdevmapper1.02.1 libgpgme11 libseccomp2 libsubid4 libyajl2 libassuan0 libgpg-error0
step "unpacking podman" unpack "$folder/podman"
rm -rf "$folder/lists" "$folder/cache" "$folder/debs"

printf '%s\n' "$wanted" >"$stamp"
