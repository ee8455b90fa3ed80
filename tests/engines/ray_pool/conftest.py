"""One small Ray cluster for all tests of a file. Starting one takes seconds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from lit_a3c.engines.ray_pool import cluster as clusters
from lit_a3c.engines.ray_pool.cluster import SETTINGS
from lit_a3c.utils import compat_ray


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A cluster of this machine with two CPUs, to which this process is connected.

    Sources use the connection that is there, and leave it.
    """
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        compat_ray.reload_settings()
        ray.init(
            **{"address": "local", "num_cpus": 2, "num_gpus": 0, "object_store_memory": 100 * 2**20},
            **{"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"},
        )
        try:
            yield
        finally:
            for cluster in clusters._open:
                cluster.end()
            clusters._open.clear()
            ray.shutdown()
    assert not os.environ.get("RAY_AUTH_TOKEN")
