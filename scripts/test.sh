#!/usr/bin/env bash
# From an empty machine to passed tests: sets up .venv, then lint, types and the whole suite, as CI does.
#
#   scripts/test.sh [OPTIONS OF pytest]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
