"""Rollouts and weights as bytes, for the way between machines.

A stack of ``K`` frames repeats ``K - 1`` frames of the stack before it. Each frame is sent once, where this is so: it
is checked and not assumed. A row that does not continue the one before it (an episode has begun, say) is sent whole.
Each frame is sent as its difference (exclusive or) from the one before, because most pixels of a game stay as they are:
one bit for each word of it, and the words that are not zero. To compress the zeros would take most of the time.
What comes out of :func:`unpack` is equal to the bit.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lit_a3c.rollout import Episode, Rollout

COMPRESS_FROM = 16_384
"""Bytes from which compression is tried. Less costs more time than it saves."""
MOST_CUTS = 0.5
"""Largest share of rows that do not continue the one before them. With more, the observations are no stacks."""


class _Array(NamedTuple):
    """An array as bytes. ``shape`` and ``dtype`` are NumPy's."""

    shape: tuple[int, ...]
    dtype: str
    compressed: bool
    data: bytes


class _Frames(NamedTuple):
    """Stacks ``[T, B, K, ...]`` and their successor ``[B, K, ...]``, each frame once.

    Attributes:
        shape: That of the frames of all stacks in time order, ``[T + K, B, ...]``.
        dtype: Their type, as NumPy's.
        changed: Bits of the words that differ from the frame before.
        differences: These words.
        cuts: Rows ``t`` and columns ``b`` of stacks that do not continue the one before, ``[M, 2]``. T: the successor.
        stacks: These stacks, ``[M, K, ...]``.
        depth: Number of frames ``K``.
    """

    shape: tuple[int, ...]
    dtype: str
    changed: _Array
    differences: _Array
    cuts: _Array
    stacks: _Array
    depth: int


def pack(rollout: Rollout) -> bytes:
    """A rollout as bytes.

    Args:
        rollout: ``[T, B]`` steps on the CPU. Of its ``next_observation`` the valid rows are sent.
    """
    tensors = rollout.tensors()
    observation, successor = tensors.pop("observation").numpy(), tensors.pop("next_observation").numpy()
    truncated = rollout.truncated.numpy()
    packed: dict[str, Any] = {name: _to_bytes(tensor.numpy()) for name, tensor in tensors.items()}
    packed["observation"] = _pack_stacks(observation, successor[-1])
    if not isinstance(packed["observation"], _Frames):
        packed["observation"] = _to_bytes(observation)
        packed["successor"] = _to_bytes(successor[-1])
    packed["successor_dtype"] = successor.dtype.str
    packed["truncated_successors"] = _to_bytes(successor[truncated])
    packed["policy_version"] = rollout.policy_version
    packed["episodes"] = [tuple(episode) for episode in rollout.episodes]
    return pickle.dumps(packed, protocol=5)


def unpack(data: bytes) -> Rollout:
    """The rollout that :func:`pack` was given, time first. Invalid rows of its ``next_observation`` are zero."""
    packed = pickle.loads(data)
    observation, successor = packed.pop("observation"), packed.pop("successor", None)
    if isinstance(observation, _Frames):
        observation, last = _unpack_stacks(observation)
    else:
        observation, last = _from_bytes(observation), _from_bytes(successor)
    following = np.zeros(observation.shape, np.dtype(packed.pop("successor_dtype")))
    rows, version, episodes = (packed.pop(name) for name in ("truncated_successors", "policy_version", "episodes"))
    tensors: dict[str, Any] = {name: torch.from_numpy(_from_bytes(array)) for name, array in packed.items()}
    following[-1] = last
    following[tensors["truncated"].numpy()] = _from_bytes(rows)
    return Rollout(
        **tensors,
        observation=torch.from_numpy(observation),
        next_observation=torch.from_numpy(following),
        policy_version=version,
        episodes=[Episode(*episode) for episode in episodes],
    )


def pack_weights(tensors: Sequence[Tensor]) -> bytes:
    """Parameters and buffers as bytes. From a GPU there is one copy for each dtype."""
    flat = [torch.cat([t.reshape(-1) for t in tensors if t.dtype == dtype]).cpu() for dtype in _dtypes(tensors)]
    return b"".join(tensor.numpy().tobytes() for tensor in flat)


@torch.no_grad()
def unpack_weights(data: bytes, tensors: Sequence[Tensor]) -> None:
    """Write what :func:`pack_weights` has made into tensors of the same shapes and dtypes, in the same order."""
    memory, begin = bytearray(data), 0  # torch wants memory that may be written to
    for dtype in _dtypes(tensors):
        own = [tensor for tensor in tensors if tensor.dtype == dtype]
        count = sum(tensor.numel() for tensor in own)
        flat = torch.frombuffer(memory, dtype=dtype, count=count, offset=begin)
        parts = flat.split([tensor.numel() for tensor in own])
        torch._foreach_copy_(own, [part.view(tensor.shape) for part, tensor in zip(parts, own, strict=True)])
        begin += flat.nbytes


