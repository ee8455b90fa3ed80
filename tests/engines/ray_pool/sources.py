"""Small sources of the engine ``ray``, as its tests use them."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import Any

from lit_a3c.engines.base import RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.ray_pool.pool import RayPool
from lit_a3c.engines.ray_pool.source import RaySource
from tests.engines.sources import opened, setting


def opened_ray(
    *args: Any, ledger: StepLedger | None = None, options: RayOptions | None = None, restarts: int = 0, **kwargs: Any
) -> closing[RolloutSource]:
    """A source of a :func:`tests.engines.sources.setting` with the engine ``ray``."""
    config, policy = setting(args[0], "ray", *args[1:], **kwargs)
    config = dataclasses.replace(
        config, ray=options or RayOptions(), max_restarts=restarts, behaviour_log_prob=True, worker_timeout=120.0
    )
    return opened(config, policy, ledger)


def pool_of(source: RolloutSource) -> RayPool:
    """The pool inside a source whose cluster is there."""
    assert isinstance(source, RaySource)
    assert isinstance(source._source, RayPool)
    return source._source


def processes(source: RolloutSource) -> dict[int, int]:
    """The processes of the actors that have found a place, by the number of the worker."""
    return {n: worker.placed.pid for n, worker in pool_of(source)._workers.items() if worker.placed}
