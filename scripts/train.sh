#!/usr/bin/env bash
# From an empty machine to a training: sets up .venv and starts the main job, A3C on Pong.
#
#   scripts/train.sh [OPTIONS OF lit-a3c fit]     for example --config mujoco.yaml
set -euo pipefail
"$(dirname "$0")/setup.sh"
[ $# -gt 0 ] || set -- --config atari.yaml
exec "$(dirname "$0")/../.venv/bin/lit-a3c" fit "$@"
