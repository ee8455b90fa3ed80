"""``--init_from``: a training that begins from the weights of another one."""

from __future__ import annotations

from torch import nn

from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.checkpoint.initialize import take_weights
from lit_a3c.utils.errors import ConfigError

INIT_FROM = "--init_from"


def check_init_from(command: str, given: list[str]) -> None:
    """Refuse ``--init_from`` beside what contradicts it.

    Args:
        command: The command.
        given: The options of the command line.

    Raises:
        ConfigError: The command does not train, or a run is to go on.
    """
    names = {option.partition("=")[0] for option in given}
    if INIT_FROM in names and command != "fit":
        raise ConfigError(f"{INIT_FROM} is for fit. Name the agent with --ckpt_path.")
    if {INIT_FROM, "--ckpt_path"} <= names:
        raise ConfigError(
            f"{INIT_FROM} begins a new training with the weights of a checkpoint, and --ckpt_path continues a run. "
            "Give one of them."
        )


def init_from(module: nn.Module, checkpoint: str) -> None:
    """Take the weights of a checkpoint, and say which layers stay new.

    Args:
        module: The agent.
        checkpoint: What the user wrote.

    Raises:
        ConfigError: There is no such checkpoint, or it has nothing in common with the agent.
    """
    file = resolve_checkpoint(checkpoint, "best", INIT_FROM)
    weights = read_checkpoint(file, INIT_FROM)["state_dict"]
    try:
        lines = take_weights(module, weights)
    except ConfigError as error:
        raise ConfigError(f"{INIT_FROM} {checkpoint!r}: {error}") from error
    print("\n".join([f"lit-a3c: begins from the weights of {file}", *(f"  {line}" for line in lines)]), flush=True)
