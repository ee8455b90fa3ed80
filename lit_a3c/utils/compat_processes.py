"""The private hooks of Lightning and Python that this package uses for processes, each with its reason.

Importing this module does not import Lightning.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from lightning.pytorch.strategies import Strategy


def leave_group(strategy: Strategy) -> None:
    """Let what Lightning does at the end of a training wait for no other process.

    ``Trainer.save_checkpoint`` has a barrier at its end, ``trainer.log_dir`` a broadcast, and ``ModelCheckpoint`` a
    common decision. Lightning has no way to do them without the processes that may be gone.
    """
    alone: dict[str, Callable[..., Any]] = {
        "barrier": lambda *args, **kwargs: None,
        "broadcast": lambda obj, *args, **kwargs: obj,
        "reduce_boolean_decision": lambda decision, *args, **kwargs: decision,
    }
    for name, method in alone.items():
        setattr(strategy, name, method)


def enter_group(strategy: Strategy) -> None:
    """Undo :func:`leave_group`, where a trainer is used again."""
    for name in ("barrier", "broadcast", "reduce_boolean_decision"):
        vars(strategy).pop(name, None)


def keep_own_buffers(strategy: Strategy) -> None:
    """Let DDP not send the buffers of rank 0 before each forward pass (``_ddp_kwargs``), unless that was asked for.

    Lightning takes the option only where it makes the strategy, and the user writes ``strategy="ddp"``.
    """
    options = getattr(strategy, "_ddp_kwargs", {})
    if "broadcast_buffers" not in options:  # the older name
        options.setdefault("forward_sync_buffers", False)


def start_method_of(strategy: Strategy) -> str | None:
    """How DDP starts its processes (``_start_method``): ``popen`` runs the same command again."""
    return getattr(strategy, "_start_method", None)


def launches_processes(trainer: Trainer) -> bool:
    """Whether Lightning starts the further processes of this machine (``cluster_environment``), and nobody else."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return environment is not None and not environment.creates_processes_externally


def check_cluster(trainer: Trainer) -> None:
    """Compare the trainer's devices with the processes that others have started (``cluster_environment``).

    Raises:
        ValueError: They are of another number. Lightning would say so only after the training has a directory.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is not None:
        environment.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)


def main_address(trainer: Trainer) -> str:
    """Where the processes of a job meet (``cluster_environment``): address and port."""
    environment: Any = getattr(trainer.strategy, "cluster_environment", None)
    return f"{environment.main_address}:{environment.main_port}"


def launched_processes(trainer: Trainer) -> list[subprocess.Popen]:
    """The processes that Lightning has started on this machine (``launcher.procs``). There is no public list."""
    return list(getattr(trainer.strategy.launcher, "procs", []))


def stop_child_observer() -> None:
    """Let no thread of Lightning kill this process, unsaved, where one that it has started has failed.

    Lightning has no option for it (``_ChildProcessObserver._child_processes``). Without processes to look at it ends.
    """
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._child_processes = []  # type: ignore[attr-defined]


def take_signals(trainer: Trainer, ask: Callable[[int, Any], None]) -> Callable[[int], None]:
    """Let Lightning's own handlers do nothing, or call ``ask`` where Slurm is about to end the job.

    They would send a message (``_sigterm_notifier_fn``) or save (``_slurm_sigusr_handler_fn``) inside the handler, in
    the middle of an update. Other processes are elsewhere then, and the messages mean something else to them.

    Returns:
        What Lightning does for Slurm's signal: it saves, and asks for another turn. It does nothing for other signals.
    """
    connector: Any = trainer._signal_connector
    requeue = connector._slurm_sigusr_handler_fn
    connector._sigterm_notifier_fn = lambda signum, frame: None
    connector._slurm_sigusr_handler_fn = ask
    slurm = getattr(trainer.strategy, "cluster_environment", None)

    def answer(signum: int) -> None:
        if getattr(slurm, "auto_requeue", False) and signum == getattr(slurm, "requeue_signal", None):
            requeue(signum, None)

    return answer


def set_rank(rank: int) -> None:
    """Make Lightning's ``rank_zero_only`` functions silent in a process that Lightning has not started itself."""
    from lightning.pytorch.utilities import rank_zero_only

    setattr(rank_zero_only, "rank", rank)  # noqa: B010 - the attribute of a function, which mypy does not know


def rank() -> int:
    """The rank by which Lightning's ``rank_zero_only`` functions decide. The attribute is not declared."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0))


def imports_main_script() -> bool:
    """Whether this is a worker process that is importing the user's script (``current_process()._inheriting``).

    ``multiprocessing`` refuses to start processes there, with an exception of its own and no way to ask before.
    """
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def fork_server_socket() -> Path | None:
    """Inside the fork server: its socket (``_forkserver_address``), which it shall remove where the learner was killed.

    ``multiprocessing`` leaves the socket and its directory to the learner.
    """
    from multiprocessing import forkserver

    address = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_address", None)
    return Path(address) if isinstance(address, str) else None
