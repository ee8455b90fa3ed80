"""What the config in a checkpoint may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_a3c import GRU, MLPBody, RMSprop, RunLogger
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.checkpoint.trust import allowed_class, config_of
from lit_a3c.cli.configs import SECTIONS
from lit_a3c.utils.errors import ConfigError

CONFIG: dict[str, Any] = {
    "seed_everything": 3,
    "engine": "serial",
    "data": {"env_id": "CartPole-v1", "env_kwargs": {"sutton_barto_reward": True}, "atari": None},
    "model": {
        "gamma": 0.9,
        "loss_reduction": "mean",
        "body": {"class_path": "lit_a3c.MLPBody", "init_args": {"hidden": [64, 64], "activation": "tanh"}},
        "head": "lit_a3c.networks.heads.default_head",
    },
    "trainer": {
        "precision": "32-true",
        "default_root_dir": "/outside",
        "logger": {"class_path": "lit_a3c.RunLogger", "init_args": {"save_dir": "/x", "name": "../y", "comment": ""}},
        "callbacks": [{"class_path": "lightning.pytorch.callbacks.Timer", "init_args": {"interval": "step"}}],
    },
    "best_checkpoint": {"monitor": "val/return_mean", "dirpath": "/outside"},
    "video": {"every_n_steps": 10},
}


def checkpoint(**changes: Any) -> dict[str, Any]:
    """A checkpoint with the config above, whose sections get further options."""
    config = {
        name: values | changes.get(name, {}) if isinstance(values, dict) else values for name, values in CONFIG.items()
    }
    return {"spaces": {"env_id": "CartPole-v1"}, "config": yaml.safe_dump(config)}


def taken(contents: dict[str, Any], *, fit: bool = True, trusted: bool = False) -> dict[str, Any]:
    return config_of(contents, fit=fit, sections=SECTIONS, trusted=trusted)


def test_a_training_takes_over_all_but_where_its_files_go() -> None:
    config = taken(checkpoint())
    assert config["data"] == CONFIG["data"]
    assert config["model"] == CONFIG["model"]
    assert config["trainer"]["logger"] == {"class_path": "lit_a3c.RunLogger", "init_args": {"comment": ""}}
    assert config["trainer"]["callbacks"] == CONFIG["trainer"]["callbacks"]
    assert "default_root_dir" not in config["trainer"]
    assert config["best_checkpoint"] == {"monitor": "val/return_mean"}


def test_an_evaluation_takes_over_the_agent_and_its_environment_alone() -> None:
    """So a callback that only the trainer's machine had stands in nobody's way."""
    config = taken(checkpoint(trainer={"callbacks": [{"class_path": "theirs.Callback"}]}), fit=False)
    assert set(config) == {"seed_everything", "data", "model", "video", "trainer"}
    assert config["trainer"] == {"precision": "32-true"}


@pytest.mark.parametrize("path", ["lit_a3c.MLPBody", "lit_a3c.networks.bodies.mlp.MLPBody"])
def test_a_class_may_be_named_by_every_path_of_ours(path: str) -> None:
    assert allowed_class(path, "model.body") is MLPBody


def test_classes_of_every_kind_that_a_config_holds_are_allowed() -> None:
    for cls in (GRU, RMSprop, RunLogger, LastCheckpoint):
        assert allowed_class(f"{cls.__module__}.{cls.__name__}", "x") is cls
    for path in ("torch.optim.Adam", "lightning.pytorch.callbacks.EarlyStopping", "gymnasium.wrappers.TimeLimit"):
        assert allowed_class(path, "x").__name__ == path.rpartition(".")[2]


@pytest.mark.parametrize(
    "path",
    [
        "gymnasium.wrappers.RecordVideo",  # it writes files
        *("os.system", "builtins.exec", "subprocess.Popen", "torch.hub.load", "torch.nn.Linear", "torch.optim"),
        *("lit_a3c.cli.main.main", "lit_a3c.RolloutDataModule", "lit_a3c.checkpoint.io.os", "lit_a3c.__main__.main"),
        *("lit_a3c.checkpoint.io.io.BytesIO", "lit_a3cx.Body", "MLPBody", "lit_a3c.MLPBody.__init__", "", 7, None),
        *(
            "lightning.pytorch.callbacks.Timer.on_fit_start",
            "lit_a3c..MLPBody",
            "lit_a3c.networks.bodies.base.nn.Linear",
        ),
    ],
)
def test_everything_else_is_refused_by_name(path: Any) -> None:
    with pytest.raises(ConfigError, match="may name") as refusal:
        allowed_class(path, "model.body")
    assert "the checkpoint's model.body" in str(refusal.value)
    assert "--trust_checkpoint" in str(refusal.value)


def test_a_module_outside_the_list_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module.py").write_text("from pathlib import Path\nPath('executed').touch()\nclass Body: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        taken(checkpoint(model={"body": {"class_path": "evil_module.Body"}}))
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("section", "changes", "option"),
    [
        (
            "model",
            {"body": {"class_path": "lit_a3c.DictBody", "init_args": {"image": {"class_path": "os.system"}}}},
            "image",
        ),
        ("model", {"body": "{class_path: os.system}"}, "model.body"),
        ("model", {"body": "os.system"}, "model.body"),
        ("data", {"env_kwargs": {"xml_file": "/etc/passwd"}}, "data.env_kwargs.xml_file"),
        ("data", {"env_kwargs": {"a b": 1}}, "data.env_kwargs"),
        ("data", {"ray": {"runtime_env": {"pip": ["evil"]}}}, "data.ray"),
        (
            "trainer",
            {"callbacks": [{"class_path": "lightning.pytorch.callbacks.Timer", "init_args": {"x": "a.b"}}]},
            ".x",
        ),
        ("trainer", {"callbacks": [{"class_path": "lit_a3c.RunLogger", "init_args": {"save_dir": "x"}}]}, "save_dir"),
        ("best_checkpoint", {"filename": "../../x"}, "best_checkpoint.filename"),
    ],
)
def test_what_leads_elsewhere_is_refused_by_the_name_of_the_option(
    section: str, changes: dict[str, Any], option: str
) -> None:
    with pytest.raises(ConfigError, match=option):
        taken(checkpoint(**{section: changes}))
    assert taken(checkpoint(**{section: changes}), trusted=True)


def test_what_the_user_gives_is_not_taken_from_the_file() -> None:
    contents = checkpoint(data={"env_id": "module:Mine-v0"}, model={"body": {"class_path": "os.system"}})
    contents["spaces"] = {"env_id": "module:Mine-v0"}
    given = ("data.env_id", "model.body")
    config = config_of(contents, fit=True, sections=SECTIONS, replaced=given)
    assert "env_id" not in config["data"]
    assert "body" not in config["model"]
    for one in given:
        with pytest.raises(ConfigError, match=r"may name|would be imported"):
            config_of(contents, fit=True, sections=SECTIONS, replaced=[one])


def test_a_word_that_is_the_name_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jsonargparse would read the options of a class from it."""
    monkeypatch.chdir(tmp_path)
    taken(checkpoint(model={"body": "word"}))
    Path("word").write_text("class_path: os.system\n")
    with pytest.raises(ConfigError, match="'word' is also the name of a file here"):
        taken(checkpoint(model={"body": "word"}))


@pytest.mark.parametrize(
    ("env_id", "stored", "reason"),
    [
        ("module:CartPole-v1", "module:CartPole-v1", "a module would be imported"),
        ("Pendulum-v1", "CartPole-v1", "contradicts itself"),
        ("../CartPole-v1", "../CartPole-v1", "no id"),
    ],
)
def test_the_environment_is_that_of_the_weights_and_of_the_registry(env_id: str, stored: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        taken({**checkpoint(data={"env_id": env_id}), "spaces": {"env_id": stored}})


@pytest.mark.parametrize(
    "text", [None, 7, "", "[1]", "model: 1", "data: 1\nmodel: {}", "data: {}\nmodel: {}\nother: 1", "a: {", "a: *b"]
)
def test_what_is_no_config_is_refused(text: Any) -> None:
    with pytest.raises(ConfigError, match="config"):
        taken({**checkpoint(), "config": text})
