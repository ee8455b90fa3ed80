"""Scores of whole episodes, counted on the environment's own rewards before anything clips them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv, VectorWrapper

from lit_a3c.envs.user_wrappers import OWN_REWARD
from lit_a3c.rollout import Episode
from lit_a3c.utils.finite import check_return, check_step


class EpisodeRecorder(VectorWrapper):
    """Counts the raw return and the length of every episode of a vector environment.

    Args:
        env: A vector environment that is reset by its caller (``AutoresetMode.DISABLED``) or in the same step.
    """

    def __init__(self, env: VectorEnv) -> None:
        super().__init__(env)
        self.autoreset_mode = env.metadata["autoreset_mode"]  # TorchRL asks the outermost wrapper
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._finished: list[Episode] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """A reset of all environments drops their unfinished episodes; a masked one follows an episode's own end."""
        if not options or "reset_mask" not in options:
            self._returns[:] = 0
            self._lengths[:] = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        """One step of all.

        Raises:
            NotFiniteError: An episode has ended with a return that single precision cannot hold.
        """
        result = self.env.step(actions)
        observation, reward, terminated, truncated, infos = result
        self._returns += infos.get(OWN_REWARD, reward)
        self._lengths += 1
        done = terminated | truncated
        if done.any():
            check_step(observation, reward)  # a reward is named before the return that it spoils
            for i in np.flatnonzero(done):
                check_return(int(i), float(self._returns[i]))
                self._finished.append(Episode(int(i), float(self._returns[i]), int(self._lengths[i])))
            self._returns[done] = 0
            self._lengths[done] = 0
        return result

    def unfinished(self, env: int) -> Episode:
        """The episode that runs in an environment, with its return and length so far."""
        return Episode(env, float(self._returns[env]), int(self._lengths[env]))

    def state_dict(self) -> dict[str, Any]:
        """Returns and lengths of the unfinished episodes, as tensors."""
        return {"returns": torch.from_numpy(self._returns.copy()), "lengths": torch.from_numpy(self._lengths.copy())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from a state."""
        self._returns[:], self._lengths[:] = state_dict["returns"].numpy(), state_dict["lengths"].numpy()
        self._finished = []

    def pop_finished(self) -> list[Episode]:
        """The episodes finished since the last call, in the order of their ends."""
        finished, self._finished = self._finished, []
        return finished
