"""What ends several learners together: different options, and the end of one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import torch.distributed as dist

from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.one_line import one_line


class AgreedConfigError(ConfigError):
    """A :class:`ConfigError` that all ranks raise together. Rank 0 alone shows it."""

    everywhere = True


class PeerError(RunError):
    """Another learner has ended, so this one cannot go on. Rank 0 alone shows it."""

    everywhere = True


LOST = "another learner has ended or does not answer, and this one cannot go on without it."
CLOSED = r"(closed|reset) by peer|Broken pipe|Timed out waiting|remote process exited|ncclRemoteError|aborted"
"""What gloo and NCCL say where a process at the other end is gone."""


def lost_peer(error: BaseException) -> bool:
    """Whether this is an error of a message whose other end is gone."""
    return isinstance(error, RuntimeError) and bool(re.search(CLOSED, str(error)))


def port_in_use(error: BaseException | None) -> bool:
    """Whether this learner could not open the port at which all were to meet."""
    return isinstance(error, dist.DistNetworkError) and "EADDRINUSE" in str(error)


def check_connection(error: BaseException) -> None:
    """Give errors of the messages between learners the words of a user.

    Raises:
        PeerError: Another learner is gone.
        ConfigError: The port at which they are to meet is in use.
        RunError: They cannot meet for another reason.
    """
    if lost_peer(error):
        raise PeerError(LOST) from error
    if port_in_use(error):
        port = os.environ.get("MASTER_PORT", "")
        raise ConfigError(f"MASTER_PORT {port} is in use on this machine. Give one that is free.") from error
    if isinstance(error, dist.DistError):
        raise RunError(f"the learners cannot meet: {one_line(error)}.") from error


def check_equal(given: Sequence[Mapping[str, str]]) -> None:
    """Refuse options that differ.

    Args:
        given: Options by name, as text; those of each rank.

    Raises:
        AgreedConfigError: With the first option that differs.
    """
    for rank, theirs in enumerate(given):
        for name in sorted(given[0].keys() | theirs.keys()):
            first, other = given[0].get(name, "not given"), theirs.get(name, "not given")
            if first != other:
                raise AgreedConfigError(
                    f"the learners were given different options: {name} is {_short(first)} at rank 0 and "
                    f"{_short(other)} at rank {rank}. Give all of them the same command, config and versions."
                )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
