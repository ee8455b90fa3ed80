"""What is said where a class that a config names refuses its options, or refuses to go on."""

from __future__ import annotations

import re

from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError

WRAPPED = ("Parser key", "Does not validate", "Problem with given class_path")
"""How jsonargparse begins where the reason is that of another exception, its cause."""


def format_class_error(error: BaseException) -> str:
    """One line: why a class could not be made with its options. jsonargparse wraps the reason of the class itself."""
    made = re.search(r"class_path '([\w.]+)'", str(error))
    while error.__cause__ is not None and str(error).startswith(WRAPPED):
        error = error.__cause__
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"{made[1]} cannot be made: {reason}" if made and not isinstance(error, ConfigError) else reason


def is_accepted(path: str, classes: compat_parser.AcceptedClasses) -> bool:
    """Whether an option takes the class of this name or import path, which need not have been imported before."""
    if path in {*classes.subclasses, *(cls.__name__ for cls in classes.subclasses.values())}:
        return True
    try:
        found = compat_parser.import_object(path)
    except Exception:  # whatever the module does
        return False
    return isinstance(found, type) and issubclass(found, classes.types)


def raised_by_lightning(error: BaseException) -> bool:
    """Whether Lightning itself has raised this: a callback that finds its metric missing, say."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = "" if traceback is None else str(traceback.tb_frame.f_globals.get("__name__"))
    return module.startswith("lightning.")
