"""``lit-a3c push RUN user/agent``: a trained agent as a repository of the Hugging Face Hub."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.agent_file import WEIGHTS_ONLY, describe, pack
from lit_a3c.checkpoint.agent_header import read_header
from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.checkpoint.hub import push
from lit_a3c.checkpoint.model_card import FILE, VIDEO, model_card, score_text
from lit_a3c.cli.configs import SECTIONS
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.yaml_strict import load_yaml


def parser() -> VerbParser:
    """The options of the command."""
    made = VerbParser(
        "push",
        "Share a trained agent on the Hugging Face Hub: the agent without the state of its optimizer, its config, its "
        "newest video, and a page with its score. Others use it with --ckpt_path hf://user/agent.",
    )
    made.add_argument("run", help="the directory of a run, a checkpoint, or agent:NAME")
    made.add_argument("repository", help="user/agent; it is made if there is none")
    made.add_argument("--private", action="store_true", help="make a new repository a private one")
    made.add_argument("--endpoint", help="another server than the Hub; the variable HF_ENDPOINT does the same")
    return made


def run(arguments: argparse.Namespace) -> int:
    """Upload an agent and say how it is used."""
    file = resolve_checkpoint(arguments.run, prefer="best", option="push")
    checkpoint = read_checkpoint(file, "push")
    files: dict[str, bytes] = {}
    if checkpoint.get(WEIGHTS_ONLY):
        files[FILE], video = file.read_bytes(), None
        about = read_header(file)
        if about["score"] is None:
            raise ConfigError(f"{arguments.run!r} carries no score, which its page needs.")
    else:
        directory = file.parent.parent if file.parent.name == "checkpoints" else file.parent
        score, video = _score(directory, file, checkpoint), _video(directory)
        about = describe(checkpoint, sections=SECTIONS, score=score)
        files[FILE] = pack(checkpoint, about)
    _check_paths(about)
    if video is not None:
        files[VIDEO] = video.read_bytes()
    files["config.yaml"] = str(about["config"]).encode()
    files["README.md"] = model_card(about, arguments.repository, video=video is not None).encode()
    url = push(files, arguments.repository, private=arguments.private, endpoint=arguments.endpoint)
    print(f"{about['spaces']['env_id']}, return {score_text(about['score'])}")
    print(f"  uploaded    {', '.join(files)}")
    print(f"  page        {url}")
    print(f"  to use it   lit-a3c test --ckpt_path hf://{arguments.repository}")
    return 0


def _score(directory: Path, file: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What ``lit-a3c test`` has written of this checkpoint.

    Raises:
        ConfigError: It has not been tested, or was another one then.
    """
    written, command = directory / f"test-{file.stem}.json", f"lit-a3c test --ckpt_path {file}"
    try:
        score = json.loads(written.read_text())
        steps = score["trained_steps"]
    except FileNotFoundError as error:
        raise ConfigError(f"{str(file)!r} has no score, which its page needs. Test it first: {command}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{str(written)!r} cannot be read as a score. Test the agent again: {command}") from error
    if steps != checkpoint["steps"]:
        raise ConfigError(
            f"{str(written)!r} is the score of step {steps:,}, and the checkpoint is of step {checkpoint['steps']:,}. "
            f"Test it again: {command}"
        )
    return dict(score)


def _video(directory: Path) -> Path | None:
    """The newest video of the best checkpoint, or else of any, if the run has one."""
    for pattern in ("best-*.mp4", "*.mp4"):
        found = [file for file in directory.glob(f"videos/{pattern}") if not file.name.endswith(".partial.mp4")]
        if found:
            return max(found, key=lambda file: file.stat().st_mtime)
    return None


def _check_paths(about: dict[str, Any]) -> None:
    """Refuse to upload the name of a place on this machine, where nobody else finds anything.

    Raises:
        ConfigError: An option of the agent names one.
    """
    for options in (load_yaml(about["config"]), about["hyper_parameters"]):
        for value in _strings(options):
            if value.startswith(("/", "~", "file:")) or str(Path.home()) in value:
                raise ConfigError(
                    f"an option of the agent is {value[:80]!r}, a place on this machine. It is not uploaded: nobody "
                    "else has it."
                )


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []
