"""Environment ids to batched TorchRL environments; the conventions of Gymnasium and ALE end here."""

from lit_a3c.envs.config import EnvConfig, VectorEnv
from lit_a3c.envs.episodes import Episode
from lit_a3c.envs.options import AtariOptions
from lit_a3c.envs.spaces import components
from lit_a3c.envs.spec import EnvSpec

__all__ = ["AtariOptions", "EnvConfig", "EnvSpec", "Episode", "VectorEnv", "components"]
