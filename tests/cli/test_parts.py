"""Parts of the network that a config names are replaced where they do not fit the spaces."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lit_a3c import A3C, BetaHead, CategoricalHead, DictBody, GaussianHead, JointHead, MLPBody
from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.trainings import SMALL
from tests.dummy_envs import dummy

FIT = [
    *("fit", *SMALL, "--engine", "serial", "--trainer.max_steps", "2", "--video.every_n_steps", "-1"),
    *("--data.envs_per_worker", "2", "--trainer.limit_val_batches", "0"),
]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capfd: pytest.CaptureFixture[str], *args: str) -> list[str]:
    """``lit-a3c ARGS``, which must succeed: what was replaced by what."""
    capfd.readouterr()
    assert main(list(args)) == 0
    words = [line.split() for line in capfd.readouterr().err.splitlines() if "takes its place" in line]
    return [f"{line[2]} -> {line[-4]}" for line in words]


@pytest.mark.parametrize(
    ("config", "env_id", "body", "head", "lines"),
    [
        ("mujoco_beta", "InvertedPendulum-v5", MLPBody, BetaHead, []),
        ("mujoco_beta", "CartPole-v1", MLPBody, CategoricalHead, ["BetaHead -> CategoricalHead"]),
        (
            "mujoco_beta",
            "Blackjack-v1",
            DictBody,
            CategoricalHead,
            ["MLPBody -> DictBody", "BetaHead -> CategoricalHead"],
        ),
        ("mujoco_beta", dummy("Car"), MLPBody, JointHead, ["BetaHead -> JointHead"]),
        ("mujoco_beta", dummy("HalfBox"), MLPBody, GaussianHead, ["BetaHead -> GaussianHead"]),
        ("atari", "Pendulum-v1", MLPBody, GaussianHead, ["A3CBody -> MLPBody"]),
        ("atari", dummy("Clues"), DictBody, CategoricalHead, ["A3CBody -> DictBody"]),
    ],
)
def test_a_config_serves_any_space(
    config: str, env_id: str, body: type, head: type, lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """A line says what was replaced. The config of the run names what took its place, so evaluations need no line."""
    assert said(capfd, *FIT, "--config", f"{config}.yaml", "--data.env_id", env_id) == lines
    (last,) = Path().rglob("last.ckpt")
    policy = A3C.load_from_checkpoint(last).policy
    assert (type(policy.encoder.body), type(policy.head)) == (body, head)
    config_of_run = yaml.safe_load((last.parents[1] / "config.yaml").read_text())
    assert config_of_run["model"]["body"]["class_path"] == f"lit_a3c.{body.__name__}"
    options = ["--data.eval_episodes", "1", "--data.max_eval_steps", "20", "--trust_checkpoint"]
    assert not said(capfd, "validate", "--ckpt_path", str(last), *options)


def test_a_part_is_used_for_the_components_that_it_fits(capfd: pytest.CaptureFixture[str]) -> None:
    """With the options that the config gives it."""
    said(capfd, *FIT, "--config", "mujoco_beta.yaml", "--data.env_id", dummy("Car"))
    said(capfd, *FIT, "--config", "mujoco_beta.yaml", "--data.env_id", "Blackjack-v1")
    models = [yaml.safe_load(file.read_text())["model"] for file in sorted(Path().rglob("config.yaml"))]
    assert models[0]["body"]["init_args"]["vector"] == {
        "class_path": "lit_a3c.MLPBody",
        "init_args": {"hidden": [64, 64], "activation": "tanh", "normalize": True, "gain": 1.41},
    }
    assert models[1]["head"]["init_args"]["box"]["class_path"] == "lit_a3c.BetaHead"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.head", "BetaHead"], "BetaHead needs Box actions, and the environment has Discrete(2). Use"),
        (["--model.head.init_concentration", "2"], "BetaHead needs Box actions"),
        (["--model.body", "NatureBody"], "NatureBody needs images of three dimensions, and the environment has"),
    ],
)
def test_what_the_user_names_is_not_replaced(options: list[str], message: str, refused: Refused) -> None:
    assert message in refused(*FIT, "--config", "mujoco_beta.yaml", "--data.env_id", "CartPole-v1", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data.wrappers+", "TimeAwareObservatio"], ["data.wrappers", "Did you mean 'TimeAwareObservation'"]),
        (["--data.wrappers", "[FrameStackObservation]"], ["stack_size"]),
        (["--data.wrappers", "{class_path: TimeAwareObservation}"], ["data.wrappers", "in a list: [TimeAwareObserv"]),
        (["--data.wrappers", "[{class_path: FrameStackObservation, init_args: {stack: 3}}]"], ["wrappers.stack_size"]),
        (["--data.wrappers+", "TimeAwareObservation", "--data.env_id", "ALE/Pong-v5"], ["is not for Atari games"]),
        (["--data.env_id", "tests.dummy_envs.base:Identiti"], ["Did you mean 'Identity'"]),
    ],
)
def test_wrappers_and_classes_that_cannot_work(options: list[str], words: list[str], refused: Refused) -> None:
    message = refused(*FIT, "--config", "cartpole.yaml", *options)
    assert [word for word in words if word not in message] == []


def test_one_wrapper_of_a_module_of_ones_own_must_stand_in_a_list(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing has imported the module before."""
    (tmp_path / "wrapper_of_ones_own.py").write_text("import gymnasium\nclass Own(gymnasium.Wrapper):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    message = refused(*FIT, "--config", "cartpole.yaml", "--data.wrappers", "wrapper_of_ones_own.Own")
    assert message == "data.wrappers 'wrapper_of_ones_own.Own' must stand in a list: [wrapper_of_ones_own.Own]."
