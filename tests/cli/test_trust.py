"""A stranger's checkpoint on the command line."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_a3c.checkpoint.io import save_atomic
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.trainings import SERIAL
from tests.commands import RUN, Lightning, read

RUN_COMMAND = {"class_path": "os.system", "init_args": {"command": "touch executed"}}
Change = Callable[[dict[str, Any], dict[str, Any]], Any]
"""Changes a checkpoint and the config in it, both in place."""


def changed(file: Path, target: Path, change: Change) -> Path:
    """A copy of a checkpoint with a change, and a right checksum."""
    checkpoint = read(file)
    config = yaml.safe_load(checkpoint["config"])
    change(checkpoint, config)
    save_atomic({**checkpoint, "config": yaml.safe_dump(config)}, target)
    return target


@pytest.fixture
def last(trained: Path) -> Path:
    return (trained / RUN / "checkpoints/last.ckpt").absolute()


class Silent(SimpleHTTPRequestHandler):
    """Gives files and writes nothing about it."""

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server that gives the files of ``tmp_path``."""
    handler = functools.partial(Silent, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("part", ["body", "head", "recurrent", "optimizer"])
def test_a_command_in_the_place_of_a_class_is_not_run(refused: Refused, last: Path, tmp_path: Path, part: str) -> None:
    file = changed(last, tmp_path / "x.ckpt", lambda _, config: config["model"].update({part: RUN_COMMAND}))
    assert f"model.{part} 'os.system' is none of the classes" in refused("validate", "--ckpt_path", str(file))
    assert not Path("executed").exists()


def test_nor_is_it_run_by_url(refused: Refused, last: Path, tmp_path: Path, url: str) -> None:
    changed(last, tmp_path / "x.ckpt", lambda _, config: config["model"].update(body=RUN_COMMAND))
    assert "'os.system' is none of the classes" in refused("validate", "--ckpt_path", f"{url}/x.ckpt")
    assert "the server says 404" in refused("validate", "--ckpt_path", f"{url}/y.ckpt")
    assert not Path("executed").exists()


def test_an_agent_plays_by_url(last: Path, tmp_path: Path, url: str, cli: Lightning) -> None:
    shutil.copy(last, tmp_path / "x.ckpt")
    assert "return" in cli("test", "--ckpt_path", f"{url}/x.ckpt?{'x' * 300}", "--data.test_episodes", "2")


OWN = "from lit_a3c import MLPBody\nclass Own(MLPBody): ...\n"


def test_the_user_may_vouch_for_a_file(
    last: Path, tmp_path: Path, cli: Lightning, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_body.py").write_text(OWN)
    file = changed(
        last, tmp_path / "x.ckpt", lambda _, config: config["model"]["body"].update(class_path="own_body.Own")
    )
    assert "own_body.Own" in refused("test", "--ckpt_path", str(file))
    assert "return" in cli("test", "--ckpt_path", str(file), "--trust_checkpoint", "--data.test_episodes", "2")


def test_a_config_cannot_vouch(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("base: cartpole.yaml\ntrust_checkpoint: true\n")
    assert "--trust_checkpoint is a flag of the command line" in refused("fit", "--config", "my.yaml")


def test_the_network_is_checked_before_an_environment_is_made(refused: Refused, last: Path, tmp_path: Path) -> None:
    """An environment would refuse the argument; the weights come first."""

    def change(_: dict[str, Any], config: dict[str, Any]) -> None:
        config["model"]["body"]["init_args"]["hidden"] = [3]
        config["data"]["env_kwargs"] = {"no_such_argument": 1}

    assert "another network" in refused("validate", "--ckpt_path", str(changed(last, tmp_path / "x.ckpt", change)))


def broken_state(checkpoint: dict[str, Any], _: dict[str, Any]) -> None:
    checkpoint["optimizer_states"] = [{"state": 7}]


def no_states(checkpoint: dict[str, Any], _: dict[str, Any]) -> None:
    del checkpoint["optimizer_states"]


@pytest.mark.parametrize("change", [broken_state, no_states])
def test_what_lightning_cannot_restore_is_refused_in_a_line(
    last: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], change: Change
) -> None:
    monkeypatch.chdir(tmp_path)
    file = changed(last, tmp_path / "x.ckpt", change)
    options = ["--data.total_steps", "8000", "--engine", "serial", "--trainer.enable_progress_bar", "false"]
    assert main(["fit", "--ckpt_path", str(file), *options]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("lit-a3c: ")]) == len(lines) == 1
    assert "the checkpoint cannot be restored" in lines[0]


def test_a_run_goes_on_where_it_is(cli: Lightning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is that of the file, wherever the config in it says that files go."""
    cli(*SERIAL, "--data.total_steps", "160", "--trainer.logger.save_dir", "out", "--trainer.logger.name", "mine")
    run = tmp_path / "out/mine/version_0"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["fit", "--ckpt_path", str(run), "--data.total_steps", "320"]) == 0
    assert read(run / "checkpoints/last.ckpt")["steps"] == 320
    assert not list(elsewhere.iterdir())


def test_a_file_from_elsewhere_begins_a_run_of_its_own(last: Path, tmp_path: Path, cli: Lightning) -> None:
    def change(_: dict[str, Any], config: dict[str, Any]) -> None:
        config["trainer"]["logger"]["init_args"].update(save_dir="outside", name="../../x", version="../y")
        config["trainer"]["default_root_dir"] = config["best_checkpoint"]["dirpath"] = "outside"

    file = changed(last, tmp_path / "x.ckpt", change)
    cli("fit", "--ckpt_path", str(file), *SERIAL[3:], "--data.total_steps", "4080")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "x.ckpt"]
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 4080
