"""The images of an episode, each with what the policy did there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from tensordict import TensorDictBase
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.envs.batched import BatchedEnv
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent
from lit_a3c.networks.normalization import ReturnScale
from lit_a3c.rollout import Episode

MAX_FPS = 60
"""Most images per second. Screens show no more, and many players would play the video in slow motion."""
ENTROPY_DRAWS = 16
"""An entropy that has no closed form is estimated by one draw. The mean of so many is steady enough to be read."""


class Decision(NamedTuple):
    """What a policy made of the observations of ``E`` environments."""

    distribution: Distribution
    """Over actions, of batch shape ``[E]``."""
    action: Tensor
    """``[E, *action]``, on the CPU."""
    value: Tensor
    """``v(s)`` in units of the return, ``[E]``."""
    entropy: Tensor
    """Of the distribution in nats, ``[E]``."""


class Frame(NamedTuple):
    """The first environment before a step, and what came of the step."""

    image: np.ndarray
    """``[H, W, 3]`` uint8, of the state that the policy acted on."""
    fps: float
    """Images per second of the environment's own time, at most :data:`MAX_FPS`."""
    step: int = 0
    """Number of the step in its episode, counted from 0."""
    reward: float = 0.0
    """What the environment itself paid for the step."""
    episode_return: float = 0.0
    """The sum of these rewards, that of this step included."""
    action_names: Sequence[str] | None = None
    """Of a ``Discrete`` space, where the environment names them."""
    decision: Decision | None = None
    """What the policy decided; None where this was not asked for, and after the end."""
    ended: bool = False
    """Whether this is the state in which the episode ended, after its last step."""


class ExplainedAgent(Agent):
    """An agent that keeps what it decided. That costs another pass of the network at every step.

    Args:
        policy: As of :class:`Agent`, and so are the next three.
        num_envs: ``E``.
        deterministic: Take the most likely actions.
        generator: Draw actions from it.
        return_scale: By which the value head's outputs become returns; None where they are returns themselves.

    Attributes:
        decision: Of the last step.
    """

    decision: Decision

    def __init__(
        self,
        policy: ActorCritic,
        num_envs: int,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
        return_scale: ReturnScale | None = None,
    ) -> None:
        super().__init__(policy, num_envs, deterministic, generator)
        self._return_scale = return_scale

    def distribution(self, observation: Tensor, *args: Any, **kwargs: Any) -> Distribution:
        before = self.recurrent_state
        self._distribution = super().distribution(observation, *args, **kwargs)
        with torch.no_grad():
            value = self._policy.values(observation.to(self._device), before)
            self._value = value if self._return_scale is None else self._return_scale.restore(value)
        return self._distribution

    def __call__(self, observation: Tensor, is_init: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        action = super().__call__(observation, is_init, *args, **kwargs)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            entropy = torch.stack([self._distribution.entropy() for _ in range(ENTROPY_DRAWS)]).mean(0)
        self.decision = Decision(self._distribution, action, self._value, entropy)
        return action


class FrameSource:
    """Takes images of the first environment while an episode is played, and gives each away after its step.

    Of an environment with more than :data:`MAX_FPS` images per second every second, third or later one is taken, so
    that the video keeps the environment's own time.

    Args:
        env: The environments.
        on_frame: Takes the frames.
        explain: Whether the state in which an episode ends has a frame, too. No action is taken there.
    """

    def __init__(self, env: BatchedEnv, on_frame: Callable[[Frame], None], explain: bool) -> None:
        self._env, self._on_frame, self._explain = env, on_frame, explain
        self._stride = -(-env.fps // MAX_FPS)
        self._names = env.action_names
        self._step = 0
        self._return = 0.0
        self._before: np.ndarray | None = None
        self._after: np.ndarray | None = None

    def before_step(self) -> None:
        """Take an image, unless it is one of those to be left out."""
        self._before = self._image() if self._step % self._stride == 0 else None

    def step(self, state: TensorDictBase) -> TensorDictBase:
        """TorchRL's ``step_and_maybe_reset``, with a look at the state in which an episode ends.

        Args:
            state: With the actions.

        Returns:
            The next state.
        """
        following = self._env.torchrl.step(state)["next"]
        self._after = self._image() if self._explain and bool(following["done"][0]) else None
        reached: TensorDictBase = self._env.torchrl.maybe_reset(following.exclude("reward"))
        return reached

    def after_step(self, finished: Sequence[Episode], decision: Decision | None) -> None:
        """Give the images away.

        Args:
            finished: The episodes that ended with the step.
            decision: Why the step was taken.
        """
        ended = [episode.episode_return for episode in finished if episode.env == 0]
        total = ended[0] if ended else self._env.unfinished(0).episode_return
        reward, fps = total - self._return, self._env.fps / self._stride
        if self._before is not None:
            self._on_frame(Frame(self._before, fps, self._step, reward, total, self._names, decision))
        if self._after is not None:
            self._on_frame(Frame(self._after, fps, self._step + 1, reward, total, self._names, ended=True))
        self._step, self._return = (0, 0.0) if ended else (self._step + 1, total)

    def _image(self) -> np.ndarray:
        return self._env.image().copy()  # the environment may draw the next one into the same memory
