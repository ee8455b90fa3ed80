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
    "Agent": "policy",
    "AtariOptions": "envs",
    "BernoulliHead": "heads",
    "BetaHead": "heads",
    "Body": "bodies",
    "CategoricalHead": "heads",
    "ConfigError": "errors",
    "DictBody": "bodies",
    "EnvConfig": "envs",
    "EnvSpec": "envs",
    "Episode": "envs",
    "Film": "evaluate",
    "GRU": "memory",
    "GaussianHead": "heads",
    "Hogwild": "strategies",
    "JointHead": "heads",
    "LSTM": "memory",
    "MLPBody": "bodies",
    "Memory": "memory",
    "MixtureHead": "heads",
    "NatureBody": "bodies",
    "RMSprop": "optim",
    "Rollout": "rollout",
    "RolloutData": "data",
    "RunLogger": "loggers",
    "SafeCheckpointIO": "sealed",
    "SphericalGaussianHead": "heads",
    "SquashedGaussianHead": "heads",
    "StateDependentGaussianHead": "heads",
    "WorkerError": "processes",
}
__all__ = [
    "A3C",
    "GRU",
    "LSTM",
    "A3CBody",
    "ActionHead",
    "ActorCritic",
    "Agent",
    "AtariOptions",
    "BernoulliHead",
    "BetaHead",
    "Body",
    "CategoricalHead",
    "ConfigError",
    "DictBody",
    "EnvConfig",
    "EnvSpec",
    "Episode",
    "Film",
    "GaussianHead",
    "Hogwild",
    "JointHead",
    "MLPBody",
    "Memory",
    "MixtureHead",
    "NatureBody",
    "RMSprop",
    "Rollout",
    "RolloutData",
    "RunLogger",
    "SafeCheckpointIO",
    "SphericalGaussianHead",
    "SquashedGaussianHead",
    "StateDependentGaussianHead",
    "WorkerError",
    "__version__",
]

if TYPE_CHECKING:
    from lit_a3c.bodies import A3CBody, Body, DictBody, MLPBody, NatureBody
    from lit_a3c.data import RolloutData
    from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpec, Episode
    from lit_a3c.errors import ConfigError
    from lit_a3c.evaluate import Film
    from lit_a3c.heads import (
        ActionHead,
        BernoulliHead,
        BetaHead,
        CategoricalHead,
        GaussianHead,
        JointHead,
        MixtureHead,
        SphericalGaussianHead,
        SquashedGaussianHead,
        StateDependentGaussianHead,
    )
    from lit_a3c.loggers import RunLogger
    from lit_a3c.memory import GRU, LSTM, Memory
    from lit_a3c.module import A3C
    from lit_a3c.optim import RMSprop
    from lit_a3c.policy import ActorCritic, Agent
    from lit_a3c.processes import WorkerError
    from lit_a3c.rollout import Rollout
    from lit_a3c.sealed import SafeCheckpointIO
    from lit_a3c.strategies import Hogwild


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lit_a3c' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lit_a3c.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
