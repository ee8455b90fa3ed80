"""What runs on the machines of the cluster: one :class:`lit_a3c.engines.actor.Actor` behind Ray's calls.

Imports nothing heavy, so that other versions there are noticed before they lead to other errors.
"""

from __future__ import annotations

import os
import pickle
import platform
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

import cloudpickle

from lit_a3c.engines.processes import Failed
from lit_a3c.utils.signals import ignore_signals

if TYPE_CHECKING:
    from lit_a3c.engines.actor import Actor
    from lit_a3c.engines.base import RolloutConfig
    from lit_a3c.networks.actor_critic import ActorCritic
    from lit_a3c.utils.shared_counter import SharedCounter

COMPARED = ("torch", "tensordict", "torchrl", "gymnasium")
"""Packages whose versions must be those of the learner: what is sent between them has their form."""


class Placed(NamedTuple):
    """An actor's first message: Ray has found a place for it."""

    versions: dict[str, str]
    node: str
    """Ray's number of the machine."""
    host: str
    pid: int


class Collected(NamedTuple):
    """The reply to a request for a rollout.

    Attributes:
        rollout: The rollout, packed, or what has failed.
        steps: Steps that the environments of this actor have taken so far.
    """

    rollout: bytes | Failed
    steps: int

    def to_bytes(self) -> bytes:
        """For the way through Ray: it takes bytes as they are, and its own way for objects costs twice the CPU."""
        return pickle.dumps(self, protocol=5)


class RemoteActor:
    """One worker of the engine ``ray``.

    It makes its environments at the first request, so that their exceptions arrive as those of any worker.

    Args:
        payload: What :func:`payload` has made.
        worker: Number of the worker.
        seed: In place of the seed of the config.
    """

    def __init__(self, payload: bytes, worker: int, seed: int) -> None:
        ignore_signals()
        self._payload, self._worker, self._seed = payload, worker, seed
        self._actor: Actor | None = None
        self._steps: SharedCounter | None = None
        self._failed: Failed | None = None

    def place(self) -> Placed:
        """Answer as soon as there is a place for the actor."""
        import ray

        return Placed(versions(), ray.get_runtime_context().get_node_id(), platform.node(), os.getpid())

    def rollout(self, weights: bytes | None, policy_version: int) -> bytes:
        """One more rollout: a :class:`Collected` as bytes.

        Args:
            weights: The newest weights, packed; None where the actor has them.
            policy_version: Their version.
        """
        from lit_a3c.engines.ray_pool.packing import pack, unpack_weights

        if self._failed is None:
            try:
                actor = self._actor or self._start()
                if weights is not None:
                    unpack_weights(weights, actor.weights)
                return Collected(pack(actor.rollout(policy_version)), self._collected()).to_bytes()
            except BaseException as error:  # sys.exit() would look like the end of the machine
                self._failed = Failed.by(error)
        return Collected(self._failed, self._collected()).to_bytes()

    def end(self) -> None:
        """End this process. The learner calls it where no head of the cluster is left to do so."""
        os._exit(0)

    def _start(self) -> Actor:
        import torch

        from lit_a3c.engines.actor import Actor
        from lit_a3c.utils.shared_counter import SharedCounter

        torch.set_num_threads(1)
        self._steps = SharedCounter()
        config, policy = cloudpickle.loads(self._payload)
        config = replace(config, seed=self._seed)
        torch.manual_seed(config.worker_seed(self._worker))
        self._actor = Actor(config, policy, self._worker, self._steps)
        self._payload = b""
        return self._actor

    def _collected(self) -> int:
        return self._steps.total if self._steps is not None else 0


def payload(config: RolloutConfig, policy: ActorCritic) -> bytes:
    """What an actor is made of. Classes of a script or a notebook travel by value.

    Args:
        config: What to collect.
        policy: The policy, on the CPU.
    """
    return bytes(cloudpickle.dumps((config, policy)))


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of those that must be equal on all machines."""
    from lit_a3c import __version__

    found = {name: metadata.version(name).partition("+")[0] for name in COMPARED}  # a build for GPUs is no difference
    return {"Python": ".".join(platform.python_version_tuple()[:2]), "lit-a3c": __version__, **found}
