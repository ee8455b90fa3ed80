"""Calls the command line once per case of a JSON list, and prints one JSON result a line.

One process for all cases, because each would spend five seconds on importing torch. Run as
``python -m tests.bad_input_runner CASES.json`` in a directory that may be filled.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

LIMIT_S = 20
STARTED: list[str] = []
"""Names of the processes started so far."""


class Hostile:
    """Unpickled, it makes a directory."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("hostile-ran",)


class TooLong(BaseException):
    """A case did not come to an end."""


def prepare() -> None:
    """A good run below ``good``, and everything else that the cases name."""
    import torch

    fit = "fit --config cartpole.yaml --data.mode serial --data.total_steps 1 --data.eval_episodes 1"
    quiet = "--trainer.enable_progress_bar false --trainer.logger.save_dir good"
    code, _, stderr = call([*fit.split(), *quiet.split()])
    assert code == 0, stderr
    good = Path("good/CartPole-v1/version_0/checkpoints/last.ckpt").read_bytes()
    Path("good.ckpt").write_bytes(good)
    Path("truncated.ckpt").write_bytes(good[: len(good) // 2])
    Path("empty.ckpt").touch()
    Path("text.ckpt").write_text("these are words\n")
    Path("hostile.ckpt").write_bytes(pickle.dumps({"spec": Hostile()}))
    torch.save({"spec": {}, "state_dict": Hostile()}, "hostile-zip.ckpt")
    torch.save({"state_dict": {"w": torch.zeros(1)}}, "foreign.ckpt")
    torch.save([1, 2], "list.ckpt")
    Path("no-runs").mkdir()
    Path("a-file").write_text("in the way\n")
    Path("typo.yaml").write_text("data: {env_id: CartPole-v1, totl_steps: 5}\n")
    Path("broken.yaml").write_text("data: [unclosed\n")


def call(args: list[str]) -> tuple[int | str, str, str]:
    """Exit code (or what was raised), stdout and stderr of the command line."""
    from lit_a3c.main import main

    code: int | str
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        signal.alarm(LIMIT_S)
        try:
            code = main(args)
        except BaseException as error:  # whatever comes, the other cases go on
            code = repr(error)
        finally:
            signal.alarm(0)
    return code, out.getvalue(), err.getvalue()


def main_() -> None:
    def give_up(*_: Any) -> None:
        raise TooLong(f"after {LIMIT_S} s")

    start = BaseProcess.start

    def counted(self: BaseProcess) -> None:
        STARTED.append(self.name)
        start(self)

    BaseProcess.start = counted  # type: ignore[method-assign]
    signal.signal(signal.SIGALRM, give_up)
    prepare()
    for name, args in json.loads(Path(sys.argv[1]).read_text()):
        STARTED.clear()
        began = time.monotonic()
        code, out, err = call(args)
        result = {"name": name, "code": code, "stdout": out, "stderr": err, "started": list(STARTED)}
        result["seconds"] = time.monotonic() - began
        result["hostile_ran"] = Path("hostile-ran").exists()
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main_()
