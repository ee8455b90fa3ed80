"""Checkpoints that are named by something else than a path."""

from __future__ import annotations

from pathlib import Path

from lit_a3c.checkpoint.download import download
from lit_a3c.checkpoint.model_card import HUB
from lit_a3c.checkpoint.shipped import PREFIX, shipped_agent


def local_copy(given: str, option: str = "") -> Path | None:
    """The local file of an agent of the package, of an agent of the Hub, or of a URL.

    Args:
        given: ``agent:NAME``, ``hf://user/agent``, a URL, or a path.
        option: Where the user wrote it.

    Returns:
        The file, or None for a path.

    Raises:
        ConfigError: There is no such agent, or it cannot be fetched.
    """
    if given.startswith(PREFIX):
        return shipped_agent(given.removeprefix(PREFIX), f"{option} ".lstrip())
    if given.startswith(HUB):
        from lit_a3c.checkpoint.hub import pull  # its package is an extra

        return pull(given)
    return download(given) if "://" in given else None
