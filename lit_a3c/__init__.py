"""lit-a3c: asynchronous advantage actor-critic as a PyTorch Lightning trainer.

The names below are the public face. They are imported when first used, so that ``lit-a3c --help`` need not wait
for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "A3C": "module",
    "A3CBody": "bodies",
    "ActionHead": "heads",
    "ActorCritic": "policy",
    "AtariOptions": "envs",
    "Body": "bodies",
    "CategoricalHead": "heads",
    "ConfigError": "errors",
    "EnvConfig": "envs",
    "EnvSpec": "envs",
    "Episode": "envs",
    "Film": "evaluate",
    "GaussianHead": "heads",
    "Hogwild": "strategies",
    "MLPBody": "bodies",
    "NatureBody": "bodies",
    "RMSprop": "optim",
    "Rollout": "rollout",
    "RolloutData": "data",
    "RunLogger": "loggers",
    "StateDependentGaussianHead": "heads",
    "WorkerError": "processes",
}
__all__ = [
    "A3C",
    "A3CBody",
    "ActionHead",
    "ActorCritic",
    "AtariOptions",
    "Body",
    "CategoricalHead",
    "ConfigError",
    "EnvConfig",
    "EnvSpec",
    "Episode",
    "Film",
    "GaussianHead",
    "Hogwild",
    "MLPBody",
    "NatureBody",
    "RMSprop",
    "Rollout",
    "RolloutData",
    "RunLogger",
    "StateDependentGaussianHead",
    "WorkerError",
    "__version__",
]

if TYPE_CHECKING:
    from lit_a3c.bodies import A3CBody, Body, MLPBody, NatureBody
    from lit_a3c.data import RolloutData
    from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpec, Episode
    from lit_a3c.errors import ConfigError
    from lit_a3c.evaluate import Film
    from lit_a3c.heads import ActionHead, CategoricalHead, GaussianHead, StateDependentGaussianHead
    from lit_a3c.loggers import RunLogger
    from lit_a3c.module import A3C
    from lit_a3c.optim import RMSprop
    from lit_a3c.policy import ActorCritic
    from lit_a3c.processes import WorkerError
    from lit_a3c.rollout import Rollout
    from lit_a3c.strategies import Hogwild


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lit_a3c' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lit_a3c.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
