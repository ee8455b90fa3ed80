#!/usr/bin/env bash
# Makes .venv with everything pinned by constraints.txt. A second run finds nothing to do and returns at once.
#
#   scripts/setup.sh [EXTRA]     EXTRA: dev, benchmark, plot or wandb, comma-separated
#
# On Linux, PyPI's torch brings CUDA, several gigabytes. Without a GPU, name PyTorch's CPU index first
# (https://pytorch.org/get-started/locally/):  export PIP_EXTRA_INDEX_URL=...
set -euo pipefail
cd "$(dirname "$0")/.."

extras=${1:-}
for extra in ${extras//,/ }; do
    case $extra in
    dev | benchmark | plot | wandb) ;;
    *)
        echo "setup: there is no extra '$extra', only dev, benchmark, plot and wandb, comma-separated." >&2
        exit 2
        ;;
    esac
done
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or newer is needed, and '$python' is $("$python" --version). Set PYTHON=..." >&2
    exit 1
}
stamp=.venv/lit-a3c-$(cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)-${extras//,/-}
[ -e "$stamp" ] && exit 0
[ -e .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --disable-pip-version-check --quiet \
    --constraint constraints.txt --editable ".${extras:+[$extras]}"
touch "$stamp"
