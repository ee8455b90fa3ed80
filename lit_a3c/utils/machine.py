"""What a training needs of the machine: checked before it starts where that is possible, else named when it fails."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from lit_a3c.utils.errors import ConfigError

if sys.platform != "win32":
    import resource

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux keeps shared memory. In a container it often has 64 MiB."""
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
"""Longest path of a Unix socket."""
SOCKET_NAME_BYTES = len("/pymp-12345678/listener-12345678")
"""What ``multiprocessing`` appends to the temporary directory for the socket of its fork server."""
MOST_DESCRIPTORS = 65_536
"""The soft limit of open files is raised to the hard one, but not beyond this."""
LEAST_ADDRESS_SPACE = 2**30
"""Bytes of address space below which torch cannot even be imported."""
RENDERERS = (
    *("", "egl", "osmesa", "glfw", "glx", "wgl", "cgl"),
    *("enable", "enabled", "on", "true", "1", "disable", "disabled", "off", "false", "0"),
)
"""Values of ``MUJOCO_GL``. With another one MuJoCo cannot be imported, and TorchRL imports it for every environment."""
SPARE_DESCRIPTORS = 48
"""Open files of a training beside those for its workers."""

PAGE_BYTES = 4096
SPARE_SHARED_BYTES = 16 * PAGE_BYTES
"""Shared memory of a training beside its large parts: counters, and signs of life."""

LIMITS = {
    r"allocate shared memory": "there is not enough shared memory (/dev/shm). Fewer workers or environments need less",
    r"Too many open files": "too many open files: the limit is {files} (`ulimit -n`). Fewer workers need fewer",
    r"can't start new thread|Resource temporarily unavailable|pthread_create failed": (
        "no more processes or threads may be started (`ulimit -u`). Fewer workers need fewer"
    ),
    r"annot allocate memory|can't allocate memory|failed to map segment|MemoryError|bad_alloc": (
        "there is not enough memory (`ulimit -v`). Fewer workers or environments need less"
    ),
    r"too many fds": "the network has too many tensors to be handed to a worker process",
    r"No space left on device|Disk quota exceeded": "the disk is full",
    r"Read-only file system": "the file system is read-only",
    r"File name too long": "a file name is too long",
    r"No usable temporary directory": "there is no directory for temporary files. Set TMPDIR to one",
}
"""What a system call or library says where the machine has no more of something, and what the user is told."""


def check_process(argv: list[str]) -> None:
    """Refuse to start where it could not be said later what is wrong.

    Args:
        argv: The arguments of the command.

    Raises:
        ConfigError: The directory is gone, memory is limited to too little, the locale lacks letters, Python drops
            docstrings or makes errors of warnings, or ``MUJOCO_GL`` is wrong.
    """
    if (renderer := os.environ.get("MUJOCO_GL", "")).lower().strip() not in RENDERERS:
        raise ConfigError(f"the environment variable MUJOCO_GL is {renderer!r}. Set it to egl, osmesa or glfw.")
    if sys.flags.optimize > 1:
        raise ConfigError("Python drops docstrings (-OO, PYTHONOPTIMIZE=2), and TorchRL cannot be imported without.")
    if "error" in sys.warnoptions:
        raise ConfigError(
            "Python makes errors of all warnings (-W error, PYTHONWARNINGS=error), and libraries warn while they are "
            "imported."
        )
    for argument in argv:
        if any("\udc80" <= letter <= "\udcff" for letter in argument):  # Python's stand-in for a byte
            raise ConfigError(
                f"{os.fsencode(argument)!r} has letters that the encoding {sys.getfilesystemencoding()!r} of this "
                "locale does not have. Set PYTHONUTF8=1 or LC_ALL=C.UTF-8."
            )
    if sys.platform != "win32":
        space = resource.getrlimit(resource.RLIMIT_AS)[0]
        if 0 <= space < LEAST_ADDRESS_SPACE:
            raise ConfigError(
                f"the limit of memory is {space / 2**20:,.0f} MiB (`ulimit -v`), and at least "
                f"{LEAST_ADDRESS_SPACE / 2**20:,.0f} are needed."
            )
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"the current directory cannot be used ({error.strerror}): it may have been deleted. Change to another one."
        ) from error


def check_socket_directory() -> None:
    """Refuse a temporary directory in which the fork server can make no socket.

    Raises:
        ConfigError: The directory is too long, or there is none that can be written to.
    """
    if os.name != "posix":
        return
    try:
        directory = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ConfigError("there is no directory for temporary files. Set TMPDIR to one.") from error
    allowed, length = SOCKET_PATH_BYTES - SOCKET_NAME_BYTES, len(os.fsencode(directory))
    if length > allowed:
        raise ConfigError(
            f"TMPDIR {directory!r} is too long for the sockets of worker processes: it has {length} bytes, and "
            f"{allowed} are allowed. Set a shorter one, for example TMPDIR=/tmp, or use --engine serial."
        )


def check_room(workers: int, sizes: list[int]) -> None:
    """Refuse a training whose shared memory or open files would not fit. Beyond the end of ``/dev/shm`` is a SIGBUS.

    Args:
        workers: Worker processes.
        sizes: Bytes of each tensor in shared memory. Each is an open file, and takes whole pages.

    Raises:
        ConfigError: With what is needed and what there is.
    """
    shared_bytes = SPARE_SHARED_BYTES + sum(-(-size // PAGE_BYTES) * PAGE_BYTES for size in sizes)
    if SHARED_MEMORY.is_dir() and shared_bytes > (free := shutil.disk_usage(SHARED_MEMORY).free):
        raise ConfigError(
            f"the training needs {shared_bytes / 2**20:,.1f} MiB of shared memory for {workers} workers, and "
            f"{SHARED_MEMORY} has {free / 2**20:,.1f} MiB free. Use fewer of them (--num_workers) or fewer "
            "environments (--data.envs_per_worker), or make it larger (Docker: --shm-size 2g)."
        )
    limit, needed = raise_descriptor_limit(), len(sizes) + 6 * workers + SPARE_DESCRIPTORS
    if limit is not None and needed > limit:
        raise ConfigError(
            f"the training needs about {needed} open files for {workers} workers, and the limit is {limit} "
            "(`ulimit -n`). Raise it, or use fewer workers (--num_workers)."
        )


def raise_descriptor_limit() -> int | None:
    """Let this process and its workers open as many files as the user may allow. Returns the limit; None if unknown."""
    if sys.platform == "win32":
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def machine_problem(error: BaseException) -> str | None:
    """What the user is told of an error that the machine or its limits caused; None for any other.

    Libraries turn errors of the system into errors of their own, so the text is what tells.
    """
    text = f"{type(error).__name__}: {error}"
    for pattern, told in LIMITS.items():
        if re.search(pattern, text):
            reason = " ".join(text.split())[:160]
            return f"{told.format(files=raise_descriptor_limit())}. ({reason})"
    return None
