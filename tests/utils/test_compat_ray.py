"""Every private hook of Ray that :mod:`lit_a3c.utils.compat_ray` uses is there, and does what it is used for."""

from __future__ import annotations

import importlib
import socket

import pytest

from lit_a3c.utils import compat_ray

pytest.importorskip("ray")


@pytest.mark.parametrize(
    ("module", "path"),
    [
        ("ray._raylet", "Config.initialize"),
        ("ray._raylet", "AuthenticationTokenLoader.instance"),
        ("ray._raylet", "InnerGcsClient.check_alive"),
        ("ray._private.services", "canonicalize_bootstrap_address"),
        ("ray._private.services", "find_gcs_addresses.cache_clear"),
        ("ray._private.worker", "print_to_stdstream"),
        ("ray._private.worker", "listen_error_messages"),
    ],
)
def test_the_hook_is_there(module: str, path: str) -> None:
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)


def test_a_token_is_found_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its variable; no file is looked at here."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nosuchfile")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("HOME", "/nosuchhome")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    assert compat_ray.has_token()


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``ray.init`` takes them."""
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert compat_ray.cluster_address("192.0.2.7:6379") == "192.0.2.7:6379"
    assert compat_ray.cluster_address("local") is None
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.8:1")
    assert compat_ray.cluster_address("auto") == "192.0.2.8:1"


@pytest.mark.exhaustive
def test_a_head_that_is_no_head_does_not_answer() -> None:
    """A port at which something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Exception, match=r"imed out|RPC|nauthen"):
        compat_ray.HeadProbe(f"127.0.0.1:{server.getsockname()[1]}").answers(1.0)
