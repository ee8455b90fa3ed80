"""The exact state of any environment, stored as a seed and the actions since."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

MIN_LENGTH = 1000
"""Steps of an environment after which it is seeded anew, at the next end of an episode. An Atari game then loads its
cartridge again, which takes a tenth of a second. A longer log takes longer to replay."""


class ActionLog(VectorWrapper):
    """Environments whose present state can be reached again by replaying their actions.

    Gymnasium's environments cannot be saved, but from a seed the same actions lead to the same state. So every
    environment is seeded, and its actions are kept from then on. Where an episode ends and the log has become long, the
    environment is seeded anew and its log begins again. This works for every environment whose ``reset(seed=...)``
    determines it. Where episodes never end, the log grows with the training.

    Args:
        env: Environments that their caller resets (``AutoresetMode.DISABLED``), or that reset themselves in the same
            step (``SAME_STEP``) and take one seed for each that is masked in ``options["reset_mask"]``, as ALE's do.
        record: Whether :meth:`state_dict` will be called. Without recording the episodes are the same, except those
            of Atari games that are longer than ``MIN_LENGTH``: seeding them anew would only cost time.
    """

    def __init__(self, env: VectorEnv, *, record: bool) -> None:
        super().__init__(env)
        self._record = record
        self._same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self._seed = 0
        self._number = np.zeros(env.num_envs, dtype=np.int64)  # of each environment's log
        self._length = np.zeros(env.num_envs, dtype=np.int64)  # steps in it
        self._actions: deque[np.ndarray] = deque()
        self._restored: dict[str, Any] | None = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """All environments, or those of ``options["reset_mask"]``. After :meth:`load_state_dict`: that state."""
        if options and "reset_mask" in options:
            return self._start_episodes(options["reset_mask"])
        if self._restored is not None:
            state, self._restored = self._restored, None
            return self._replay(state)
        if seed is not None:
            self._seed = int(seed)
            self._number[:] = -1
        self._number += 1
        self._length[:] = 0
        self._actions.clear()
        return self.env.reset(seed=self._seeds(np.ones(self.num_envs, dtype=bool)))

    def step(self, actions: Any) -> Any:
        if self._record:
            self._actions.append(np.array(actions))
        self._length += 1
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if self._same_step and self._record:
            done = terminated | truncated
            if (done & (self._length >= MIN_LENGTH)).any():
                observation, after = self._start_episodes(done)
                info = {**info, **after}
        return observation, reward, terminated, truncated, info

    def state_dict(self) -> dict[str, Any]:
        """What leads to the present state, as tensors and plain types. Only where actions are recorded."""
        assert self._record
        self._trim()
        actions = torch.from_numpy(np.stack(self._actions)) if self._actions else torch.empty(0)
        number, length = torch.from_numpy(self._number.copy()), torch.from_numpy(self._length.copy())
        return {"seed": self._seed, "number": number, "length": length, "actions": actions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next ``reset`` of all environments lead to this state."""
        self._restored = state_dict

    def _start_episodes(self, done: np.ndarray) -> Any:
        """Go on after the end of these environments' episodes: in their logs, or in new ones."""
        fresh = done & (self._length >= MIN_LENGTH)
        self._number[fresh] += 1
        self._length[fresh] = 0
        self._trim()
        return self._restart(done, fresh)

    def _restart(self, done: np.ndarray, fresh: np.ndarray) -> Any:
        """Seed those with a ``fresh`` log; reset those that are only ``done``, unless they reset themselves."""
        result: Any = None
        if (plain := done & ~fresh).any() and not self._same_step:
            result = self.env.reset(options={"reset_mask": plain})
        if fresh.any():
            result = self.env.reset(seed=self._seeds(fresh), options={"reset_mask": fresh})
        return result

    def _seeds(self, mask: np.ndarray) -> Any:
        """Seeds of the masked environments' logs, as the environments take them."""
        seeds = [
            int(np.random.SeedSequence([self._seed, i, int(number)]).generate_state(1)[0] % 2**31) if chosen else None
            for i, (number, chosen) in enumerate(zip(self._number, mask, strict=True))
        ]
        return np.array([seed for seed in seeds if seed is not None], dtype=np.int32) if self._same_step else seeds

    def _replay(self, state: dict[str, Any]) -> Any:
        """Every log from start to end. All end together, so a log that starts later takes any actions before."""
        self._seed = state["seed"]
        self._number, self._length = state["number"].numpy().copy(), state["length"].numpy().copy()
        self._actions = deque(np.array(actions) for actions in state["actions"].numpy())
        start = len(self._actions) - self._length
        result = self.env.reset(seed=self._seeds(np.ones(self.num_envs, dtype=bool)))
        for position, actions in enumerate(self._actions):
            observation, _, terminated, truncated, info = self.env.step(actions)
            result = observation, info
            after = self._restart(terminated | truncated, start == position + 1)
            result = after or result
        return result

    def _trim(self) -> None:
        """Forget actions that no log needs any more."""
        while len(self._actions) > self._length.max():
            self._actions.popleft()
