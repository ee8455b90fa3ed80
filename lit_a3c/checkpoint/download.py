"""Checkpoints from elsewhere: a download has a limit, shows its progress, and ends when nothing comes."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.cloud_io import get_filesystem

from lit_a3c.utils.errors import ConfigError

MAX_BYTES = 2 * 2**30
"""The largest download. Checkpoints of the networks here have a few megabytes."""
STALL_SECONDS = 30.0
"""Seconds in which something must come."""
LEAST_BYTES = 30 * 2**10
"""Bytes that must come in so many seconds, where the download has not ended."""
REPORT_SECONDS = 5.0
"""Seconds between two lines about the progress."""
CHUNK = 2**16


def download(url: str) -> Path:
    """A local copy of a remote checkpoint, until the end of the process.

    Args:
        url: ``http``, ``https``, or what fsspec reads, for example ``s3`` where its package is installed.

    Raises:
        ConfigError: It cannot be fetched, is too large, or comes too slowly; with the server's own reason.
    """
    directory = Path(tempfile.mkdtemp(prefix="lit-a3c-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    file = directory / "downloaded.ckpt"  # the last part of a URL may be too long for a name
    try:
        with _open(url) as source, file.open("wb") as target:
            _copy(source, target, url)
    except ConfigError:
        raise
    except urllib.error.HTTPError as error:
        raise _refusal(url, f"the server says {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise _refusal(url, f"nothing came for {STALL_SECONDS:.0f} seconds") from error
    except Exception as error:  # each kind of storage has errors of its own
        reason = getattr(error, "reason", None) or error
        raise _refusal(url, " ".join(str(reason).split())[:160] or type(error).__name__) from error
    return file


def _open(url: str) -> Any:
    if url.partition("://")[0].lower() in ("http", "https"):
        return urllib.request.urlopen(url, timeout=STALL_SECONDS)
    return get_filesystem(url).open(url, "rb")


def _copy(source: Any, target: Any, url: str) -> None:
    """Copy in small parts.

    Raises:
        ConfigError: There is too much, or it comes too slowly.
    """
    expected = int(getattr(source, "length", None) or 0)
    if expected > MAX_BYTES:
        raise _refusal(url, f"it has {_size(expected)}, and at most {_size(MAX_BYTES)} are taken")
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)  # returns what is there, without waiting
    received = window = 0
    reported = since = time.monotonic()
    while part := read(CHUNK):
        target.write(part)
        received, window = received + len(part), window + len(part)
        if received > MAX_BYTES:
            raise _refusal(url, f"more than {_size(MAX_BYTES)} came")
        now = time.monotonic()
        if now - since > STALL_SECONDS:
            if window < LEAST_BYTES:
                raise _refusal(url, f"only {window:,} bytes came in {now - since:.0f} seconds")
            window, since = 0, now
        if now - reported > REPORT_SECONDS:
            reported = now
            of = f" of {_size(expected)}" if expected else ""
            print(f"lit-a3c: {_size(received)}{of} from {_short(url)}", file=sys.stderr, flush=True)
    if received < expected:
        raise _refusal(url, f"only {received:,} of {expected:,} bytes came")


def _refusal(url: str, reason: str) -> ConfigError:
    return ConfigError(f"the checkpoint {_short(url)!r} cannot be fetched: {reason}.")


def _short(url: str) -> str:
    return url if len(url) <= 120 else f"{url[:80]}...{url[-30:]}"


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MiB"
