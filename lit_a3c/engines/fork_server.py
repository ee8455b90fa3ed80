"""Imported by the fork server alone: what its workers need, and a quick end.

Without the last line the fork server spends a second and a half on shutting the interpreter down after the learner has
ended.
"""

# ruff: noqa: F401

import atexit
import os

import torchrl.collectors
import torchrl.envs

import lit_a3c.engines.registry

atexit.register(os._exit, 0)  # workers never come here
