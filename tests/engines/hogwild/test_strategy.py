"""Hogwild as Lightning's strategy: with one worker it is the serial training, and it is gone after a training."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from lit_a3c import ConfigError, MLPBody, RMSprop, Rollout
from tests.commands import read, wait_for
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import GENEROUS, ROLLOUT, Constant, make, trainer, workers

# One worker


@pytest.mark.parametrize(
    ("env_id", "optimizer"),
    [
        ("CartPole-v1", functools.partial(RMSprop, lr=0.01, eps=1e-5)),
        ("CartPole-v1", functools.partial(torch.optim.Adam, lr=0.01)),
        ("Pendulum-v1", RMSprop),
    ],
    ids=["RMSprop", "Adam", "continuous"],
)
def test_one_worker_is_the_serial_training(env_id: str, optimizer: Any) -> None:
    """To the bit: parameters, running statistics, the optimizer's state. Validations do not disturb it."""
    results = []
    for strategy, engine in (("auto", "serial"), ("hogwild", "hogwild")):
        module, data = make(env_id, optimizer=optimizer, data={"engine": engine})
        trainer_ = trainer(strategy, val_check_interval=40)
        trainer_.fit(module, datamodule=data)
        state = trainer_.optimizers[0].state_dict()["state"]
        optimized = {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}
        results.append({**module.state_dict(), **optimized, "steps": torch.tensor(module.steps)})
    serial, alone = results
    assert serial["policy.encoder.body.norm.count"] == serial["steps"] == 100 * ROLLOUT
    assert serial.keys() == alone.keys()
    assert [name for name, value in serial.items() if not torch.equal(value, alone[name])] == []


def test_mixed_precision_learns_nearly_the_same() -> None:
    """Networks compute in bfloat16. Parameters stay in single precision."""
    ends = []
    for precision in ("32-true", "bf16-mixed"):
        module, data = make(updates=20, body=functools.partial(MLPBody, hidden=[8]))
        before = [p.detach().clone() for p in module.parameters()]
        trainer(precision=precision).fit(module, data)
        assert all(p.dtype == torch.float32 for p in module.parameters())
        ends.append(torch.cat([(p.detach() - q).flatten() for p, q in zip(module.parameters(), before, strict=True)]))
    single, mixed = ends
    assert not torch.equal(single, mixed)
    assert torch.cosine_similarity(single, mixed, dim=0) > 0.9


