"""The private hooks of Ray that this package uses, each with its reason; those of other libraries are in ``compat.py``.

Importing this module does not import Ray.
"""

from __future__ import annotations

import importlib
from typing import Any


def reload_settings() -> None:
    """Let Ray read its environment variables again (``Config.initialize``), and its token (``reset_cache``).

    Its C++ part reads them once, when Ray is imported, and there is no public way to set its options later.
    """
    _raylet().Config.initialize("")
    _raylet().AuthenticationTokenLoader.instance().reset_cache()


def has_token() -> bool:
    """Whether Ray finds a token in its variables or its file (``AuthenticationTokenLoader``). Nothing public asks."""
    loader = _raylet().AuthenticationTokenLoader.instance()
    loader.reset_cache()
    return bool(loader.has_token(ignore_auth_mode=True))


def cluster_address(address: str) -> str | None:
    """``HOST:PORT`` of the head that ``ray.init`` would connect to, or None (``canonicalize_bootstrap_address``).

    ``ray.init`` itself tries an address at which nothing answers for minutes.
    """
    from ray._private import services

    services.find_gcs_addresses.cache_clear()
    try:
        found: str | None = services.canonicalize_bootstrap_address(address)
    except ConnectionError:  # by "auto": no cluster runs here
        return None
    return found


def _raylet() -> Any:
    """Ray's C++ part, which has no types."""
    return importlib.import_module("ray._raylet")


def silence_messages() -> None:
    """Drop what Ray prints about each process and machine that ends (``print_to_stdstream``): pages for each.

    ``log_to_driver=False`` leaves them, and there is no other option. What has ended is named in lines of this package.
    """
    worker = importlib.import_module("ray._private.worker")
    setattr(worker, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010 - mypy knows no modules of Ray


class HeadProbe:
    """Asks the head of a cluster whether it is there (``GcsClient.check_alive``).

    Without a head Ray ends this process from C++ after a minute, and no exception says so before.

    Args:
        address: ``HOST:PORT`` of the head, which must answer now.
    """

    def __init__(self, address: str) -> None:
        self._client: Any = _raylet().GcsClient(address=address)

    def answers(self, seconds: float) -> bool:
        """Whether it answers within so many seconds."""
        try:
            self._client.check_alive([], timeout=seconds)
        except Exception:  # Ray has several classes for it, all private
            return False
        return True
