"""The header of an agent file: what is known of an agent without its weights.

An agent file is a `safetensors <https://github.com/huggingface/safetensors>`_ file: eight bytes with the length of the
header, the header in JSON, and the tensors. The header's ``__metadata__`` holds the texts below, each in JSON. Imports
nothing heavy, so that a list of agents is there at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.errors import CorruptCheckpointError

VERSION = 1
"""Of the format."""
MAX_HEADER = 4 * 2**20
"""Bytes of the largest header. The names and options of an agent need some kilobytes, its spaces sometimes more."""
CHECKSUM = "sha256"
"""Of the header without this text, and of the tensors. safetensors itself notices no flipped bit."""
TEXTS = (
    *("format_version", "config", "hyper_parameters", "spaces", "steps", "frames", "updates", "seconds"),
    *("seed", "score", "seeds", "command", "versions"),
)
"""What an agent file says of the agent.

``config``, ``hyper_parameters``, ``spaces``, ``steps``, ``updates`` and ``seconds`` are those of the checkpoint.
``frames`` are the steps times the frame skip. ``seed``, ``command`` and ``versions`` are of the training, ``score`` is
what ``lit-a3c test`` has written, without the single returns, or None, and ``seeds`` has the score of every seed that
was trained.
"""


def is_agent_file(data: bytes) -> bool:
    """Whether these bytes begin as a safetensors file does: JSON after eight bytes, which may be any.

    The ninth byte of a checkpoint is 0 in torch's archives, and 0xf9 in torch's older format.
    """
    return data[8:9] == b"{"


def read_header(file: Path) -> dict[str, Any]:
    """What an agent file says of the agent, by the names in :data:`TEXTS`. The tensors are not read.

    Raises:
        OSError: The file cannot be read.
        CorruptCheckpointError: It is no agent file, or is damaged.
    """
    with file.open("rb") as source:
        start = source.read(8)
        if len(start) < 8:
            raise CorruptCheckpointError("it is too short for an agent file")
        header, _ = split(start + source.read(min(_length(start), MAX_HEADER)))
    return texts(header)


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file and the bytes of its tensors.

    Raises:
        CorruptCheckpointError: The header is too long, is cut or is no JSON.
    """
    length = _length(data)
    if length > MAX_HEADER:
        raise CorruptCheckpointError(f"its header claims {length:,} bytes, and at most {MAX_HEADER:,} are read")
    if len(data) < 8 + length:
        raise CorruptCheckpointError("it is cut in its header")
    header = _json(data[8 : 8 + length], "its header")
    if not isinstance(header, dict):
        raise CorruptCheckpointError("its header is no mapping")
    return header, data[8 + length :]


def texts(header: dict[str, Any]) -> dict[str, Any]:
    """What the header says of the agent.

    Raises:
        CorruptCheckpointError: A text is missing, is no JSON, or is of another version of the format.
    """
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or "format_version" not in metadata:
        raise CorruptCheckpointError("it is a safetensors file of another program, and no agent of lit-a3c")
    if (version := _json(str(metadata["format_version"]), "its format_version")) != VERSION:
        raise CorruptCheckpointError(f"its format is of version {str(version)[:20]}, and version {VERSION} is read")
    if missing := [name for name in (*TEXTS, CHECKSUM) if not isinstance(metadata.get(name), str)]:
        raise CorruptCheckpointError(f"its header has no {missing[0]!r}")
    found = {name: _json(metadata[name], f"its {name}") for name in TEXTS}
    if not _is_score(found["score"]) or not isinstance(found["seeds"], list) or not all(map(_is_score, found["seeds"])):
        raise CorruptCheckpointError("its score is none")
    return found


def checksum(header: dict[str, Any], tensors: bytes) -> str:
    """Of all that a file holds beside the checksum itself."""
    metadata = {name: text for name, text in header["__metadata__"].items() if name != CHECKSUM}
    canonical = json.dumps({**header, "__metadata__": metadata}, sort_keys=True)
    return hashlib.sha256(canonical.encode() + tensors).hexdigest()


def to_json(value: Any) -> str:
    """A text of the header."""
    return json.dumps(value, separators=(",", ":"))


def _length(data: bytes) -> int:
    return int(struct.unpack("<Q", data[:8])[0])


def _json(text: str | bytes, what: str) -> Any:
    """Parse JSON of a stranger.

    Raises:
        CorruptCheckpointError: It is none, names a key twice, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(f"{what} cannot be read: {str(error)[:80]}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _is_score(value: Any) -> bool:
    """Whether this is a score of ``lit-a3c test``, or None."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and isinstance(interval := value.get("ci95"), list)
        and len(interval) == 2
        and all(_is_number(number) for number in (value.get("mean"), value.get("episodes"), *interval))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