def _dtypes(tensors: Sequence[Tensor]) -> list[torch.dtype]:
    """The dtypes that occur, the widest first, so that each begins where it may lie in memory."""
    return sorted({t.dtype for t in tensors if t.numel()}, key=lambda dtype: (-dtype.itemsize, str(dtype)))


def _to_bytes(array: np.ndarray, compress_from: int = COMPRESS_FROM) -> _Array:
    """Compressed where this makes it smaller. A sample tells, because compressing noise takes long."""
    array = np.ascontiguousarray(array)
    data = array.tobytes()
    if compress := len(data) >= compress_from:
        middle = len(data) // 2
        sample = data[middle : middle + COMPRESS_FROM // 2]
        compress = len(zlib.compress(sample, 1)) < 0.8 * len(sample)
    return _Array(array.shape, array.dtype.str, compress, zlib.compress(data, 1) if compress else data)


def _from_bytes(packed: _Array) -> np.ndarray:
    data = bytearray(zlib.decompress(packed.data) if packed.compressed else packed.data)
    return np.frombuffer(data, np.dtype(packed.dtype)).reshape(packed.shape)


def _words(frames: np.ndarray, lead: int) -> np.ndarray:
    """Each frame as one row of unsigned words, ``lead`` axes before it.

    Bits are compared, not numbers: 0 and -0 differ, and NaN is equal to itself.
    """
    flat = frames.reshape(*frames.shape[:lead], -1)
    size = flat.shape[-1] * flat.itemsize
    return flat.view(f"u{next(word for word in (8, 4, 2, 1) if size % word == 0)}")


def _pack_stacks(observation: np.ndarray, last: np.ndarray) -> _Frames | None:
    """Each frame once; None where the observations are no stacks, or their rows mostly do not overlap.

    Args:
        observation: ``[T, B, K, ...]``.
        last: What follows the last row, ``[B, K, ...]``.
    """
    if observation.ndim < 4 or observation.shape[2] < 2 or observation.dtype != last.dtype:
        return None
    now, then = _words(observation, 3), _words(last, 2)
    length, num_envs, depth = now.shape[:3]
    cut = np.empty((length, num_envs), bool)  # of rows 1 to T
    cut[:-1] = (now[1:, :, :-1] != now[:-1, :, 1:]).any(axis=(2, 3))
    cut[-1] = (then[:, :-1] != now[-1, :, 1:]).any(axis=(1, 2))
    if cut.mean() > MOST_CUTS:
        return None
    frames = np.empty((length + depth, num_envs, *observation.shape[3:]), observation.dtype)
    chain = _words(frames, 2)
    chain[:depth] = now[0].swapaxes(0, 1)
    chain[depth:-1] = now[1:, :, -1]
    chain[-1] = then[:, -1]
    chain[1:] ^= chain[:-1].copy()
    rows, columns = np.nonzero(cut)
    whole = [observation[t + 1, b] if t + 1 < length else last[b] for t, b in zip(rows, columns, strict=True)]
    stacks = np.stack(whole) if whole else np.empty((0, *observation.shape[2:]), observation.dtype)
    changed = chain != 0
    return _Frames(
        shape=frames.shape,
        dtype=frames.dtype.str,
        changed=_to_bytes(np.packbits(changed), compress_from=0),  # where all or none differ, they become nothing
        differences=_to_bytes(chain[changed]),
        cuts=_to_bytes(np.stack([rows + 1, columns], 1)),
        stacks=_to_bytes(stacks),
        depth=depth,
    )


def _unpack_stacks(packed: _Frames) -> tuple[np.ndarray, np.ndarray]:
    """The stacks ``[T, B, K, ...]`` and what follows the last row, ``[B, K, ...]``."""
    frames, depth = np.zeros(packed.shape, packed.dtype), packed.depth
    chain = _words(frames, 2)
    changed = np.unpackbits(_from_bytes(packed.changed), count=chain.size).view(bool).reshape(chain.shape)
    chain[changed] = _from_bytes(packed.differences)
    np.bitwise_xor.accumulate(chain, axis=0, out=chain)
    length = frames.shape[0] - depth
    stacks = np.empty((length + 1, frames.shape[1], depth, *frames.shape[2:]), frames.dtype)
    stacks[0] = frames[:depth].swapaxes(0, 1)
    cuts, whole = _from_bytes(packed.cuts), _from_bytes(packed.stacks)
    for t in range(1, length + 1):
        stacks[t, :, :-1] = stacks[t - 1, :, 1:]
        stacks[t, :, -1] = frames[t + depth - 1]
        here = cuts[:, 0] == t
        if here.any():
            stacks[t, cuts[here, 1]] = whole[here]
    return stacks[:-1], stacks[-1]
