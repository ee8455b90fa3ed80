"""A batch of environments, as TorchRL steps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv
from torch import Tensor

from lit_a3c.envs.action_log import ActionLog
from lit_a3c.envs.action_names import action_names
from lit_a3c.envs.episodes import EpisodeRecorder
from lit_a3c.rollout import Episode


class BatchedEnv(NamedTuple):
    """``E`` environments as one TorchRL environment, and what TorchRL has no place for."""

    torchrl: Any
    """The ``torchrl.envs.EnvBase`` of batch size ``[E]``."""
    gym: VectorEnv
    """The same environments as Gymnasium's vector. ``render()`` gives their images."""
    recorder: EpisodeRecorder
    """Where finished episodes are recorded."""
    action_log: ActionLog | None
    """What leads to the present state; in training only."""

    @property
    def is_init(self) -> Tensor:
        """Which environments are at the first observation of an episode, ``[E]`` bool."""
        is_init: Tensor = self.torchrl.is_init
        return is_init

    @property
    def fps(self) -> int:
        """Images per second of the environment's own time."""
        return int(self.gym.metadata.get("render_fps") or 30)

    @property
    def action_names(self) -> tuple[str, ...] | None:
        """One name for each action of a ``Discrete`` space; None where the environment gives none."""
        return action_names(self.gym)

    def pop_finished(self) -> list[Episode]:
        """The episodes that have finished since the last call."""
        return self.recorder.pop_finished()

    def unfinished(self, env: int) -> Episode:
        """The episode that runs in an environment, with its return and length so far."""
        return self.recorder.unfinished(env)

    def image(self) -> np.ndarray:
        """The present image of the first environment, ``[H, W, 3]`` uint8.

        Raises:
            ConfigError: The environment has no render mode that gives images.
            EnvError: The environment fails to draw itself, or draws something else.
        """
        images: Any = self.gym.render()
        return np.asarray(images[0])

    def state_dict(self) -> dict[str, Any]:
        """The exact state, as tensors and plain types. Only where it is recorded."""
        assert self.action_log is not None
        return {**self.action_log.state_dict(), **self.recorder.state_dict(), "is_init": self.is_init}

    def load_state_dict(self, state_dict: dict[str, Any], reset: Callable[[], Any]) -> None:
        """Go on from a state.

        Args:
            state_dict: From :meth:`state_dict`.
            reset: Resets all environments, called by the object that keeps the observations of a reset.
        """
        assert self.action_log is not None
        self.action_log.load_state_dict(state_dict)
        reset()
        self.recorder.load_state_dict(state_dict)
        self.torchrl.is_init = state_dict["is_init"]

    def close(self) -> None:
        """Close the environments."""
        self.torchrl.close()
