#!/usr/bin/env bash
# Writes the image's locks: what constraints.txt says, with all that belongs to it, by hash. Run it after a
# change of pyproject.toml or constraints.txt; needs uv (0.13.9) and the index.
#
#   requirements.txt        all but torch
#   requirements-cuda.txt   torch of PyPI with its CUDA libraries
#   requirements-cpu.txt    torch of download.pytorch.org/whl/cpu; written by hand, since that index is another
#   requirements-tools.txt  what builds the wheel and the SBOM, and stays out of the image
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
export UV_CUSTOM_COMPILE_COMMAND=deploy/lock.sh
compile=("$uv" pip compile --quiet --generate-hashes --no-annotate --only-binary :all:
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --native-tls)
cuda='^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)=='
all=$(mktemp)
trap 'rm -f "$all"' EXIT
"${compile[@]}" pyproject.toml --constraint constraints.txt --output-file "$all" >/dev/null
# A requirement is a line that begins with a name, and the hashes below it.
for which in 0 1; do
    file=deploy/requirements$([ $which = 0 ] || echo -cuda).txt
    awk -v cuda="$cuda" -v which=$which '
        /^#/ { print; next }
        /^[a-z0-9]/ { is_cuda = ($0 ~ cuda) }
        is_cuda == which { print }' "$all" >"$file"
done
printf '%s\n' hatchling==1.28.0 cyclonedx-bom==7.5.0 |
    "${compile[@]}" - --output-file deploy/requirements-tools.txt >/dev/null
