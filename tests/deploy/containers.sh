#!/usr/bin/env bash
# Makes this machine ready for the tests that run containers, and prints what those tests need to know as lines
# for a shell: ready=$(tests/deploy/containers.sh); eval "$ready". $CONTAINERS says how much it matters:
#   auto  the default: what the machine cannot do is a reason by which the tests skip; a build that fails for
#         any other cause is an error
#   1     they have to run: a reason is an error, too
#   0     they are left out
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${CONTAINERS:-auto}
exec 3>&1 1>&2

tell() {
    printf 'export %s=%q\n' "$1" "$2" >&3
}

# VARIABLE REASON
leave_out() {
    echo "containers: $2"
    [ "$mode" != 1 ] || exit 1
    tell "$1" "$2"
}

no_containers() {
    leave_out STREAMER_TEST_NO_CONTAINERS "$1"
    exit 0
}

install() {
    local missing=() one
    for one in buildah podman runc mmdebstrap busybox:busybox-static; do
        command -v "${one%:*}" >/dev/null || missing+=("${one#*:}")
    done
    dpkg-query --show golang-github-containernetworking-plugin-dnsname >/dev/null 2>&1 ||
        missing+=(golang-github-containernetworking-plugin-dnsname)
    ((${#missing[@]})) || return 0
    DEBIAN_FRONTEND=noninteractive apt-get update -q &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

build() {
    local log status=0
    log=$(mktemp)
    timeout 3000 tests/deploy/images.sh 2>&1 | tee "$log" || status=$?
    local said
    said=$(tail -n 1 "$log")
    rm "$log"
    case $status in
    0) ;;
    75) no_containers "no images: $said" ;;
    124) no_containers "no images: they were not built in 50 minutes" ;;
    *) exit "$status" ;;
    esac
}

case $mode in
auto | 1) ;;
0) no_containers "CONTAINERS=0" ;;
*)
    echo "CONTAINERS is $mode: auto, 1 or 0"
    exit 2
    ;;
esac
reason=$(tests/deploy/can_run.sh machine) || no_containers "$reason"
install || no_containers "apt-get does not install them"
CONTAINERS_CONF=$PWD/tests/deploy/containers.conf
export CONTAINERS_CONF
# What a run that was killed left, which may hold compose's ports.
{ podman ps --all --quiet --filter name=^streamer-test || true; } | while read -r id; do
    podman rm --force --time=1 "$id" || true
done
reason=$(tests/deploy/can_run.sh container) || no_containers "$reason"
if ! reason=$(tests/deploy/can_run.sh network); then
    leave_out STREAMER_TEST_NO_COMPOSE "$reason"
elif ! .venv/bin/pip install --quiet podman-compose==1.6.0; then
    leave_out STREAMER_TEST_NO_COMPOSE "pip does not install podman-compose"
fi
build
tell CONTAINERS_CONF "$CONTAINERS_CONF"
tell STREAMER_TEST_IMAGE "localhost/streamer:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-cpu"
