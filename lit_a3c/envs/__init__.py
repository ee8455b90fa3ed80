"""Environment ids to batched TorchRL environments; the conventions of Gymnasium and ALE end here."""

from lit_a3c.envs.batched import BatchedEnv
from lit_a3c.envs.config import EnvConfig
from lit_a3c.envs.flattening import components, leaves
from lit_a3c.envs.options import AtariOptions
from lit_a3c.envs.spaces import EnvSpaces

__all__ = ["AtariOptions", "BatchedEnv", "EnvConfig", "EnvSpaces", "components", "leaves"]
