#!/usr/bin/env bash
# Makes .venv with everything pinned by constraints.txt. A second run finds nothing to do and returns at once.
#
#   scripts/setup.sh [EXTRAS]    comma-separated, for example dev or plot,tune
#
# On Linux, PyPI's torch brings CUDA, several gigabytes. Without a GPU, name PyTorch's CPU index first
# (https://pytorch.org/get-started/locally/):  export PIP_EXTRA_INDEX_URL=...
set -euo pipefail
cd "$(dirname "$0")/.."

known="dev benchmark box2d completion docs hub minigrid onnx plot ray tune wandb"
extras=${1:-}
for extra in ${extras//,/ }; do
    case $extra in
    robotics | dm-control)
        echo "setup: '$extra' needs an older MuJoCo than constraints.txt has: pip install '.[$extra]'" >&2
        exit 2
        ;;
    esac
    case " $known " in
    *" $extra "*) ;;
    *)
        echo "setup: there is no extra '$extra', only ${known// /, }." >&2
        exit 2
        ;;
    esac
done
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: Python 3.11 or newer is needed, and '$python' is $("$python" --version). Set PYTHON=..." >&2
    exit 1
}
stamp=.venv/lit-a3c-$(cat pyproject.toml constraints.txt scripts/setup.sh | cksum | cut -d' ' -f1)-${extras//,/-}
[ -e "$stamp" ] && exit 0
[ -e .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --disable-pip-version-check --quiet \
    --constraint constraints.txt --editable ".${extras:+[$extras]}"
case ,$extras, in *,dev,*)
    # For the tests of Gymnasium-Robotics and dm_control, which have no release for a newer MuJoCo yet.
    .venv/bin/python -m pip install --disable-pip-version-check --quiet \
        --upgrade --no-deps --target .venv/mujoco3 mujoco==3.11.0
    ;;
esac
touch "$stamp"
