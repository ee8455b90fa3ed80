"""Options of the engine ``ray``, and addresses at which there is no cluster."""

from __future__ import annotations

import secrets
import socket
import time

import pytest

from lit_a3c.datamodule import RolloutDataModule
from lit_a3c.engines.ray_pool import cluster as clusters
from lit_a3c.engines.ray_pool.cluster import SETTINGS, connect
from lit_a3c.engines.ray_pool.options import RayOptions, check_workers
from lit_a3c.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "head"}, "ray.address 'head' must be auto, local, or HOST:PORT"),
        ({"address": "ray://head:10001"}, "a client of Ray gets rollouts through a proxy"),
        ({"weights_every": -1.0}, "ray.weights_every -1.0 must be a number at least 0"),
        ({"actor": {"max_restarts": 3}}, "the key of ray.actor 'max_restarts' must be one of num_cpus"),
    ],
)
def test_what_cannot_work_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RolloutDataModule("CartPole-v1", engine="ray", ray=RayOptions(**options))


@pytest.mark.parametrize("engine", ["serial", "async", None])
def test_options_beside_another_engine_are_refused(engine: str | None) -> None:
    with pytest.raises(ConfigError, match=r"ray.sync is for the engine ray"):
        RolloutDataModule("CartPole-v1", engine=engine, ray=RayOptions(sync=True))  # type: ignore[arg-type]


def test_a_cluster_may_have_more_workers_than_a_machine() -> None:
    check_workers(100_000, "ray")
    with pytest.raises(ConfigError, match="at most 1024"):
        check_workers(1025, "async")


def test_resources_of_an_actor() -> None:
    """One CPU, unless something else is asked for."""
    assert RayOptions().actor_resources == {"CPU": 1.0}
    actor = {"num_cpus": 0, "num_gpus": 0.5, "resources": {"simulator": 2}}
    assert RayOptions(actor=actor).actor_resources == {"GPU": 0.5, "simulator": 2.0}


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that belongs to no cluster, whose user has a token."""
    pytest.importorskip("ray")
    monkeypatch.setattr(clusters, "_open", [])
    for name, value in {**SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_ADDRESS": ""}.items():
        monkeypatch.setenv(name, value)


def test_an_address_where_nothing_listens(no_cluster: None) -> None:
    """At once, and not after Ray's minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ConfigError, match=rf"the Ray cluster at .*:{port} .* does not answer: Connection refused"):
        connect(RayOptions(address=f"127.0.0.1:{port}"))
    assert time.monotonic() - start < clusters.CONNECT_SECONDS


def test_a_cluster_without_a_token_is_refused(no_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reached its ports could run code on it."""
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")
    monkeypatch.setenv("HOME", "/nosuchhome")
    with (
        socket.create_server(("", 0)) as server,  # Ray takes 127.0.0.1 for the machine's address in its network
        pytest.raises(ConfigError, match="needs a token, and this machine has none: copy "),
    ):
        connect(RayOptions(address=f"127.0.0.1:{server.getsockname()[1]}"))
