"""An exception of the user's own code in one line: what, and where it was raised."""

from __future__ import annotations

import importlib
import os
import sysconfig
import traceback
from pathlib import Path
from types import CodeType

MAX_CHARACTERS = 300
"""Longest text of an exception that is repeated. Some hold whole arrays."""


def one_line(error: BaseException) -> str:
    """``ZeroDivisionError: division by zero (my_env.py, line 12, in MyEnv.step)``.

    Args:
        error: With its traceback. ``sys.exit(0)`` is named as such.

    Returns:
        Without a full stop: the type, the first line of the text, and the last place in the user's own code. Where
        there is none, it is the last place in a library that is neither this one nor Gymnasium.
    """
    if isinstance(error, SystemExit):
        text = f"sys.exit({'' if error.code is None else repr(error.code)[:MAX_CHARACTERS]}) was called"
    elif isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({_short(error.filename)}, line {error.lineno})"
    else:
        lines = str(error).strip().splitlines()
        text = f"{type(error).__name__}: {lines[0][:MAX_CHARACTERS].rstrip('.')}" if lines else type(error).__name__
    return text + _origin(error)


def _origin(error: BaseException) -> str:
    """`` (file, line, in Class.method)``; empty where only Gymnasium and this library had a part in it."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    frames = [(code, line) for code, line in frames if not _is_in(code, _passed_on_by())]
    own = [(code, line) for code, line in frames if not _is_in(code, _installed())]
    if not frames:
        return _origin(error.__cause__) if error.__cause__ is not None else ""
    code, line = (own or frames)[-1]
    where = "" if code.co_name == "<module>" else f", in {code.co_qualname}"
    return f" ({_short(code.co_filename)}, line {line}{where})"


def _is_in(code: CodeType, directories: tuple[str, ...]) -> bool:
    return code.co_filename.startswith(directories)


def _passed_on_by() -> tuple[str, ...]:
    """Directories of code that only calls the user's: this library's, Gymnasium's, and Python's importing."""
    import gymnasium

    packages = (Path(__file__).parents[1], Path(gymnasium.__file__).parent, Path(importlib.__file__).parent)
    return "<frozen importlib", *(f"{package}{os.sep}" for package in packages)


def _installed() -> tuple[str, ...]:
    """Directories of Python's own library and of installed packages."""
    paths = sysconfig.get_paths()
    return tuple(f"{paths[name]}{os.sep}" for name in ("stdlib", "purelib", "platlib"))


def _short(file: str) -> str:
    """The path as seen from the present directory, if the file lies below."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the directory is gone
        return file
