"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.process_pool import ProcessPool
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.serial import SerialSource
from lit_a3c.networks.actor_critic import ActorCritic


def _ray(config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> RolloutSource:
    from lit_a3c.engines.ray_pool.source import RaySource

    return RaySource(config, policy, ledger)


SOURCES: dict[str, Callable[[RolloutConfig, ActorCritic, StepLedger], RolloutSource]] = {
    "async": ProcessPool,
    "sync": ProcessPool,
    "serial": SerialSource,
    "ray": _ray,
}
"""Engines with one learner. The engine ``hogwild`` is a Lightning strategy, which makes its own source."""

EngineName = Literal["hogwild", "async", "sync", "serial", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def open_cluster(options: RayOptions, num_workers: int | Literal["auto"]) -> int:
    """Connect this process to a Ray cluster, if it is not yet.

    Args:
        options: Options of the engine ``ray``.
        num_workers: Workers that there are to be.

    Returns:
        Their number: with ``auto`` as many as the cluster has room for.

    Raises:
        ConfigError: There is no such cluster, or it cannot be used.
    """
    from lit_a3c.engines.ray_pool.cluster import connect

    cluster = connect(options, 0 if num_workers == "auto" else num_workers)
    return max(1, cluster.capacity) if num_workers == "auto" else num_workers


def make_source(config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> RolloutSource:
    """Start collecting. Where there are worker processes, they start in the background."""
    return SOURCES[config.engine](config, policy, ledger)
