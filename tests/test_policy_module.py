"""What a module saves and restores, and the score that it publishes."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, ConfigError, EnvSpaces, Episode, RolloutDataModule
from tests.dummy_envs import LIMIT, dummy
from tests.modules import OBS, make_module, make_rollout
from tests.trainers import quiet


def saved(module: A3C) -> dict[str, Any]:
    """What the module adds to a checkpoint, beside its weights."""
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    return checkpoint


def test_a_checkpoint_of_other_spaces_is_refused_by_name() -> None:
    """The message has both environments."""
    other = A3C(EnvSpaces("Other-v0", Box(-1, 1, (OBS,)), Discrete(7)))
    with pytest.raises(ConfigError, match=r"'Dummy-v0'.*'Other-v0'"):
        other.on_load_checkpoint(saved(make_module()))


def test_counters_go_on_from_a_checkpoint() -> None:
    """Steps, updates, discarded steps, seconds and the last episodes are restored. Steps in flight are lost."""
    module = make_module()
    module.ledger.collected.total, module.ledger.discarded.total = 95, 5
    module.ledger.learned.total, module.ledger.updates.total = 60, 7
    module.metrics.recent.append(Episode(1, 2.5, 3))
    module._seconds_before = 1000.0
    restored = make_module()
    restored.on_load_checkpoint(saved(module))
    assert (module.ledger.in_flight, restored.ledger.in_flight) == (30, 0)
    assert (restored.steps, restored.ledger.updates.total, restored.ledger.discarded.total) == (60, 7, 5)
    assert list(restored.metrics.recent) == [Episode(1, 2.5, 3)]
    assert restored.seconds == pytest.approx(module.seconds, abs=60)
    assert restored.seconds >= 1000


def test_a_checkpoint_has_plain_types_alone() -> None:
    """``weights_only=True`` can load it, although the module was made with a function."""
    checkpoint = saved(make_module()) | {"hyper_parameters": dict(make_module().hparams)}
    make_module().on_save_checkpoint(checkpoint)
    assert checkpoint["hyper_parameters"]["body"]["class_path"] == "lit_a3c.networks.bodies.mlp.MLPBody"
    assert checkpoint["hyper_parameters"]["gamma"] == make_module().hparams["gamma"]
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True)["spaces"] == make_module().spaces.to_plain()


def test_a_module_travels_without_its_factories() -> None:
    """Another process makes its own optimizer; the weights arrive as they were."""
    module = make_module()
    copy = pickle.loads(pickle.dumps(module))
    torch.testing.assert_close(copy.state_dict(), module.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(copy.training_step(make_rollout(), 0), module.training_step(make_rollout(), 0))
    assert copy.make_optimizer is None


def test_a_checkpoint_brings_its_spaces_and_the_score_is_returned(tmp_path: Path) -> None:
    """From Python a checkpoint is enough. Every episode lasts for the limit and has it as its return."""
    data = RolloutDataModule(
        dummy("TimeLimit"), 40, engine="serial", envs_per_worker=4, eval_episodes=3, test_episodes=5
    )
    trainer = quiet(limit_val_batches=0)
    trainer.fit(A3C(data.spaces), datamodule=data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    module = A3C.load_from_checkpoint(tmp_path / "a.ckpt")
    assert (module.spaces, module.steps) == (data.spaces, 40)
    score = {"return_mean": LIMIT, "return_sd": 0, "episode_length": LIMIT}
    trainer = quiet()
    [validated] = trainer.validate(module, datamodule=data, verbose=False)
    assert validated == {f"val/{name}": value for name, value in score.items()} | {"step": 40}
    [tested] = trainer.test(module, datamodule=data, verbose=False)
    assert tested == {f"test/{name}": value for name, value in score.items()} | {"step": 40}
    assert len(module.episodes) == 5


def test_an_evaluation_draws_no_number_of_the_training() -> None:
    """Actions are drawn from a generator of the evaluation's own, the same ones each time."""
    data = RolloutDataModule(dummy("Identity"), 40, eval_episodes=4)
    module, trainer = A3C(data.spaces), quiet()
    returns = []
    for _ in range(2):
        before = torch.get_rng_state()
        trainer.validate(module, datamodule=data, verbose=False)
        assert torch.equal(torch.get_rng_state(), before)
        returns.append([episode.episode_return for episode in module.episodes])
    assert returns[0] == returns[1]
    assert len(set(returns[0])) > 1
