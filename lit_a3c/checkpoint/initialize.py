"""The weights of a checkpoint as the start of another training."""

from __future__ import annotations

from torch import Tensor, nn

from lit_a3c.utils.errors import ConfigError


def take_weights(module: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Copy into a module what it has in common with a checkpoint.

    A layer is taken whole or not at all: half of one, or the running mean of one observation with the count of another,
    would be worse than a new one.

    Args:
        module: The module. Its parameters and buffers are changed in place.
        weights: The ``state_dict`` of a checkpoint.

    Returns:
        A line for each layer that stays new, or that the module does not have.

    Raises:
        ConfigError: They have no layer in common.
    """
    own = module.state_dict()
    layers = {name.rpartition(".")[0]: None for name in (*own, *weights)}
    lines: list[str] = []
    taken: dict[str, Tensor] = {}
    for layer in layers:
        here, there = _of_layer(own, layer), _of_layer(weights, layer)
        if _shapes(here) == _shapes(there):
            taken |= there
        else:
            lines.append(_difference(layer, _shapes(here), _shapes(there)))
    if not taken.keys() & dict(module.named_parameters()).keys():  # running statistics alone are no start
        raise ConfigError("the checkpoint and this agent have no layer in common: there is nothing to begin from.")
    module.load_state_dict(taken, strict=False)
    return lines


def _of_layer(weights: dict[str, Tensor], layer: str) -> dict[str, Tensor]:
    """The tensors of a layer itself, without those of the layers inside it."""
    return {name: tensor for name, tensor in weights.items() if name.rpartition(".")[0] == layer}


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name.rpartition(".")[2]: tuple(tensor.shape) for name, tensor in weights.items()}


def _difference(layer: str, here: dict[str, tuple[int, ...]], there: dict[str, tuple[int, ...]]) -> str:
    if not there:
        return f"{layer} is new: the checkpoint has none."
    if not here:
        return f"{layer} of the checkpoint is not used: this agent has none."
    name = next(name for name in (*here, *there) if here.get(name) != there.get(name))
    shapes = f"{there.get(name, 'missing')} in the checkpoint and {here.get(name, 'missing')} here"
    return f"{layer} is new: its {name} is {shapes}."
