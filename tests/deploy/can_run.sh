#!/usr/bin/env bash
# Whether this machine can run containers, as the tests do. Nothing is said where it can; otherwise one line, the
# reason, and exit code 1. Stages, by what they ask for:
#   machine     nothing but a shell: rights, processor, room, namespaces
#   container   podman, runc, busybox: a closed container of the tests' own kind
#   network     besides: a bridge as compose makes one, a published port, names; compose's own ports
set -uo pipefail
stage=${1:?machine, container or network}
export CONTAINERS_CONF=${CONTAINERS_CONF:-$(dirname "$(realpath "$0")")/containers.conf}
image=localhost/streamer-probe
runs=(timeout 60 podman --runtime runc run --read-only --cap-drop=ALL --security-opt=no-new-privileges)

cannot() {
    echo "$1"
    exit 1
}

# attempt REASON COMMAND...: the last line that it says belongs to the reason.
attempt() {
    local said
    said=$("${@:2}" 2>&1) || cannot "$1: $(tail -n 1 <<<"$said")"
}

machine() {
    [ "$(id -u)" = 0 ] || cannot "not root"
    [ "$(uname -m)" = x86_64 ] || cannot "$(uname -m), and the image's locks are for x86_64"
    local place=/var/lib/containers free
    [ -d "$place" ] || place=/var/lib
    free=$(df --output=avail -BM "$place" | tail -n 1 | tr -dc 0-9)
    [ "${free:-0}" -ge 6000 ] || cannot "${free:-no} MB are free at $place, 6000 are needed"
    attempt "no namespaces of its own" timeout 20 unshare --mount --net --pid --fork true
    attempt "no mounts in a namespace" timeout 20 unshare --mount --net --pid --fork \
        mount -t tmpfs none /mnt
}

import() {
    timeout 60 podman rmi --force "$image" >/dev/null 2>&1 # of the last time
    tar --create --directory="$(dirname "$(command -v busybox)")" --dereference --transform='s,^,bin/,' \
        busybox | timeout 60 podman import --quiet - "$image"
}

container() {
    attempt "no image can be imported" import
    local driver
    driver=$(timeout 60 podman info --format '{{.Store.GraphDriverName}}' 2>/dev/null)
    [ "$driver" = overlay ] || cannot "the store is ${driver:-unknown}, not overlay: layers would be copied"
    attempt "no container runs" "${runs[@]}" --rm --network=host "$image" /bin/busybox true
}

network() {
    local port ports
    read -r -a ports <<<"${STREAMER_TEST_PORTS:-8080 9090 3478}"
    for port in "${ports[@]}"; do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || cannot "something listens on port $port"
    done
    forget
    trap forget EXIT
    attempt "no network of its own" timeout 60 podman network create streamer-probe
    attempt "no published port" "${runs[@]}" --detach --name=streamer-probe --network=streamer-probe \
        --publish="127.0.0.1:${ports[0]}:8000/tcp" --publish=20000-20049:20000-20049/udp \
        "$image" /bin/busybox httpd -f -p 8000 -h /bin
    attempt "the published port leads nowhere" fetch "127.0.0.1:${ports[0]}"
    # nslookup, since a static wget finds no libraries to look names up with.
    attempt "containers do not know each other's names" "${runs[@]}" --rm --network=streamer-probe \
        "$image" /bin/busybox nslookup streamer-probe
}

fetch() {
    local again
    for again in 1 2 3 4 5 6 7 8 9 10; do
        timeout 10 busybox wget -q -O /dev/null "http://$1/busybox" && return
        sleep 0.5
    done
    echo "no answer from $1 in $again tries"
    return 1
}

forget() {
    timeout 60 podman rm --force --time=0 streamer-probe
    timeout 60 podman network rm --force streamer-probe
} >/dev/null 2>&1

"$stage"
exit 0
