#!/usr/bin/env bash
# Builds what tests/deploy runs, without a registry: a base of Debian's packages, the cpu image, and stand-ins
# for coturn and Prometheus. Ten minutes and 4 GB; needs root, buildah, podman, mmdebstrap. Arguments go to the
# build of the service's images, as --build-arg PIP_INDEX_URL=...
#
# CUDA=1 builds the cuda image, too, which no run of the tests does by itself: 3 GB of wheels, 30 GB of disk meanwhile.
#
# What pip is told here, the build is told too: PIP_INDEX_URL, TORCH_INDEX, PIP_FIND_LINKS (a folder) and
# PIP_CERT (a file). Exit code 75 (EX_TEMPFAIL): the network is at fault, and the last line says how.
set -euo pipefail
PATH=$PATH:/usr/lib/apt # apt-helper, which knows apt's proxy
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
base=localhost/debian-base:bookworm
debian=http://deb.debian.org/debian/dists/bookworm/InRelease
build=(buildah bud --isolation chroot --format docker --layers)
scratch=$(mktemp --directory)
trap 'rm -rf "$scratch"' EXIT

no_network() {
    echo "$1"
    exit 75
}

# within COMMAND...: in a container of the base, as the builds run.
within() {
    local container status=0
    container=$(buildah from "$base")
    timeout 180 buildah run --isolation chroot "${volumes[@]}" "$container" -- "$@" || status=$?
    buildah rm "$container" >/dev/null
    return $status
}

# try COMMAND...: a second time if it fails, for what was fetched meanwhile is kept.
try() {
    "$@" && return
    echo "once more: $1"
    "$@" 2>&1 | tee "$scratch/log" && return
    ! lost=$(grep -vE "$is_step" "$scratch/log" | grep -m 1 -E "$is_lost") || no_network "fetching failed: $lost"
    return 1
}
is_step='^(\[[0-9/]+\] )?STEP' # what the Containerfile says, as --timeout of its health check
is_lost='Temporary failure|Failed to fetch|Unable to fetch|Could not resolve|[Cc]onnection (timed out|reset|refused|broken)|[Tt]imeout|IncompleteRead'
is_lost+='|Max retries|Name or service not known|CERTIFICATE_VERIFY|Error 5[0-9][0-9]| 50[234] |No space left'

volumes=()
arguments=()
for name in PIP_INDEX_URL TORCH_INDEX PIP_FIND_LINKS; do
    [ -z "${!name:-}" ] || arguments+=(--build-arg "$name=${!name}")
done
[ ! -d "${PIP_FIND_LINKS:-}" ] || volumes+=(--volume "$PIP_FIND_LINKS:$PIP_FIND_LINKS:ro")
if [ -f "${PIP_CERT:-}" ]; then
    printf '[global]\ncert = /run/pip.crt\n' >"$scratch/pip.conf"
    volumes+=(--volume "$PIP_CERT:/run/pip.crt:ro" --volume "$scratch/pip.conf:/etc/pip.conf:ro")
fi

if ! podman image exists "$base"; then
    timeout 60 apt-helper download-file "$debian" "$scratch/InRelease" >"$scratch/log" 2>&1 ||
        no_network "no packages of Debian: $(tail -n 1 "$scratch/log")"
    # Nothing of ours is in it: whatever fails is the machine's or the network's.
    mmdebstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$scratch/rootfs.tar" 2>&1 |
        tee "$scratch/log" || no_network "no base of Debian's packages: $(tail -n 1 "$scratch/log")"
    podman import "$scratch/rootfs.tar" "$base" || no_network "the base cannot be imported"
    rm "$scratch/rootfs.tar"
fi

# By pip itself, which has certificates and settings of its own.
looks=(--retries 1 --timeout 20 --disable-pip-version-check)
[ ! -d "${PIP_FIND_LINKS:-}" ] || looks+=(--find-links "$PIP_FIND_LINKS")
ask="python3 -m venv /tmp/pip && apt-get update -q \
    && /tmp/pip/bin/pip index versions ${looks[*]} --index-url ${PIP_INDEX_URL:-https://pypi.org/simple} aiortc \
    && /tmp/pip/bin/pip index versions ${looks[*]} --index-url ${TORCH_INDEX:-https://download.pytorch.org/whl/cpu} torch"
within sh -c "$ask" >"$scratch/log" 2>&1 || no_network "containers reach no packages: $(grep -v '^WARNING' "$scratch/log" | tail -n 1)"
torch=$(sed -n 's/^torch==\([^ ]*\).*/\1/p' deploy/requirements-cpu.txt)
grep -qF "$torch" "$scratch/log" || no_network "the index of torch does not offer $torch"

# image TAG ARGUMENTS...: builds it, and forgets what the tag named before. The layers that both have stay for the next
# build; without this each change of the code would leave gigabytes.
image() {
    local tag=$1 before after
    before=$(podman image inspect --format '{{.Id}}' "$tag" 2>/dev/null) || before=
    try "${build[@]}" --tag "$tag" "${@:2}"
    after=$(podman image inspect --format '{{.Id}}' "$tag")
    [ -z "$before" ] || [ "$before" = "$after" ] || podman rmi "$before" || echo "$before is in use"
}

of_service=(--build-arg BASE="$base" "${arguments[@]}" "${volumes[@]}" "$@" --file deploy/Containerfile .)
image localhost/streamer-test-build --target build-cpu "${of_service[@]}"
image "localhost/streamer:$version-cpu" --target cpu "${of_service[@]}"
[ "${CUDA:-0}" != 1 ] || image "localhost/streamer:$version-cuda" --target cuda "${of_service[@]}"
for one in coturn prometheus; do
    image "localhost/streamer-test-$one" --target "$one" --file tests/deploy/tools.Containerfile tests/deploy
done
