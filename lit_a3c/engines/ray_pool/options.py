"""The options of the engine ``ray``. Imports nothing heavy: other engines must not wait for Ray."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from lit_a3c.utils.errors import ConfigError, check_choice, check_number

ACTOR_OPTIONS = (
    *("num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "label_selector"),
    "scheduling_strategy",
)
"""What ``ray.actor`` may hold: the names that Ray itself uses."""


@dataclass(frozen=True)
class RayOptions:
    """Options of the engine ``ray``.

    Args:
        address: The cluster. ``auto``: the one that this machine belongs to, or that ``RAY_ADDRESS`` names. ``local``:
            one of this machine alone, which starts and ends with the training. ``HOST:6379``: the one with this head.
        sync: Wait for the rollouts of all actors before each update, as the engine ``sync`` does. Off, the learner
            takes them first come first served, as ``async`` does.
        actor: What an actor needs, in Ray's own names, for example ``{num_cpus: 2, resources: {simulator: 1}}``.
            Default: one CPU.
        runtime_env: Ray's runtime environment of the actors, for example ``{working_dir: .}``, which sends the present
            directory to the other machines.
        weights_every: Least seconds between two copies of the weights, if they have more than 90 kB. Smaller ones go
            with each request.
    """

    address: str = "auto"
    sync: bool = False
    actor: dict[str, Any] | None = None
    runtime_env: dict[str, Any] | None = None
    weights_every: float = 0.1

    def check(self, engine: str) -> None:
        """Refuse values that cannot work, and options for another engine.

        Args:
            engine: The engine of the training.

        Raises:
            ConfigError: With the name of the option.
        """
        if engine != "ray":
            given = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
            if given:
                raise ConfigError(f"ray.{given[0]} is for the engine ray, and engine is {engine!r}. Use --engine ray.")
            return
        if not isinstance(self.address, str) or not self.address:
            raise ConfigError(f"ray.address {self.address!r} must be auto, local, or HOST:PORT of the cluster's head.")
        if "://" in self.address:
            raise ConfigError(
                f"ray.address {self.address!r}: a client of Ray gets rollouts through a proxy, which is slow. Let this "
                "machine join the cluster (ray start --address=HOST:6379), and use --ray.address auto."
            )
        if self.address not in ("auto", "local") and not self.address.rpartition(":")[2].isdigit():
            raise ConfigError(f"ray.address {self.address!r} must be auto, local, or HOST:PORT of the cluster's head.")
        check_number("ray.weights_every", self.weights_every, low=0, high=3600)
        for name in self.actor or {}:
            check_choice("the key of ray.actor", name, ACTOR_OPTIONS)

    @property
    def actor_resources(self) -> dict[str, float]:
        """What one actor takes of a machine, as Ray's own counts of resources have it."""
        actor = {"num_cpus": 1, **(self.actor or {})}
        named = {"CPU": actor["num_cpus"], "GPU": actor.get("num_gpus", 0), "memory": actor.get("memory", 0)}
        return {name: float(amount) for name, amount in {**named, **actor.get("resources", {})}.items() if amount}


def check_workers(number: int | str, engine: str | None) -> None:
    """Refuse a number of workers that one machine cannot have. A cluster has no such limit.

    Args:
        number: ``num_workers``, which may be ``auto``.
        engine: The engine of the training.

    Raises:
        ConfigError: With the range.
    """
    if number != "auto":
        check_number("num_workers", number, low=1, high=math.inf if engine == "ray" else 1024, whole=True)  # type: ignore[arg-type]
