"""lit-a3c: asynchronous advantage actor-critic as a PyTorch Lightning trainer.

The names below are the public face. They are imported when they are first used, so that ``lit-a3c --help`` need not
wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lit_a3c.checkpoint.io import CorruptCheckpointError, SafeCheckpointIO
    from lit_a3c.datamodule import RolloutDataModule
    from lit_a3c.engines.hogwild.strategy import Hogwild
    from lit_a3c.engines.processes import WorkerError
    from lit_a3c.envs import AtariOptions, EnvConfig, EnvSpaces
    from lit_a3c.evaluation.evaluate import Evaluation, evaluate
    from lit_a3c.evaluation.play import EpisodeBatch
    from lit_a3c.evaluation.video import EpisodeVideo
    from lit_a3c.metrics.logger import RunLogger
    from lit_a3c.module import A3C
    from lit_a3c.networks.actor_critic import ActorCritic
    from lit_a3c.networks.agent import Agent
    from lit_a3c.networks.bodies import A3CBody, Body, DictBody, MLPBody, NatureBody, SmallImageBody
    from lit_a3c.networks.heads import (
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
    from lit_a3c.networks.recurrent import GRU, LSTM, RecurrentCore, RecurrentOutput
    from lit_a3c.optim import RMSprop
    from lit_a3c.rollout import Episode, Rollout
    from lit_a3c.utils.errors import ConfigError

_MODULES = {
    "checkpoint.io": (
        "CorruptCheckpointError",
        "SafeCheckpointIO",
    ),
    "datamodule": ("RolloutDataModule",),
    "engines.hogwild.strategy": ("Hogwild",),
    "engines.processes": ("WorkerError",),
    "envs": (
        "AtariOptions",
        "EnvConfig",
        "EnvSpaces",
    ),
    "evaluation.evaluate": (
        "Evaluation",
        "evaluate",
    ),
    "evaluation.play": ("EpisodeBatch",),
    "evaluation.video": ("EpisodeVideo",),
    "metrics.logger": ("RunLogger",),
    "module": ("A3C",),
    "networks.actor_critic": ("ActorCritic",),
    "networks.agent": ("Agent",),
    "networks.bodies": (
        "A3CBody",
        "Body",
        "DictBody",
        "MLPBody",
        "NatureBody",
        "SmallImageBody",
    ),
    "networks.heads": (
        "ActionHead",
        "BernoulliHead",
        "BetaHead",
        "CategoricalHead",
        "GaussianHead",
        "JointHead",
        "MixtureHead",
        "SphericalGaussianHead",
        "SquashedGaussianHead",
        "StateDependentGaussianHead",
    ),
    "networks.recurrent": (
        "GRU",
        "LSTM",
        "RecurrentCore",
        "RecurrentOutput",
    ),
    "optim": ("RMSprop",),
    "rollout": (
        "Episode",
        "Rollout",
    ),
    "utils.errors": ("ConfigError",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
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
    "CorruptCheckpointError",
    "DictBody",
    "EnvConfig",
    "EnvSpaces",
    "Episode",
    "EpisodeBatch",
    "EpisodeVideo",
    "Evaluation",
    "GaussianHead",
    "Hogwild",
    "JointHead",
    "MLPBody",
    "MixtureHead",
    "NatureBody",
    "RMSprop",
    "RecurrentCore",
    "RecurrentOutput",
    "Rollout",
    "RolloutDataModule",
    "RunLogger",
    "SafeCheckpointIO",
    "SmallImageBody",
    "SphericalGaussianHead",
    "SquashedGaussianHead",
    "StateDependentGaussianHead",
    "WorkerError",
    "__version__",
    "evaluate",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'lit_a3c' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lit_a3c.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