class Scored(Callback):
    """Notes the state that a validation begins with, and waits until the workers have learned on."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def on_validation_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})
        counter, until = pl_module.ledger.updates, pl_module.ledger.updates.total + 20
        wait_for(lambda: counter.total >= min(until, trainer.max_steps), GENEROUS)


def test_the_best_checkpoint_holds_what_was_scored(tmp_path: Path) -> None:
    """Parameters, normaliser and return scale: not what the workers have made of them meanwhile."""
    module, data = make(updates=10**6, normalize_returns=True)
    scored = Scored()
    best = ModelCheckpoint(tmp_path, "{step}", monitor="val/return_mean", mode="max", save_top_k=-1)
    options: dict[str, Any] = {"enable_checkpointing": True, "val_check_interval": 30, "max_steps": 100}
    trainer(callbacks=[scored, best], **options).fit(module, datamodule=data)
    files = sorted(tmp_path.glob("*.ckpt"), key=lambda file: int(file.stem.split("=")[1]))
    assert len(files) == len(scored.states) >= 2
    states = [read(file)["state_dict"] for file in files]
    for state, began in zip(states, scored.states, strict=True):
        assert [name for name, value in began.items() if not torch.equal(state[name], value)] == []
    moved = {name for name, value in states[0].items() if not torch.equal(value, states[1][name])}
    assert moved >= {"policy.encoder.body.norm.count", "return_scale.norm.var", "policy.value.weight"}


def test_callbacks_see_recent_weights() -> None:
    """Not those of the last validation: there is none."""

    class Weights(Callback):
        last: torch.Tensor | None = None
        changes = 0

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            now = pl_module.policy.value.weight.detach().clone()
            self.changes += self.last is not None and not torch.equal(now, self.last)
            self.last = now

    module, data = make(dummy("Counted"), 500, data={"env_kwargs": {"file": "/dev/null", "pause": 0.001}})
    weights = Weights()
    trainer(callbacks=[weights], limit_val_batches=0).fit(module, datamodule=data)
    assert weights.changes >= 2
    assert torch.equal(weights.last, module.policy.value.weight), "at the end the newest ones"  # type: ignore[arg-type]


# What contradicts itself


def test_bare_loaders_are_refused() -> None:
    """The other workers could not make environments from them."""
    rollouts: Any = DataLoader([Rollout(*(torch.zeros(1, 1) for _ in range(6)))], batch_size=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="RolloutDataModule"):
        trainer(devices=2).fit(make()[0], train_dataloaders=rollouts, val_dataloaders=rollouts)
    assert not workers()


@pytest.mark.parametrize(
    ("strategy", "devices", "data", "message"),
    [
        ("hogwild", 1, {"engine": "async"}, r"engine 'async' is not that of Trainer\(strategy='hogwild'\)"),
        ("hogwild", 1, {"engine": "serial"}, r"engine 'serial' is not that of Trainer\(strategy='hogwild'\)"),
        ("auto", 1, {"engine": "hogwild"}, r"engine 'hogwild' is .* Trainer\(strategy='hogwild', devices=N\)"),
        ("hogwild", 2, {"num_workers": 3}, r"num_workers 3 contradicts Trainer\(strategy='hogwild', devices=2\)"),
        ("hogwild", 1, {"engine": "hogwild", "num_workers": 2}, r"num_workers 2 contradicts .*devices=1\)"),
    ],
)
def test_contradictions_are_refused_by_name(strategy: str, devices: int, data: dict[str, Any], message: str) -> None:
    """Before anything acts. The same requests without the contradiction train."""
    module, data_module = make(updates=2, data=data)
    with pytest.raises(ConfigError, match=message):
        trainer(strategy, devices).fit(module, datamodule=data_module)
    assert not workers()
    assert module.ledger.collected.total == 0


@pytest.mark.parametrize("data", [{"engine": "hogwild"}, {"num_workers": 1}, {"engine": "hogwild", "num_workers": 1}])
def test_what_says_the_same_twice_is_accepted(data: dict[str, Any]) -> None:
    module, data_module = make(updates=2, data=data)
    trainer().fit(module, datamodule=data_module)
    assert module.steps == 2 * ROLLOUT


# After a training


def test_the_module_is_the_trained_one_after_fit() -> None:
    """It has the last update, though nobody has validated or saved a checkpoint."""
    module, data = make(updates=5, cls=Constant, optimizer=functools.partial(torch.optim.SGD, lr=1.0), anneal_lr=False)
    before = [p.detach().clone() for p in module.parameters()]
    trainer(limit_val_batches=0).fit(module, datamodule=data)
    for p, start in zip(module.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), start - 5)


def test_a_second_fit_is_a_training_of_its_own() -> None:
    """The strategy keeps nothing of the first."""
    trainer_ = trainer()
    first, data = make(updates=5, cls=Constant)
    trainer_.fit(first, datamodule=data)
    module, data = make(updates=8, seed=2)
    before = [p.detach().clone() for p in module.parameters()]
    trainer_.fit(module, datamodule=data)
    assert module.steps == 8 * ROLLOUT
    assert first.steps == 5 * ROLLOUT
    for p, start in zip(module.parameters(), before, strict=True):
        assert (p - start).abs().max() < 0.05, "it began with its own parameters"


def test_validating_a_checkpoint_after_a_training_plays_the_checkpoint(tmp_path: Path) -> None:
    """As in ``trainer.fit(...); trainer.validate(ckpt_path="best")``."""
    module, data = make(updates=5)
    trainer_ = trainer()
    trainer_.fit(module, datamodule=data)
    file = tmp_path / "best.ckpt"
    trainer_.save_checkpoint(file)
    checkpoint = read(file)
    for value in checkpoint["state_dict"].values():
        value.add_(1)
    torch.save(checkpoint, file)
    trainer_.validate(module, datamodule=data, ckpt_path=str(file), verbose=False)
    for name, value in module.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][name]), name
