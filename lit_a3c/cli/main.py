"""The entry point. It answers at once what needs no torch, and leaves the rest to :mod:`lit_a3c.cli.lightning_cli`."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from lit_a3c import __version__
from lit_a3c.cli.commands import COMMANDS, ELSEWHERE, VERBS
from lit_a3c.cli.spelling import check_spelling, is_question
from lit_a3c.utils.errors import ConfigError, RunError, did_you_mean
from lit_a3c.utils.machine import check_process, machine_problem
from lit_a3c.utils.signals import INTERRUPTION
from lit_a3c.utils.streams import tolerant_streams

log = logging.getLogger(__name__)

HELP = f"""usage: lit-a3c COMMAND [options]

Asynchronous advantage actor-critic (A3C) on PyTorch Lightning and TorchRL,
version {__version__}.

commands:
{chr(10).join(f"  {name:<10} {what}" for name, what in (COMMANDS | VERBS).items())}

examples:
  lit-a3c fit --config atari.yaml
  lit-a3c fit --config mujoco.yaml --data.env_id Hopper-v5 --num_workers 4
  lit-a3c fit --config cartpole.yaml --engine serial    reproducible to the bit
  lit-a3c fit --config atari.yaml --print_config        every option's value
  lit-a3c fit --ckpt_path last                          go on with the last run
  lit-a3c test --ckpt_path runs/Pong-v5/version_0
  lit-a3c play agent:HalfCheetah-v5                     watch a trained agent

options:
  -h, --help                this text
  COMMAND --help            the options of a command that people need
  COMMAND --help-all        all of them
  --print_completion SHELL  a script by which bash or zsh completes options
  --version                 the version
  --debug                   with every error of one line its traceback, those of
                            workers included
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; ``sys.argv`` by default.

    Returns:
        Exit code: 0, 1 for a run that failed, 2 for a request that cannot work, and 128 and the signal's number after
        one that asked to stop: 130 after Ctrl-C, 143 after SIGTERM.
    """
    options = sys.argv[1:] if argv is None else argv
    if argv is None and not sys.flags.safe_path:
        find_modules_here()
    if "--debug" in options:
        options = [option for option in options if option != "--debug"]
        logging.basicConfig(format="%(message)s")
        logging.getLogger("lit_a3c").setLevel(logging.DEBUG)
    with tolerant_streams(), INTERRUPTION.handled():
        try:
            code = _answer(options)
        except ConfigError as error:
            _show(error)
            code = 2
        except RunError as error:
            if INTERRUPTION.signum is None:  # else it comes from the shutting down
                _show(error)
            code = 1
        except Exception as error:
            problem = machine_problem(error)
            if problem is None and INTERRUPTION.signum is None:
                raise
            _show(error, problem or repr(error))
            code = 1
        code = INTERRUPTION.exit_code or code
    if argv is None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the interpreter ends shows no traceback
    return code


def find_modules_here() -> None:
    """Let modules in the present directory be imported: environments and classes of the user's own.

    ``python -m lit_a3c`` does so by itself. Here the directory comes last, so that nothing in it hides a package.
    """
    with contextlib.suppress(OSError):  # the directory was deleted, which is refused later
        here = str(Path.cwd())
        if not {"", here} & set(sys.path):
            sys.path.append(here)


def _answer(argv: list[str]) -> int:
    """The exit code of a command."""
    if argv in (["--version"], ["-V"]):
        print(f"lit-a3c {__version__}")
        return 0
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if argv[0].partition("=")[0] == "--print_completion":
        _lightning_cli()
        from lit_a3c.cli.completion import print_completion

        print_completion(" ".join(argv[1:]) or argv[0].partition("=")[2])
        return 0
    if argv[0] in ELSEWHERE:
        raise ConfigError(f"there is no command {argv[0]!r}. {ELSEWHERE[argv[0]]}")
    if argv[0] not in COMMANDS and argv[0] not in VERBS:
        known = [*COMMANDS, *VERBS]
        raise ConfigError(f"{argv[0]!r} is not a command ({', '.join(known)}).{did_you_mean(argv[0], known)}")
    check_process(argv)
    if argv[0] in VERBS:
        return _run_verb(argv[0], argv[1:])
    if not is_question(argv):
        check_spelling(argv[1:])
        if argv[0] == "fit":
            from lit_a3c.engines.start_method import warm_up

            warm_up()
    return _lightning_cli().run(argv)


def _run_verb(name: str, options: list[str]) -> int:
    """The exit code of a command for trained agents or finished runs."""
    from lit_a3c.cli.arguments import Answered

    module = _import_without_collection(f"lit_a3c.cli.verbs.{name}")
    try:
        return int(module.run(module.parser().parse_args(options)))
    except Answered:
        return 0


def _lightning_cli() -> Any:
    """What needs torch."""
    return _import_without_collection("lit_a3c.cli.lightning_cli")


def _import_without_collection(name: str) -> Any:
    """Import a module without garbage collection.

    It would take a quarter of the time: it looks again and again at the million objects of the libraries, which stay.
    """
    if name not in sys.modules:
        gc.disable()
        try:
            importlib.import_module(name)
        finally:
            gc.freeze()
            gc.enable()
    return sys.modules[name]


def _show(error: Exception, message: str = "") -> None:
    """The message alone; after ``--debug`` the traceback before it, after that of the worker that has failed."""
    if getattr(error, "everywhere", False) and _rank():
        return  # rank 0 says it
    log.debug("%s", getattr(error, "traceback", "") or "lit-a3c: the traceback:", exc_info=error)
    where = f"rank {_rank()}: " if _rank() else ""
    print(f"lit-a3c: {where}{message or error}", file=sys.stderr)


def _rank() -> int:
    """Number of this process among the learners of a training; 0 where there is one."""
    if "lightning.pytorch" not in sys.modules:
        return 0
    from lit_a3c.utils import compat_processes

    return compat_processes.rank()
