#!/usr/bin/env bash
# Builds what tests/deploy runs, without a registry: a base of Debian's packages, the cpu image, and stand-ins
# for coturn and Prometheus. Ten minutes and 4 GB; needs root, buildah, podman, mmdebstrap. Arguments go to the
# build of the cpu image, as --build-arg PIP_INDEX_URL=...
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
base=localhost/debian-base:bookworm
build=(buildah bud --isolation chroot --format docker --layers)
if ! podman image exists "$base"; then
    rootfs=$(mktemp --suffix .tar)
    trap 'rm -f "$rootfs"' EXIT
    mmdebstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$rootfs"
    podman import "$rootfs" "$base"
fi
"${build[@]}" --target cpu --build-arg BASE="$base" "$@" \
    --file deploy/Containerfile --tag "localhost/streamer:$version-cpu" .
for one in coturn prometheus; do
    "${build[@]}" --target "$one" --file tests/deploy/tools.Containerfile \
        --tag "localhost/streamer-test-$one" tests/deploy
done
