"""The train loader: weights out, rollouts in."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.learners import Learners
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.staging import CPU, RolloutStaging
from lit_a3c.rollout import AppliedUpdates, Episode, Rollout


class RolloutLoader:
    """Publishes the newest weights, then yields the next rollouts, in as many minibatches and passes as asked for.

    Where several rollouts make an update, they are copied side by side as they come. So the slot of each is free at
    once, and its worker acts on: no number of rollouts is too large for the workers. A single rollout is not copied.

    It does not end by itself: the module stops the training when the budget is used up, by whichever process. It has
    a length, because Lightning fetches one rollout ahead of a loader without one: a hidden update of lag.

    Args:
        source: Where the rollouts come from.
        config: What the source collects.
        ledger: The steps of the training.
        last_step: Steps learned from, by the ledger, at which the training ends.
        num_minibatches: Updates made of one rollout, or of those that are side by side.
        batches_started: Gives the minibatches of the present epoch that Lightning has started.
        device: Where the learner is. Several rollouts are moved there together.
        learners: The learners that make their updates in step; one by default.
        num_passes: How often each rollout is learned from. With several, each pass has the steps in a random order, or
            the environments where the policy is recurrent.
        with_returns: Gives a rollout its returns before several passes.
        renew_returns: Whether it does so before each of them.
    """

    def __init__(
        self,
        source: RolloutSource,
        config: RolloutConfig,
        ledger: StepLedger,
        last_step: int,
        num_minibatches: int,
        batches_started: Callable[[], int],
        device: torch.device = CPU,
        learners: Learners | None = None,
        num_passes: int = 1,
        with_returns: Callable[[Rollout], Rollout] = lambda rollout: rollout,
        renew_returns: bool = False,
    ) -> None:
        self._source, self._ledger, self._batches_started = source, ledger, batches_started
        self._last_step, self._num_minibatches, self._num_passes = last_step, num_minibatches, num_passes
        self._rollouts, self._steps, self._device = config.rollouts_per_update, config.steps_per_update, device
        self._with_returns, self._renew_returns = with_returns, renew_returns
        self._single = config.steps_per_update == config.rollout_length * config.envs_per_worker
        self._staging: RolloutStaging | None = None
        self._resumable = config.resumable
        self._layout = [repr(config.env), config.num_workers, config.envs_per_worker]
        self._minibatches: deque[Rollout] = deque()  # of the present pass, those still to be learned from
        self._rollout: Rollout | None = None  # of the present passes, where more of them are to come
        self._passes_left = 0
        self._acting = False
        self._learners = learners or Learners()
        self._random_state: Tensor | None = None

    def __len__(self) -> int:
        """Updates of the present epoch: those made before a resumption, and those to come."""
        takes = math.ceil((self._last_step - self._ledger.learned.total) / (self._steps * self._learners.size))
        updates = self._num_passes * self._num_minibatches
        return self._batches_started() + updates * (max(0, takes) + self._source.overshoot)

    def __iter__(self) -> Iterator[Rollout | AppliedUpdates]:
        if self._random_state is not None:
            torch.set_rng_state(self._random_state)
            self._random_state = None
        while True:
            while self._minibatches or self._rollout is not None:
                if self._rollout is not None and not self._minibatches:
                    self._begin_pass(self._rollout.repeat(), self._passes_left - 1)
                yield self._minibatches.popleft()
                if self._minibatches or self._rollout is not None:
                    self._source.refresh()
            self._source.publish(self._ledger.updates.total)
            self._acting = True
            with self._learners.waiting():
                rollout = self._source.next() if self._single else self._several()
            self._acting = False
            if rollout is None:
                return
            if isinstance(rollout, AppliedUpdates):
                yield rollout
                continue
            self._begin_pass(rollout, self._num_passes - 1)

    def _begin_pass(self, rollout: Rollout, passes_left: int) -> None:
        """Learn from a rollout, and as often again as there are passes left."""
        steps = rollout
        if self._num_passes > 1:
            if self._renew_returns or rollout.returns is None:
                rollout = self._with_returns(rollout.to(self._device))
            steps = rollout.single_steps().shuffle()
        self._minibatches.extend(steps.split(self._num_minibatches))
        self._rollout, self._passes_left = (rollout if passes_left else None), passes_left

    def _several(self) -> Rollout | None:
        """The next rollouts side by side on the learner's device; None where there will be none."""
        for _ in range(self._rollouts):
            parts = self._source.next_parts()
            if parts is None:
                return None
            if self._rollouts == len(parts) == 1:
                return parts[0]
            for part in parts:
                if self._staging is None:
                    width = self._rollouts * len(parts) * part.reward.shape[1]
                    self._staging = RolloutStaging(part, width, self._device)
                self._staging.add(part)
        assert self._staging is not None
        return self._staging.take()

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on exactly here, as tensors and plain types. Lightning saves it.

        Empty where worker processes act, and in the middle of a rollout that an error or a second signal broke off.
        """
        if not self._resumable or self._acting:
            return {}
        return {
            "layout": self._layout,
            "source": self._source.state_dict(),
            "minibatches": [_to_plain(rollout) for rollout in self._minibatches],
            "rollout": None if self._rollout is None else _to_plain(self._rollout),
            "passes_left": self._passes_left,
            "random_state": torch.get_rng_state(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state; Lightning calls this before the first rollout of a resumed training.

        An empty state changes nothing, nor does that of other environments or of another engine, which gives a warning.
        """
        if not state_dict:
            return
        if not self._resumable or state_dict["layout"] != self._layout:
            warnings.warn(
                "the checkpoint is of other environments or another engine: episodes begin anew.", stacklevel=2
            )
            return
        self._source.load_state_dict(state_dict["source"])
        self._minibatches.extend(map(_from_plain, state_dict["minibatches"]))
        if state_dict.get("rollout") is not None:  # a version without passes did not write it
            self._rollout, self._passes_left = _from_plain(state_dict["rollout"]), state_dict["passes_left"]
        self._ledger.collected.add(sum(rollout.new_steps for rollout in self._minibatches))
        self._random_state = state_dict["random_state"]

    def close(self) -> None:
        """End the workers."""
        self._source.close()
        self._resumable = False


def _to_plain(rollout: Rollout) -> dict[str, Any]:
    """A rollout as tensors, free of the collector's buffer, and plain types."""
    return {
        **{name: tensor.clone() for name, tensor in rollout.tensors().items()},
        "policy_version": rollout.policy_version,
        "batch_first": rollout.batch_first,
        "repeated": rollout.repeated,
        "episodes": [list(episode) for episode in rollout.episodes],
    }


def _from_plain(plain: dict[str, Any]) -> Rollout:
    return Rollout(**{**plain, "episodes": [Episode(*episode) for episode in plain["episodes"]]})
