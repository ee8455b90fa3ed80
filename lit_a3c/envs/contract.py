"""What Gymnasium asks of an environment, and the words for what is wrong with one that does otherwise.

The functions give a problem in words, or None where there is none. They ask for no more than what is used here. The
bounds of an observation space are not: nothing here scales by them, and many environments leave them by a little.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space, Tuple

from lit_a3c.envs.masks import KEY, MaskSource, allowed_action, mask_of, mask_source
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.finite import LARGEST
from lit_a3c.utils.one_line import one_line

FLAGS = frozenset({bool, np.bool_})
"""Types of ``terminated`` and ``truncated`` that need no closer look."""
NUMBERS = frozenset({bool, int, float} | {kind for kind in np.sctypeDict.values() if np.dtype(kind).kind in "biuf"})
"""Types of a reward that need no closer look."""


def try_copy(env: gymnasium.Env, *, masks: bool = True) -> tuple[str | None, MaskSource | None]:
    """Take the first step of an environment.

    Args:
        env: A fresh copy, which is closed. It is seeded, so that every start of a program does the same.
        masks: Whether its action masks count.

    Returns:
        What is wrong with it, as far as its first reset, its first step and its end show; and where it gives its action
        masks.
    """
    action, space = copy.deepcopy(env.action_space), env.observation_space
    action.seed(0)
    problem, method, source = None, "reset", None
    try:
        first = env.reset(seed=0)
        problem = problem_of_reset(first, space)
        if problem is None:
            source = mask_source(space, action, first[1]) if masks else None
            chosen = allowed_action(action, mask_of(source, *first)) if source else action.sample()
            method = "step"
            problem = problem_of_step(env.step(chosen), space)
        method = "close"
        env.close()
    except ConfigError as error:  # of the mask
        problem = f"{method}() returned an {KEY} that cannot be used: {error}. --data.action_mask false ignores it"
    except (Exception, SystemExit) as error:
        problem = problem or _raised(method, error)
    return problem, source


def _raised(method: str, error: BaseException) -> str:
    """The words for an exception. Gymnasium's wrappers raise one where they unpack too few values."""
    if isinstance(error, ValueError) and "values to unpack" in str(error) and one_line(error).endswith(str(error)):
        wanted = "(observation, info)" if method == "reset" else "(observation, reward, terminated, truncated, info)"
        return f"{method}() must return {wanted}, as Gymnasium's environments do: {error}"
    return f"{method}() failed: {one_line(error)}"


def problem_of_reset(result: Any, space: Space[Any]) -> str | None:
    """What is wrong with what ``reset`` returned."""
    if not isinstance(result, tuple) or len(result) != 2:
        return f"reset() must return the pair (observation, info), and returned {_described(result)}"
    if not isinstance(result[1], dict):
        return f"reset() must return a dict as info, and returned {_described(result[1])}"
    return problem_of_observation(result[0], space, "reset() returned as observation")


def problem_of_step(result: Any, space: Space[Any]) -> str | None:
    """What is wrong with what ``step`` returned."""
    five = "step() must return (observation, reward, terminated, truncated, info)"
    if not isinstance(result, tuple):
        return f"{five}, and returned {_described(result)}"
    if len(result) != 5:
        old = ", as environments of the old gym did" if len(result) == 4 else ""
        return f"{five}, and returned {len(result)} values{old}"
    observation, reward, terminated, truncated, _ = result
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if type(flag) not in FLAGS and not _is_scalar(flag, "b"):
            return f"step() must return True or False as {name}, and returned {_described(flag)}"
    if type(reward) not in NUMBERS and not _is_scalar(reward, "biuf"):
        return f"step() must return a number as reward, and returned {_described(reward)}"
    if not _fits(reward):
        return f"step() must return a reward that single precision can hold, and returned {_described(reward)}"
    return problem_of_observation(observation, space, "step() returned as observation")


def problem_of_observation(observation: Any, space: Space[Any], said: str = "the observation is") -> str | None:
    """What is wrong with an observation.

    Args:
        observation: Of one environment.
        space: What the environment declares.
        said: Begins the answer; what was given follows.
    """
    if isinstance(space, Dict):
        if not isinstance(observation, Mapping):
            return f"{said} {_described(observation)}; its space is a Dict with {', '.join(space)}"
        if set(observation) != set(space):
            return f"{said} a dict with {', '.join(map(str, observation))}; its space is a Dict with {', '.join(space)}"
        parts = (problem_of_observation(observation[key], space[key], f"{said} for {key!r}") for key in space)
        return next(filter(None, parts), None)
    if isinstance(space, Tuple):
        if not isinstance(observation, tuple | list) or len(observation) != len(space):
            return f"{said} {_described(observation)}; its space is a Tuple of {len(space)} parts"
        pairs = enumerate(zip(observation, space, strict=True))
        parts = (problem_of_observation(part, of, f"{said} in place {i}") for i, (part, of) in pairs)
        return next(filter(None, parts), None)
    if not isinstance(space, Box):
        return None if space.contains(observation) else f"{said} {_described(observation)}; its space is {space}"
    array = _array(observation)
    if array is None or array.dtype.kind not in "biuf":
        return f"{said} {_described(observation)}; its space is {_declared(space)}"
    if array.shape != space.shape or not np.can_cast(array.dtype, space.dtype, "same_kind"):
        return f"{said} {_described(array)}; its space is {_declared(space)}"
    if array.dtype.kind == "f" and array.size and not np.abs(array).max() <= LARGEST:
        bad = array[~(np.abs(array) <= LARGEST)].flat[0]
        return f"{said} an array with {bad:g} in it, which single precision cannot hold"
    return None


def problem_of_image(image: Any) -> str | None:
    """What is wrong with what ``render`` returned."""
    array = _array(image)
    if array is not None and array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return None
    return f"render() must return an image, [height, width, 3] uint8, and returned {_described(image)}"


def problem_of_modes(metadata: Mapping[str, Any]) -> str | None:
    """What is wrong with the render modes of an environment of which images are wanted."""
    modes = [str(mode) for mode in metadata.get("render_modes") or ()]
    if "rgb_array" in modes:
        return None
    has = f"its render modes are {', '.join(modes)}" if modes else "it has no render modes"
    return f"{has}, and a video needs rgb_array"


def _declared(space: Box) -> str:
    return f"a Box of shape {space.shape} and dtype {space.dtype}"


def _is_scalar(value: Any, kinds: str) -> bool:
    """Whether this is one number of these kinds: a tensor of another library, say."""
    array = _array(value)
    return array is not None and array.shape == () and array.dtype.kind in kinds


def _fits(reward: Any) -> bool:
    try:
        return abs(float(reward)) <= LARGEST
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _array(value: Any) -> np.ndarray | None:
    try:
        return np.asarray(value)
    except Exception:  # lists of unequal lengths, or whatever a foreign __array__ raises
        return None


def _described(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} values"
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else f"an object of type {type(value).__name__}"
