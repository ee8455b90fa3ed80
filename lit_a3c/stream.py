"""The train loader: weights out, rollouts in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lit_a3c.actor import CollectConfig
from lit_a3c.collect import Collection, Serial, collect
from lit_a3c.envs import Episode
from lit_a3c.rollout import Rollout


class RolloutStream:
    """The train loader: pushes the newest weights, then yields the next rollout, in as many parts as asked for.

    It does not end by itself: the module stops the training when the budget is used up, by whichever process. It has
    a length, because Lightning would fetch one rollout ahead of a loader without: a hidden update of lag.

    Args:
        trainer: Whose module acts and counts steps.
        config: What to collect.
        total_steps: Steps after which the training ends.
        parts: Updates made of one rollout.
    """

    def __init__(self, trainer: Trainer, config: CollectConfig, total_steps: int, parts: int = 1) -> None:
        self._trainer, self._total_steps, self._parts = trainer, total_steps, parts
        self._steps_per_rollout = config.steps_per_rollout
        self._collection: Collection | None = collect(config, cast(Any, trainer.lightning_module).policy)
        self._serial = self._collection if config.resumable and isinstance(self._collection, Serial) else None
        self._shape = [repr(config.env), config.num_workers, config.envs_per_worker]
        self._left: deque[Rollout] = deque()
        self._before: tuple[int, int] | None = None  # steps learned from and discarded before this stream
        self._lost = 0
        self._acting = False
        self._random_state: Tensor | None = None

    def __len__(self) -> int:
        """Updates of the present epoch: those made before a resumption, and those to come."""
        module = cast(Any, self._trainer.lightning_module)
        done = self._trainer.fit_loop.epoch_loop.batch_progress.current.ready
        rollouts = math.ceil((self._total_steps - module.steps) / self._steps_per_rollout)
        return done + self._parts * max(0, rollouts)

    def __iter__(self) -> Iterator[Rollout]:
        if self._before is None:
            module = cast(Any, self._trainer.lightning_module)
            # What is left of a resumed rollout is learned from here, but was taken before.
            self._before = (module.steps + sum(rollout.num_steps for rollout in self._left), module.discarded)
        if self._random_state is not None:
            torch.set_rng_state(self._random_state)
            self._random_state = None
        while True:
            while self._left:
                yield self._with_ledger(self._left.popleft())
            assert self._collection is not None, "the stream was closed"
            self._collection.push()
            self._acting = True
            rollout = self._collection.next()
            self._acting = False
            # A collection counts pushes, and there are several updates between two of them.
            version, learner_version = rollout.version * self._parts, rollout.learner_version * self._parts
            for i, part in enumerate(rollout.split(self._parts)):
                self._left.append(replace(part, version=version, learner_version=learner_version + i))

    def _with_ledger(self, rollout: Rollout) -> Rollout:
        """Every step that was taken is learned from, in flight, or discarded."""
        assert self._collection is not None
        assert self._before is not None
        module, lost = cast(Any, self._trainer.lightning_module), self._collection.discarded
        learned, discarded = module.steps - self._before[0], module.discarded - self._before[1]
        new, self._lost = lost - self._lost, lost
        in_flight = self._collection.taken - learned - discarded - new
        return replace(rollout, in_flight=in_flight, discarded=new)

    def state(self) -> dict[str, Any]:
        """What :meth:`resume` needs to go on exactly here, as tensors and plain types.

        Empty where workers act, and in the middle of a rollout: one that an error or an impatient signal broke off.
        """
        if self._serial is None or self._acting:
            return {}
        return {
            "shape": self._shape,
            "collection": self._serial.state(),
            "left": [_plain(rollout) for rollout in self._left],
            "random_state": torch.get_rng_state(),
        }

    def resume(self, state: dict[str, Any]) -> bool:
        """Go on from a state, if it is of the same environments."""
        if self._serial is None or state["shape"] != self._shape:
            return False
        self._serial.resume(state["collection"])
        for rollout in state["left"]:
            self._left.append(
                Rollout(**{**rollout, "episodes": [Episode(*episode) for episode in rollout["episodes"]]})
            )
        self._random_state = state["random_state"]
        return True

    def close(self) -> None:
        """End the workers."""
        if self._collection is not None:
            self._collection.close()
            self._collection = self._serial = None


def _plain(rollout: Rollout) -> dict[str, Any]:
    """A rollout of whose episodes the meter knows, free of the collector's buffer."""
    tensors: dict[str, Any] = {name: tensor.clone() for name, tensor in rollout.tensors().items()}
    episodes = [list(episode) for episode in rollout.episodes]
    return {**tensors, "version": rollout.version, "learner_version": rollout.learner_version, "episodes": episodes}
