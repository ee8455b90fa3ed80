"""Agents on the Hugging Face Hub: fetched by ``hf://user/agent``, and uploaded."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from lit_a3c.checkpoint.agent_header import is_agent_file
from lit_a3c.checkpoint.download import MAX_BYTES
from lit_a3c.checkpoint.model_card import FILE, HUB
from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.extras import require

T = TypeVar("T")

NAME = re.compile(r"[\w.-]+/[\w.-]+")
LOGIN = "Log in with 'hf auth login', or set HF_TOKEN."


def pull(uri: str) -> Path:
    """The agent file of a repository, in the cache of huggingface_hub. Nothing else of the repository is fetched.

    What is in the cache already is not fetched again. It is used without a connection, too.

    Args:
        uri: ``hf://user/agent`` or ``hf://user/agent@revision``.

    Raises:
        ConfigError: There is no such repository, revision or file, it may not be read, is too large, or is no agent.
        RunError: The server cannot be reached, or has failed.
    """
    repository, at, revision = uri.removeprefix(HUB).partition("@")
    if not NAME.fullmatch(repository) or (at and not revision):
        raise ConfigError(f"{uri!r} is no name of an agent: it must be hf://user/agent or hf://user/agent@revision.")
    library: Any = require("huggingface_hub", "hub", repr(uri))
    endpoint = os.environ.get("HF_ENDPOINT") or None  # the library has looked at it when it was imported

    def fetch(**options: Any) -> Any:
        return library.hf_hub_download(repository, FILE, revision=revision or None, endpoint=endpoint, **options)

    what = f"the agent {uri!r} cannot be fetched"
    size = _asked(what, lambda: fetch(dry_run=True)).file_size or 0
    if size > MAX_BYTES:
        raise ConfigError(f"{what}: it has {size / 2**20:,.1f} MiB, and at most {MAX_BYTES / 2**20:,.1f} are taken.")
    file = Path(_asked(what, fetch))
    with file.open("rb") as source:
        if not is_agent_file(source.read(16)):
            raise ConfigError(f"{what}: its {FILE} is no safetensors file.")
    return file


def push(files: dict[str, bytes], repository: str, *, private: bool, endpoint: str | None = None) -> str:
    """Upload files as one commit. The repository is made if there is none.

    Args:
        files: Contents by name.
        repository: ``user/agent``.
        private: Whether a new repository is private.
        endpoint: The server; by default that of ``HF_ENDPOINT``, or the Hub.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: The name is none, or the server refuses the request.
        RunError: The server cannot be reached, or has failed.
    """
    if not NAME.fullmatch(repository):
        raise ConfigError(f"{repository!r} is no name of a repository: it must be user/agent.")
    library: Any = require("huggingface_hub", "hub", "push")
    api = library.HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT") or None, library_name="lit-a3c")
    operations = [library.CommitOperationAdd(name, content) for name, content in files.items()]

    def upload() -> str:
        url = api.create_repo(repository, private=private or None, exist_ok=True)
        api.create_commit(repository, operations, commit_message="An agent of lit-a3c")
        return str(url)

    return _asked(f"{repository!r} cannot be uploaded to {api.endpoint}", upload)


def _asked(what: str, ask: Callable[[], T]) -> T:
    """What the server answers.

    Args:
        what: The beginning of the message.
        ask: Asks by the library.

    Raises:
        ConfigError: The server refuses the request.
        RunError: The server cannot be reached, or has failed.
    """
    try:
        with _quiet():
            return ask()
    except Exception as error:  # of the library, and of its HTTP client, which changes from version to version
        raise _explained(what, error) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars, and without a line for each time that it tries again."""
    utils = importlib.import_module("huggingface_hub.utils")
    bars, verbosity = not utils.are_progress_bars_disabled(), utils.logging.get_verbosity()
    utils.logging.set_verbosity_error()
    if bars:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.logging.set_verbosity(verbosity)
        if bars:
            utils.enable_progress_bars()


def _explained(what: str, error: Exception) -> Exception:
    errors = importlib.import_module("huggingface_hub.errors")
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    match error:
        case errors.HFValidationError():
            return ConfigError(f"{what}: {_first_line(error)}")
        case errors.RevisionNotFoundError():
            return ConfigError(f"{what}: the repository has no such revision.")
        case errors.RemoteEntryNotFoundError():
            return ConfigError(f"{what}: the repository has no {FILE}, so it is no agent of lit-a3c.")
        case errors.GatedRepoError():
            return ConfigError(f"{what}: its owner must allow it. {LOGIN}")
        case errors.RepositoryNotFoundError():
            return ConfigError(f"{what}: there is no such repository, or it is private. {LOGIN}")
        case errors.LocalEntryNotFoundError() if isinstance(error.__cause__, Exception):
            return _explained(what, error.__cause__)
    if status in (401, 403):
        return ConfigError(f"{what}: the server says {status}, you may not do this. {LOGIN}")
    if status is not None and status < 500:
        return ConfigError(f"{what}: the server says {status}: {_first_line(error)}")
    if status is not None:
        return RunError(f"{what}: the server says {status}. Try again later.")
    return RunError(f"{what}, or not to its end: {_first_line(error)}. Is the server reachable?")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
