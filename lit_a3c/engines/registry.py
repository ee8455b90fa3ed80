"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.process_pool import ProcessPool
from lit_a3c.engines.serial import SerialSource
from lit_a3c.networks.actor_critic import ActorCritic

SOURCES: dict[str, Callable[[RolloutConfig, ActorCritic, StepLedger], RolloutSource]] = {
    "async": ProcessPool,
    "sync": ProcessPool,
    "serial": SerialSource,
}
"""Engines with one learner. The engine ``hogwild`` is a Lightning strategy, which makes its own source."""

EngineName = Literal["hogwild", "async", "sync", "serial"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def make_source(config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> RolloutSource:
    """Start collecting. Where there are worker processes, they start in the background."""
    return SOURCES[config.engine](config, policy, ledger)
