"""Agents of the Hugging Face Hub, fetched by the real library from a server that does as it likes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lit_a3c import A3C, ConfigError
from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.checkpoint.hub import pull, push
from lit_a3c.utils.errors import RunError
from tests.checkpoint.agent_files import packed
from tests.hub_server import COMMIT, Hub
from tests.hubs import hub, impatient

__all__ = ["hub", "impatient"]

URI = "hf://me/agent"


@pytest.fixture
def held(hub: Hub) -> Hub:
    """A Hub that has an agent, and a pickle beside it."""
    hub.repositories["me/agent"] = {"agent.safetensors": packed(), "last.ckpt": b"\x80"}
    return hub


@pytest.mark.parametrize("uri", [URI, f"{URI}@main", f"{URI}@{COMMIT}"])
def test_an_agent_is_fetched_once_and_nothing_beside_it(held: Hub, uri: str) -> None:
    assert A3C.load_from_checkpoint(uri).steps == 1000
    gets = [line for line in held.asked if line.startswith("GET /me")]
    assert len(gets) == 1
    assert gets[0].endswith("/agent.safetensors")
    assert read_checkpoint(resolve_checkpoint(uri, "best"))["steps"] == 1000
    assert [line for line in held.asked if line.startswith("GET /me")] == gets


def test_what_was_fetched_is_there_without_a_connection(held: Hub, impatient: None) -> None:
    file = pull(URI)
    held.broken = 503
    assert pull(URI) == file


def _no_repository(hub: Hub) -> None:
    hub.repositories.clear()


def _no_file(hub: Hub) -> None:
    hub.repositories["me/agent"].pop("agent.safetensors")


def _too_large(hub: Hub) -> None:
    hub.claimed = 2**40


def _pickle(hub: Hub) -> None:
    hub.repositories["me/agent"]["agent.safetensors"] = b"\x80\x04 a pickle"


def _unauthorized(hub: Hub) -> None:
    hub.broken = 401


def _forbidden(hub: Hub) -> None:
    hub.broken = 403


def _failing(hub: Hub) -> None:
    hub.broken = 503


def _cut(hub: Hub) -> None:
    hub.cut = True


def _not_there(hub: Hub) -> None:
    os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # the fixture takes it back


@pytest.mark.parametrize(
    ("harm", "kind", "says"),
    [
        (_no_repository, ConfigError, "there is no such repository, or it is private. Log in with 'hf auth login'"),
        (_no_file, ConfigError, "the repository has no agent.safetensors, so it is no agent of lit-a3c."),
        (_too_large, ConfigError, "it has 1,048,576.0 MiB, and at most 2,048.0 are taken."),
        (_pickle, ConfigError, "its agent.safetensors is no safetensors file."),
        (_unauthorized, ConfigError, "the server says 401, you may not do this. Log in with"),
        (_forbidden, ConfigError, "the server says 403, you may not do this. Log in with"),
        (_failing, RunError, "the server says 503. Try again later."),
        (_cut, RunError, "peer closed connection"),
        (_not_there, RunError, "Connection refused"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    held: Hub,
    impatient: None,
    capfd: pytest.CaptureFixture[str],
    harm: Callable[[Hub], None],
    kind: type[Exception],
    says: str,
) -> None:
    harm(held)
    with pytest.raises(kind) as caught:
        pull(URI)
    assert str(caught.value).startswith(f"the agent '{URI}' cannot be fetched")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(capfd.readouterr())


def test_a_revision_that_is_not_there_is_named(held: Hub) -> None:
    with pytest.raises(ConfigError, match="the repository has no such revision"):
        pull(f"{URI}@v9")


@pytest.mark.parametrize("uri", ["hf://agent", "hf://me/agent/x", "hf://", "hf://me/agent@", "hf://me/../x"])
def test_what_is_no_name_is_refused_before_anything_is_asked(hub: Hub, uri: str) -> None:
    with pytest.raises(ConfigError, match="must be hf://user/agent"):
        pull(uri)
    assert not hub.asked


def test_a_damaged_agent_is_refused(held: Hub) -> None:
    """It came as the server has it."""
    held.repositories["me/agent"]["agent.safetensors"] = packed()[:-9]
    with pytest.raises(ConfigError, match="cannot be read as a checkpoint: its checksum is wrong"):
        read_checkpoint(resolve_checkpoint(URI, "best"))


@pytest.mark.parametrize("use", [lambda: pull(URI), lambda: push({}, "me/agent", private=False)])
def test_without_the_package_there_is_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[], Any]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"needs the package huggingface_hub: pip install 'lit-a3c\[hub\]'$"):
        use()
