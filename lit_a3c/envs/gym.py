"""Gymnasium's own registry: MuJoCo, classic control, and the user's own environments."""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import VectorEnv
from gymnasium.wrappers.vector import TransformAction

from lit_a3c.envs.action_log import ActionLog
from lit_a3c.envs.contract import problem_of_modes, try_copy
from lit_a3c.envs.episodes import EpisodeRecorder
from lit_a3c.envs.flattening import unsupported
from lit_a3c.envs.masks import MaskSource, flat
from lit_a3c.envs.packages import import_module, missing, too_new, whose
from lit_a3c.envs.sync import CheckedVectorEnv
from lit_a3c.envs.user_wrappers import EnvWrapper, wrap
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.one_line import one_line

EntryPoint = Callable[..., gymnasium.Env]
"""Makes an environment from keyword arguments: a class of environments, or a function."""
VERSION = r"-v\d+$"
"""The last part of most ids."""
PATH = r"[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)+"
"""The import path of a class or function. An id has a version, and with it a hyphen."""


class Spaces(NamedTuple):
    """What an environment declares of itself."""

    observation: Space[Any]
    action: Space[Any]
    mask_source: MaskSource | None = None
    """Where it gives action masks; None where it has none, or where they do not count."""


@dataclass(frozen=True)
class GymConfig:
    """How a copy of an environment is made.

    Attributes:
        env_id: A registered id, ``module:Id``, or the name of the entry point.
        kwargs: Keyword arguments of the environment's constructor.
        wrappers: What is put around it, the innermost first.
        entry_point: A class or function that makes the environment; None for one of Gymnasium's registry.
        action_mask: Whether its action masks count.
    """

    env_id: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    wrappers: tuple[EnvWrapper, ...] = ()
    entry_point: EntryPoint | None = None
    action_mask: bool = True

    def make(self) -> gymnasium.Env:
        """A copy.

        Raises:
            ConfigError: What was made is no environment.
        """
        if self.entry_point is None:
            # The checker's passes over every observation cost a tenth of a MuJoCo step.
            return wrap(gymnasium.make(self.env_id, disable_env_checker=True, **self.kwargs), self.wrappers)
        env = self.entry_point(**self.kwargs)
        if not isinstance(env, gymnasium.Env):
            raise ConfigError(
                f"data.env_id {self.env_id!r} makes an object of type {type(env).__name__}, which is no environment of "
                "Gymnasium."
            )
        return wrap(env, self.wrappers)

    @property
    def is_mujoco(self) -> bool:
        """Whether it is one of Gymnasium's own MuJoCo tasks."""
        if self.entry_point is None:
            return "gymnasium.envs.mujoco" in str(gymnasium.spec(self.env_id.rpartition(":")[2]).entry_point)
        return "gymnasium.envs.mujoco" in getattr(self.entry_point, "__module__", "")


def find_entry_point(env_id: str) -> EntryPoint | None:
    """What makes an environment that is not registered: a class or function by its path; None for a registered id.

    Args:
        env_id: An id, ``module:Id``, or the path of a class or function, ``module:Name`` or ``module.Name``. The module
            is imported, as Gymnasium does.

    Raises:
        ConfigError: With the nearest name, or with the module's own import error.
    """
    module, colon, name = env_id.rpartition(":")
    if colon and not module:
        raise ConfigError(f"data.env_id {env_id!r} names no module before the colon.{_nearest(name)}")
    if not colon and name not in gymnasium.registry and re.fullmatch(PATH, name):
        module, _, name = name.rpartition(".")
    if not module:
        if name not in gymnasium.registry:
            near = whose(env_id) or _nearest(name)
            raise ConfigError(f"data.env_id {env_id!r} is not a registered environment.{near}")
        return None
    try:
        content = vars(import_module(module))
    except (Exception, SystemExit) as error:  # whatever the module does, the user named it
        reason = missing(error) or f"importing {module!r} failed: {one_line(error)}"
        raise ConfigError(f"data.env_id {env_id!r}: {reason}.") from error
    if name in gymnasium.registry:
        return None
    if callable(content.get(name)):
        return cast(EntryPoint, content[name])
    classes = [key for key, value in content.items() if isinstance(value, type) and issubclass(value, gymnasium.Env)]
    near = whose(env_id) or ("" if re.search(VERSION, name) else did_you_mean(name, classes)) or _nearest(name)
    raise ConfigError(f"data.env_id {env_id!r}: {name!r} is no registered environment, nor in {module!r}.{near}")


def _nearest(name: str) -> str:
    """Suggests the registered id that is nearest by its name, in its newest version.

    The version itself has no say: ``X-v0`` and ``Zaxxon-v0`` have half of their letters in common.
    """
    by_version = sorted(gymnasium.registry.items(), key=lambda item: item[1].version or 0)
    ids = {re.sub(VERSION, "", env_id).lower(): env_id for env_id, _ in by_version}
    near = difflib.get_close_matches(re.sub(VERSION, "", name).lower(), ids, n=1, cutoff=0.5)
    return f" Did you mean {ids[near[0]]!r}?" if near else ""


