"""``lit-a3c play``: watch a trained agent, in a window or on a page."""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import os
from pathlib import Path

from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.cli.verbs.with_fit_options import PassingParser, count
from lit_a3c.utils.errors import ConfigError

DECIDED = {"print_config": "Use it with lit-a3c predict.", "model.deterministic_eval": "Use --deterministic."}
"""Options of ``predict`` that cannot be given, each with what to do instead."""


def parser() -> VerbParser:
    """Its options."""
    parser = PassingParser(
        "play",
        "Watch a trained agent: in a window, or where there is no screen on a page in the browser. The strip beside "
        "the image shows what the policy decides. Space pauses, the right arrow takes one step.",
        "predict",
        "[CHECKPOINT]",
        DECIDED,
    )
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="CHECKPOINT",
        help="a checkpoint, a run's directory, last, or best (the default)",
    )
    parser.add_argument("--ckpt_path", metavar="CHECKPOINT", help="the same")
    parser.add_argument("--episodes", type=count, metavar="N", help="end after so many; by default it goes on")
    parser.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        help="take the most likely actions; by default as the agent's config says",
    )
    parser.add_argument("--page", "--no-window", action="store_true", help="a page, although there is a screen")
    parser.add_argument("--port", type=_port, default=0, help="of the page; 0, the default, takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address of the page; by default only this machine sees it")
    parser.add_argument("--fps", type=_fps, help="images per second; by default the environment's own")
    parser.add_argument(
        "--follow", action="store_true", help="take new weights between episodes, as a running training improves them"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Play until the viewer ends it, or so many episodes."""
    if arguments.checkpoint and arguments.ckpt_path:
        raise ConfigError(f"play has two checkpoints: {arguments.checkpoint} and --ckpt_path.")
    checkpoint = arguments.ckpt_path or arguments.checkpoint or "best"
    from lit_a3c.evaluation.controls import Controls
    from lit_a3c.evaluation.page import Page
    from lit_a3c.evaluation.window import Window, has_screen

    options = [f"--ckpt_path={checkpoint}", *arguments.other_options]
    if arguments.deterministic is not None:
        options.append(f"--model.deterministic_eval={str(arguments.deterministic).lower()}")
    with contextlib.ExitStack() as at_the_end:
        page = arguments.page or not has_screen()
        screen = Page(arguments.host, arguments.port, checkpoint, Controls()) if page else Window(Controls())
        at_the_end.callback(screen.close)
        gc.disable()  # while the libraries are imported: their million objects stay
        from lit_a3c.cli.watched import trained_agent
        from lit_a3c.evaluation.live import Show

        gc.freeze()
        gc.enable()
        agent = trained_agent(options)
        if isinstance(screen, Page):
            print(f"lit-a3c: open {screen.url} in a browser. Ctrl-C ends it.", flush=True)
        envs = agent.envs()
        at_the_end.callback(envs.close)
        follow_best = Path(checkpoint).is_dir() or checkpoint in ("best", "last")
        show = Show(agent.module, envs, screen, seed=30_000_000, fps=arguments.fps, which=agent.which)
        if arguments.follow:
            show.reload = lambda: agent.reload(follow_best)
            _step_aside()
        played = show.run(arguments.episodes)
    if len(played) > 1:
        mean = sum(episode.episode_return for episode in played) / len(played)
        print(f"lit-a3c: mean return of {len(played)} episodes: {mean:,.2f}")
    return 0


def _step_aside() -> None:
    """Leave the cores to the training: less priority for all threads of this process, and one thread for torch."""
    import torch

    torch.set_num_threads(1)
    if not hasattr(os, "nice"):
        return
    with contextlib.suppress(OSError):
        now = os.nice(19)  # Linux: of this thread, and of those that it starts
        for task in Path("/proc/self/task").glob("*"):
            with contextlib.suppress(OSError):  # it has ended
                os.setpriority(os.PRIO_PROCESS, int(task.name), now)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 65535")
    return int(text)


def _fps(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0 and at most 1000")
    return value
