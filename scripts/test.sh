#!/usr/bin/env bash
# From an empty machine to passed tests: sets up .venv, then lint, types, and every unit, process and short learning test.
#
#   scripts/test.sh [OPTIONS OF pytest]          the short suite, a few minutes on two cores
#   scripts/test.sh --rest [OPTIONS OF pytest]   the campaigns and the longer learning tests alone
#   scripts/test.sh --all [OPTIONS OF pytest]    everything, with all combinations of engines and environments
set -euo pipefail
cd "$(dirname "$0")/.."
select=(-m "not campaign and not exhaustive")
case ${1:-} in
--all)
    select=()
    shift
    ;;
--rest)
    select=(-m "campaign and not exhaustive")
    shift
    ;;
esac
scripts/setup.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# loadfile: tests that share a training stay in one process.
.venv/bin/python -m pytest -n "${PYTEST_WORKERS:-2}" --dist loadfile ${select[@]+"${select[@]}"} "$@"
