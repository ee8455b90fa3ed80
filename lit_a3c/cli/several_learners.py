"""Several learners on the command line: which options they have, and how their processes begin and end together."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerStatus

from lit_a3c.engines.learner_errors import port_in_use
from lit_a3c.utils import compat_processes
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import ConfigError

STRATEGIES = ("ddp", "ddpstrategy", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false")
"""Names of Lightning's strategy whose processes are learners, in lower case."""
LAUNCHER = "LIT_A3C_LAUNCHER"
"""Variable with the number of the process that has started the other learners of its machine."""
PERIOD_SECONDS = 0.5
"""Between two looks at other processes."""
END_SECONDS = 60.0
"""Seconds for the end of a training whose learners do not all end by themselves."""


def check_learners(trainer: Any) -> None:
    """Refuse options of several learners that would wait for ever, or that share nothing.

    Args:
        trainer: Options of the trainer, with one of :data:`STRATEGIES`.

    Raises:
        ConfigError: Such an option is given.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else None
    nodes = str(trainer.num_nodes)
    outside = started is not None or "SLURM_NTASKS" in os.environ or "MASTER_ADDR" in os.environ
    if nodes.isdigit() and int(nodes) > 1 and not outside:
        raise ConfigError(
            f"trainer.num_nodes {nodes}: this machine would wait for the others. Start the command on each of them by "
            "torchrun or srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK."
        )
    devices = str(trainer.devices)
    if started is not None and devices.isdigit() and nodes.isdigit() and int(devices) * int(nodes) != started:
        raise ConfigError(
            f"torchrun has started {started} processes, and trainer.devices {devices} times trainer.num_nodes {nodes} "
            f"is {int(devices) * int(nodes)}."
        )


def check_one_process() -> None:
    """Refuse to train the same thing in each of several processes.

    Raises:
        ConfigError: torchrun has started several.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1
    if started > 1:
        raise ConfigError(
            f"torchrun has started {started} processes, and one learner needs one. For several learners: "
            "--trainer.strategy ddp --trainer.devices N, N processes on each machine."
        )


class LearnerProcesses:
    """The processes that Lightning starts on this machine for the other learners.

    Each runs the same command again. It ends when this one ends in any way, ``kill -9`` included, and this one ends
    when one of them has failed.

    Args:
        trainer: The trainer.
        argv: The command and its options.

    Raises:
        ConfigError: They cannot run the same command again, or torchrun or Slurm has started another number of them.
    """

    def __init__(self, trainer: Trainer, argv: Sequence[str]) -> None:
        self._trainer = trainer
        if trainer.world_size == 1:
            return
        try:
            compat_processes.check_cluster(trainer)
        except ValueError as error:
            raise ConfigError(str(error).strip().splitlines()[0]) from error
        if trainer.num_nodes > 1 and trainer.is_global_zero:
            others = f"{trainer.world_size - trainer.num_devices} learners of the other machines"
            say(f"waiting for the {others} at {compat_processes.main_address(trainer)}.")
        if (parent := os.environ.get(LAUNCHER)) is not None:
            _Watch(lambda: os.getppid() != int(parent), lambda: os._exit(1)).start()
            return
        if compat_processes.launches_processes(trainer):
            if list(argv) != [argument for argument in sys.argv[1:] if argument != "--debug"]:
                raise ConfigError(
                    "several learners are started by running the command again, and this one is called by another "
                    "program. Start lit-a3c by itself, or use Trainer(strategy='ddp') from Python."
                )
            os.environ[LAUNCHER] = str(os.getpid())
            _Watch(self._one_has_failed, self._end_late).start()

    @property
    def _processes(self) -> list[subprocess.Popen]:
        return compat_processes.launched_processes(self._trainer)

    def _one_has_failed(self) -> bool:
        compat_processes.stop_child_observer()  # it would kill this process while it saves
        return any(process.poll() for process in self._processes)

    def _end_late(self) -> None:
        """A learner has failed. This one notices it in its next message, saves and ends; unless it cannot."""
        time.sleep(END_SECONDS)
        if self._trainer.state.status != TrainerStatus.RUNNING:
            return  # it has noticed
        say("another learner has ended, and this one did not come to an end by itself.")
        for process in self._processes:
            process.kill()
        os._exit(1)

    def end(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Wait for the others, and end those that do not end by themselves.

        Args:
            kind: Class of the error that has ended this one.
            error: The error.
        """
        os.environ.pop(LAUNCHER, None)
        # Where this learner could not open the port, the others wait there in vain.
        deadline = time.monotonic() + (0.0 if port_in_use(error) else END_SECONDS)
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class _Watch(threading.Thread):
    """Does something as soon as something has happened."""

    def __init__(self, happened: Any, then: Any) -> None:
        super().__init__(daemon=True, name="lit-a3c learners")
        self._happened, self._then = happened, then

    def run(self) -> None:
        while not self._happened():
            time.sleep(PERIOD_SECONDS)
        self._then()
