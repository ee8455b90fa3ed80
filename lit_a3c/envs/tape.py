"""The exact state of any environment, as what leads there: a seed and the actions since."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

MIN_LENGTH = 1000
"""Steps of an environment after which it is seeded anew, at the next end of an episode. For a game of Atari that
loads the cartridge again, a tenth of a second; the longer the tape, the longer it takes to play it again."""


class Tape(VectorWrapper):
    """Environments whose present state can be reached again, by playing what was played.

    Gymnasium's environments cannot be saved, but from a seed the same actions lead to the same state. So every
    environment is seeded, and its actions are kept from then on; where an episode ends and the tape has become long,
    it is seeded anew and the tape begins again. Works for every environment whose ``reset(seed=...)`` determines it.
    Where episodes never end, the tape grows with the training.

    Args:
        env: Environments that their caller resets (``AutoresetMode.DISABLED``), or that reset themselves in the same
            step (``SAME_STEP``) and take one seed for each that is masked in ``options["reset_mask"]``, as ALE's do.
        record: Whether :meth:`state` will be asked for. If not, the episodes are the same as if it would, but for
            games of Atari longer than a tape: seeding them anew only costs time then.
    """

    def __init__(self, env: VectorEnv, *, record: bool) -> None:
        super().__init__(env)
        self._record = record
        self._same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self._seed = 0
        self._number = np.zeros(env.num_envs, dtype=np.int64)  # of each environment's tape
        self._length = np.zeros(env.num_envs, dtype=np.int64)  # steps on it
        self._actions: deque[np.ndarray] = deque()
        self._rewound: dict[str, Any] | None = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """All environments, or those of ``options["reset_mask"]``; after :meth:`rewind` the state that it is to be."""
        if options and "reset_mask" in options:
            return self._begin(options["reset_mask"])
        if self._rewound is not None:
            state, self._rewound = self._rewound, None
            return self._play(state)
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
            over = terminated | truncated
            if (over & (self._length >= MIN_LENGTH)).any():
                observation, after = self._begin(over)
                info = {**info, **after}
        return observation, reward, terminated, truncated, info

    def state(self) -> dict[str, Any]:
        """What leads to the present state, as tensors and plain types. Only of what is recorded."""
        assert self._record
        self._trim()
        actions = torch.from_numpy(np.stack(self._actions)) if self._actions else torch.empty(0)
        number, length = torch.from_numpy(self._number.copy()), torch.from_numpy(self._length.copy())
        return {"seed": self._seed, "number": number, "length": length, "actions": actions}

    def rewind(self, state: dict[str, Any]) -> None:
        """Let the next ``reset`` of all environments lead to this state."""
        self._rewound = state

    def _begin(self, over: np.ndarray) -> Any:
        """Go on after the end of these environments' episodes: on their tapes, or on new ones."""
        fresh = over & (self._length >= MIN_LENGTH)
        self._number[fresh] += 1
        self._length[fresh] = 0
        self._trim()
        return self._restart(over, fresh)

    def _restart(self, over: np.ndarray, fresh: np.ndarray) -> Any:
        """Seed those that are on a ``fresh`` tape; reset those that are only ``over``, unless they do it themselves."""
        result: Any = None
        if (plain := over & ~fresh).any() and not self._same_step:
            result = self.env.reset(options={"reset_mask": plain})
        if fresh.any():
            result = self.env.reset(seed=self._seeds(fresh), options={"reset_mask": fresh})
        return result

    def _seeds(self, mask: np.ndarray) -> Any:
        """Seeds of the masked environments' tapes, as the environments take them."""
        seeds = [
            int(np.random.SeedSequence([self._seed, i, int(number)]).generate_state(1)[0] % 2**31) if chosen else None
            for i, (number, chosen) in enumerate(zip(self._number, mask, strict=True))
        ]
        return np.array([seed for seed in seeds if seed is not None], dtype=np.int32) if self._same_step else seeds

    def _play(self, state: dict[str, Any]) -> Any:
        """Every tape from its begin to its end. They end together, so those that begin later play anything before."""
        self._seed = state["seed"]
        self._number, self._length = state["number"].numpy().copy(), state["length"].numpy().copy()
        self._actions = deque(np.array(actions) for actions in state["actions"].numpy())
        begin = len(self._actions) - self._length
        result = self.env.reset(seed=self._seeds(np.ones(self.num_envs, dtype=bool)))
        for position, actions in enumerate(self._actions):
            observation, _, terminated, truncated, info = self.env.step(actions)
            result = observation, info
            after = self._restart(terminated | truncated, begin == position + 1)
            result = after or result
        return result

    def _trim(self) -> None:
        """Forget what no tape needs any more."""
        while len(self._actions) > self._length.max():
            self._actions.popleft()
