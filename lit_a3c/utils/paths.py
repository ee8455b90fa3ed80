"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from lit_a3c.utils.errors import ConfigError, shortened


def user_path(given: str, option: str) -> Path:
    """The path that a user wrote, with ``~`` and ``~name`` replaced. It need not exist.

    Args:
        given: What the user wrote.
        option: Where the user wrote it.

    Raises:
        ConfigError: There is no such user, or no file can have this name.
    """
    try:
        path = Path(given).expanduser()
        path.exists()
    except RuntimeError as error:
        user = Path(given).parts[0]
        reason = "this user has no home directory" if user == "~" else f"there is no user {user[1:]!r}"
        raise ConfigError(f"{option} {shortened(given)}: {reason}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{option} {shortened(given)} cannot be used as a path: {reason}.") from error
    return path
