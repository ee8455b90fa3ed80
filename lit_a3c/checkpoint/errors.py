"""What is wrong with a checkpoint file."""

from __future__ import annotations


class CorruptCheckpointError(ValueError):
    """A checkpoint file is not what was written."""