def make_gym(
    config: GymConfig,
    num_envs: int,
    *,
    training: bool,
    render: bool,
    record: bool = False,
    declared: Spaces | None = None,
) -> EpisodeRecorder:
    """``num_envs`` copies of a registered environment, stepped one after the other by the calling process.

    Box actions outside the space are clipped to it; composite actions and observations are flat vectors.

    Args:
        config: The environment.
        num_envs: Number of copies.
        training: Seed episodes as a training does.
        render: Whether ``render()`` will be called.
        record: Whether the exact state will be asked for.
        declared: The spaces that every copy must have. Default: those of a copy that is made for this.

    Raises:
        ConfigError: The environment cannot be made; with its own reason. Or a copy has other spaces.
    """
    env_id, kwargs = config.env_id, config.kwargs
    if config.entry_point is None:
        find_entry_point(env_id)  # imports its module, which registers it in this process
    if render:
        kwargs = {**kwargs, "render_mode": "rgb_array"}
        if config.is_mujoco:
            # The camera that follows the robot, if any; without a GPU an image of the default size takes 32 ms.
            kwargs = {"camera_name": "track", "width": 256, "height": 256, **kwargs}
        if not os.environ.get("DISPLAY"):
            os.environ.setdefault("MUJOCO_GL", "egl")  # read when mujoco is first imported
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # else pygame looks for a screen, and reports an error
    _soften_mujoco_warnings()
    declared = declared or gym_spaces(config)
    with _refusing(env_id, config if render else None):
        env: VectorEnv = CheckedVectorEnv(env_id, _copies(replace(config, kwargs=kwargs), declared), num_envs)
    space = env.single_action_space
    if isinstance(space, Box):
        # np.clip takes twice as long at every step
        env = TransformAction(env, lambda actions: np.minimum(np.maximum(actions, space.low), space.high))
    elif isinstance(space, Discrete) and space.start != 0:
        env = TransformAction(env, lambda actions: actions + space.start)
    return EpisodeRecorder(ActionLog(env, record=record) if training else env)


def gym_spaces(config: GymConfig) -> Spaces:
    """The spaces of observations and of actions as the environment itself declares them.

    The copy that is made for this is reset and takes one step. So an environment that does not do what Gymnasium asks
    for is refused before any worker starts.

    Raises:
        ConfigError: The environment cannot be made, or its first reset or step is wrong; with the reason.
    """
    env_id = config.env_id
    _soften_mujoco_warnings()
    with _refusing(env_id):
        env = config.make()
        observation, action = env.observation_space, env.action_space
        if unsupported(observation, action):
            env.close()
            return Spaces(observation, action)
    problem, mask_source = try_copy(env, masks=config.action_mask)
    if problem is not None:
        raise ConfigError(f"data.env_id {env_id!r}: {problem}.")
    return Spaces(observation, action, mask_source)


def _copies(config: GymConfig, declared: Spaces) -> Callable[[], gymnasium.Env]:
    """Makes copies, and refuses one whose spaces are not those of the others."""

    def make() -> gymnasium.Env:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Gymnasium says of the arguments, it has said before
            env = config.make()
        for kind, one in (("observation", declared.observation), ("action", declared.action)):
            if one != (other := getattr(env, f"{kind}_space")):
                raise ConfigError(
                    f"data.env_id {config.env_id!r}: its copies have different {kind} spaces, {one} and {other}."
                )
        return flat(env, declared.mask_source)

    return make


@contextlib.contextmanager
def _refusing(env_id: str, undrawn: GymConfig | None = None) -> Iterator[None]:
    """Refuse what cannot be made. ``undrawn`` is the same without images, where it was to be made for images."""
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # whatever an environment's constructor raises, the user chose it
        hint = (_drawing_hint(error, undrawn) if undrawn else "") or too_new(env_id)
        reason = missing(error) or one_line(error)
        raise ConfigError(f"data.env_id {env_id!r} cannot be made: {reason}.{hint}") from error


def _drawing_hint(error: BaseException, undrawn: GymConfig) -> str:
    if "unexpected keyword argument 'render_mode'" in str(error):
        return " Without that it cannot be drawn."
    try:
        with contextlib.closing(undrawn.make()) as env:
            problem = problem_of_modes(env.metadata)
    except (Exception, SystemExit):  # it is not for the images that it cannot be made
        return ""
    return f" To be recorded it was asked for images: {problem}." if problem else ""


@functools.cache
def _soften_mujoco_warnings() -> None:
    """MuJoCo prints each warning of a model once per copy, past Python's filters; let Python show it once."""
    try:
        import mujoco

        mujoco.set_mju_user_warning(functools.cache(lambda message: warnings.warn(message, stacklevel=2)))
    except (ImportError, AttributeError):  # not installed, or a version that has no such hook
        pass
