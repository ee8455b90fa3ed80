"""Action heads: features to a distribution over actions.

A head is made from the number of features and the action space alone, so a class path in a config is enough to plug
in another. What it returns needs ``sample()``, ``mode``, ``log_prob(action)`` and ``entropy()``, the
last two already summed over the components of one action.
"""

from lit_a3c.networks.heads.base import ActionHead
from lit_a3c.networks.heads.composite import JointHead, default_head, fitting_head
from lit_a3c.networks.heads.continuous import (
    BetaHead,
    GaussianHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from lit_a3c.networks.heads.discrete import BernoulliHead, CategoricalHead

__all__ = [
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
    "default_head",
    "fitting_head",
]
