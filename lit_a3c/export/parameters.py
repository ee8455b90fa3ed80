"""The parameters of a distribution over actions, by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from lit_a3c.export.ports import ACTION
from lit_a3c.networks.distributions import DiagonalGaussian, GaussianMixture, ScaledBeta, SquashedGaussian
from lit_a3c.networks.heads.composite import Joint


def named_parameters(distribution: Distribution, components: Sequence[str]) -> dict[str, Tensor]:
    """All parameters of a distribution: ``{"logits": ...}``, or ``{"logits.gear": ..., "mean.steer": ...}``.

    Args:
        distribution: Of a head.
        components: Names of the components of an action: ``action``, or ``action.gear`` and so on.
    """
    if not isinstance(distribution, Joint):
        return parameters(distribution)
    named = {}
    for part, component in zip(distribution.parts, components, strict=True):
        suffix = component.removeprefix(ACTION)
        named.update({f"{name}{suffix}": value for name, value in parameters(part).items()})
    return named


def parameters(distribution: Distribution) -> dict[str, Tensor]:
    """The parameters of a distribution without parts. Those of an unknown one have torch's own names."""
    match distribution:
        case Independent():
            return parameters(distribution.base_dist)
        case Categorical() | Bernoulli():
            return {"logits": distribution.logits}
        case DiagonalGaussian():
            return {"mean": distribution.loc, "std": distribution.scale}
        case SquashedGaussian():
            return {"mean": distribution.gaussian.mean, "std": distribution.gaussian.stddev}
        case ScaledBeta():
            return {"alpha": distribution.alpha, "beta": distribution.beta}
        case GaussianMixture():
            part = distribution.component_distribution
            return {"logits": distribution.mixture_distribution.logits, "mean": part.mean, "std": part.stddev}
    found = {name: getattr(distribution, name, None) for name in distribution.arg_constraints}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
