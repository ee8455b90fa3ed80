"""Hogwild: with one worker it is the serial training, with several all share one training."""

from __future__ import annotations

import functools
import multiprocessing as mp
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor
from torch.utils.data import DataLoader

from lit_a3c import A3C, ConfigError, Hogwild, MLPBody, RMSprop, Rollout, RolloutData, WorkerError, strategies
from lit_a3c.meter import Tally, TrainingMeter
from lit_a3c.processes import Worker, cores, start_worker
from lit_a3c.shared import Shared
from tests.commands import RUN, Lightning, column, living, read, rows, shared_memory, started, wait_for
from tests.toys import toy
from tests.trainers import quiet

ENVS, LENGTH = 2, 4
ROLLOUT = ENVS * LENGTH
LOST = 0.05
"""Largest share of updates that races may lose, here where networks are tiny and updates all there is."""


def make(
    env_id: str = "CartPole-v1", updates: int = 100, cls: type[A3C] = A3C, seed: int = 1, **model: Any
) -> tuple[A3C, RolloutData]:
    """A small training that always begins the same."""
    seed_everything(seed, verbose=False)
    data = RolloutData(env_id, updates * ROLLOUT, mode="serial", envs_per_worker=ENVS, rollout_length=LENGTH)
    return cls(data.spec, data.total_steps, **model), data


def trainer(strategy: Any = "hogwild", devices: int = 1, **kwargs: Any) -> Trainer:
    """Without files and screen; it validates only if asked to."""
    options: dict[str, Any] = {
        "num_sanity_val_steps": 0,
        "limit_val_batches": 1,
        "check_val_every_n_epoch": None,
        "val_check_interval": 1_000_000,
        "log_every_n_steps": 20,
    }
    return quiet(strategy=strategy, devices=devices, **{**options, **kwargs})


def workers() -> list[Any]:
    return [process for process in mp.active_children() if process.name.startswith("lit-a3c worker")]


class Together(Callback):
    """Rank zero waits with its first update for one of another worker, and notes how all ended."""

    updates = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Rollout, batch_idx: int) -> None:
        strategy = hogwild(trainer)
        wait_for(lambda: strategy.check() or strategy.version > 0, 60)  # type: ignore[func-returns-value]

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.updates = hogwild(trainer).version


def hogwild(trainer: Trainer) -> Hogwild:
    assert isinstance(trainer.strategy, Hogwild)
    return trainer.strategy


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
    """To the bit: parameters, running statistics, the optimizer's state; validations do not disturb it."""
    results = []
    for strategy in ("auto", "hogwild"):
        module, data = make(env_id, optimizer=optimizer)
        trainer_ = trainer(strategy, val_check_interval=40)
        trainer_.fit(module, datamodule=data)
        state = trainer_.optimizers[0].state_dict()["state"]
        optimized = {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}
        results.append({**module.state_dict(), **optimized, "steps": torch.tensor(module.steps)})
    serial, alone = results
    assert serial["policy.trunk.body.norm.count"] == serial["steps"] == 100 * ROLLOUT
    assert serial.keys() == alone.keys()
    assert [name for name, value in serial.items() if not torch.equal(value, alone[name])] == []


def test_mixed_precision_learns_nearly_the_same() -> None:
    """Networks compute in bfloat16; parameters stay in single precision."""
    ends = []
    for precision in ("32-true", "bf16-mixed"):
        agent, data = make(updates=20, body=functools.partial(MLPBody, hidden=[8]))
        before = [p.detach().clone() for p in agent.parameters()]
        trainer(precision=precision).fit(agent, data)
        assert all(p.dtype == torch.float32 for p in agent.parameters())
        ends.append(torch.cat([(p.detach() - q).flatten() for p, q in zip(agent.parameters(), before, strict=True)]))
    single, mixed = ends
    assert not torch.equal(single, mixed)
    assert torch.cosine_similarity(single, mixed, dim=0) > 0.9


# Two workers


class Constant(A3C):
    """Counts as ever, and has the gradient 1 in every parameter."""

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        super().training_step(rollout, batch_idx)
        return torch.stack([p.sum() for p in self.policy.parameters()]).sum()


def test_every_gradient_is_applied_to_the_shared_parameters() -> None:
    """Each update moves each parameter by the learning rate, whoever makes it, up to lost races."""
    lr, together = 2.0**-10, Together()
    module, data = make(updates=400, cls=Constant, optimizer=functools.partial(torch.optim.SGD, lr=lr), anneal=False)
    before = [p.detach().clone() for p in module.parameters()]
    trainer_ = trainer(devices=2, callbacks=[together])
    trainer_.fit(module, datamodule=data)
    applied = torch.cat([((a - b.detach()) / lr).flatten() for a, b in zip(before, module.parameters(), strict=True)])
    lost = together.updates - applied
    said = (
        f"of {together.updates} updates (rank zero's: {trainer_.global_step}) races lost "
        f"{lost.mean():.3f} on average over all parameters, {lost.min():.2f} to {lost.max():.2f}"
    )
    print(said)
    assert 0 < trainer_.global_step < together.updates, said
    assert 400 <= together.updates <= 402, said
    assert lost.min() > -0.01, said
    assert lost.max() < LOST * together.updates, said


def test_workers_begin_when_all_have_been_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """What trains already would take time from what is being started."""
    made = []

    def start(rank: int, work: Any, options: Any, shared: Shared, *args: Any) -> Worker:
        worker = start_worker(rank, work, options, shared, *args)
        time.sleep(3)  # more than a worker needs to its first update
        made.append(shared.updates.total)
        return worker

    monkeypatch.setattr(strategies, "start_worker", start)
    module, data = make(updates=60)
    trainer_ = trainer(devices=3, callbacks=[Together()])
    trainer_.fit(module, datamodule=data)
    assert made == [0, 0]
    assert module.finished


@dataclass
class Run:
    """A training of two workers, as rank zero saw it."""

    module: A3C
    trainer: Trainer
    together: Together
    reports: list[int] = field(default_factory=list)
    """Updates in each report."""
    tallies: list[Tally] = field(default_factory=list)
    """What worker 1 sent."""

    @property
    def own(self) -> int:
        """Updates of rank zero."""
        return self.trainer.global_step


@pytest.fixture(scope="module")
def run() -> Run:
    """With Adam, whose state holds the number of updates, and an annealed learning rate."""

    class Body(MLPBody):
        """Of a user's own script: a class that the other process cannot import."""

    torch.manual_seed(0)
    module, data = make(updates=400, optimizer=torch.optim.Adam, body=Body)
    together = Together()
    run = Run(module, trainer(devices=2, callbacks=[together]), together)
    report, merge = TrainingMeter.report, TrainingMeter.merge

    def reported(self: TrainingMeter, steps: int) -> dict[str, float]:
        run.reports.append(self.updates)
        return report(self, steps)

    def merged(self: TrainingMeter, tally: Tally) -> None:
        run.tallies.append(tally)
        merge(self, tally)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingMeter, "report", reported)
        patch.setattr(TrainingMeter, "merge", merged)
        run.trainer.fit(module, datamodule=data)
    assert not workers()
    return run


def test_all_workers_share_one_budget(run: Run) -> None:
    """It ends with the rollouts under way, and the learning rate falls with everybody's steps."""
    total = run.module.hparams["total_steps"]
    assert total <= run.module.steps < total + 2 * ROLLOUT
    assert run.together.updates * ROLLOUT == run.module.steps
    assert 0 < run.own < run.together.updates
    (group,) = run.trainer.optimizers[0].param_groups
    assert 0 <= group["lr"] < 0.1 * group["initial_lr"]
    assert 1 - run.own * ROLLOUT / total > 0.1, "alone, rank zero would still have had more of it"


def test_all_workers_share_one_optimizer_state(run: Run) -> None:
    """Adam counts everybody's updates, up to lost races."""
    for state in run.trainer.optimizers[0].state.values():
        assert run.own < state["step"] <= run.together.updates
        assert state["step"] > (1 - LOST) * run.together.updates


def test_all_workers_share_one_running_normaliser(run: Run) -> None:
    """It has seen everybody's observations, up to lost races: with so small a network it is written half the time."""
    count = run.module.state_dict()["policy.trunk.body.norm.count"]
    assert run.own * ROLLOUT < count <= run.module.steps
    assert count > 0.7 * run.module.steps


def test_reports_are_of_all_workers(run: Run) -> None:
    """No update is missing in them and none is there twice; episodes come with them."""
    assert sum(tally.updates for tally in run.tallies) == run.together.updates - run.own
    assert sum(run.reports) + run.module.meter.updates == run.together.updates
    assert min(run.reports) >= 20
    assert all(set(tally.sums) >= {"policy_loss", "grad_norm"} for tally in run.tallies if tally.updates)
    episodes = [episode for tally in run.tallies for episode in tally.episodes]
    assert episodes
    assert set(episodes) & set(run.module.meter.recent)
    assert 0 <= run.trainer.callback_metrics["train/policy_lag"] < 10
    assert run.trainer.callback_metrics["train/grad_norm"] > 0


@pytest.mark.parametrize(("env_id", "what"), [("CartPole-v1", "observation"), (toy("Counter"), "action")])
def test_workers_have_seeds_of_their_own(env_id: str, what: str) -> None:
    """Their environments start differently, as do their draws where they see the same; the same seed repeats both."""

    def rollout(rank: int, seed: int) -> Tensor:
        module, data = make(env_id, seed=seed)
        data.trainer = trainer(Hogwild(), devices=3)
        hogwild(data.trainer).connect(module)
        hogwild(data.trainer).join(None, rank, None, 1)  # type: ignore[arg-type]
        assert data.collect_config().first_worker == rank
        drawn = next(iter(data.train_dataloader())).tensors()[what].clone()
        data.teardown("fit")
        return drawn.flatten()

    first, again, other = ([rollout(rank, seed) for rank in range(3)] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(drawn.tolist()) for drawn in [*first, *other]}) == 6


class Overtaken(A3C):
    """Another worker takes the last of the budget between rank zero's third update and its fourth rollout."""

    def on_train_batch_end(self, *args: Any) -> None:
        super().on_train_batch_end(*args)
        if self.trainer.global_step == 3:
            self.step_counter.add(1_000_000)


def test_a_training_ends_also_where_another_worker_used_up_the_budget() -> None:
    """Rank zero makes one update more, and with it all that belongs to an end; no epoch after epoch of nothing."""
    module, data = make(cls=Overtaken)
    trainer_ = trainer(max_epochs=20)
    trainer_.fit(module, datamodule=data)
    assert trainer_.global_step == 4
    assert trainer_.current_epoch <= 1


def test_bare_loaders_are_refused() -> None:
    """The other workers could not make environments from them."""
    rollouts: Any = DataLoader([Rollout(*(torch.zeros(1, 1) for _ in range(6)))], batch_size=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="RolloutData"):
        trainer(devices=2).fit(make()[0], train_dataloaders=rollouts, val_dataloaders=rollouts)
    assert not workers()


class Drift(Callback):
    """While rank zero validates, another worker moves every shared parameter by one; notes what a save would hold."""

    saved: dict[str, torch.Tensor]
    validated: dict[str, torch.Tensor]

    def on_validation_batch_start(self, trainer: Trainer, *args: Any) -> None:
        self.move(trainer, 1.0)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.validated = {name: p.clone() for name, p in pl_module.named_parameters()}
        self.saved = {name: p.clone() for name, p in hogwild(trainer).lightning_module_state_dict().items()}
        self.move(trainer, -1.0)

    def move(self, trainer: Trainer, by: float) -> None:
        shared = hogwild(trainer)._shared
        assert shared is not None
        for p in shared.parameters:
            p.add_(by)


def test_the_best_checkpoint_holds_what_was_validated() -> None:
    """And not what the other workers have made of it meanwhile."""
    module, data = make()
    drift = Drift()
    trainer(callbacks=[drift], val_check_interval=3).fit(module, datamodule=data)
    for name, p in drift.validated.items():
        assert torch.equal(drift.saved[name], p), name


# After a training


def test_the_module_is_the_trained_one_after_fit() -> None:
    """Nobody need validate or save a checkpoint to have the last update."""
    module, data = make(updates=5, optimizer=functools.partial(torch.optim.SGD, lr=1.0), cls=Constant, anneal=False)
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


# Failures


def fails(within: Callable[[str], float], env_id: str = "CartPole-v1", callback: Callback | None = None) -> str:
    """The WorkerError's message; ``within`` finds in it how long ago it happened."""
    module, data = make(env_id, updates=1_000_000)
    data.max_restarts = 0
    with pytest.raises(WorkerError) as error:
        trainer(devices=2, callbacks=callback).fit(module, datamodule=data)
    message = str(error.value)
    assert 0 < within(message) < 5
    assert not workers()
    return message


def test_a_workers_exception_arrives() -> None:
    """With its number, the type, the message and where it was raised; rank zero's own environments are fine."""

    def since(message: str) -> float:
        (at,) = re.findall(r"^worker 1 failed: ZeroDivisionError: the toy broke at ([\d.]+) s$", message, re.MULTILINE)
        return time.monotonic() - float(at)

    message = fails(since, env_id=toy("BreaksElsewhere"))
    assert re.search(r'File ".*toys.py", line \d+, in judge\n', message)


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    """Named by its number, with the signal."""

    class Killer(Together):
        at = 0.0

        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 5:
                (victim,) = workers()
                self.at = time.monotonic()
                os.kill(victim.pid, signal.SIGKILL)

    killer = Killer()
    message = fails(lambda _: time.monotonic() - killer.at, callback=killer)
    assert message == "worker 1 ended without a word (exit code -9)"


class Attack(Together):
    """Sends a signal to the other worker as soon as it has made updates, as often as told."""

    def __init__(self, signum: signal.Signals, times: int) -> None:
        self.signum, self.left = signum, times
        self.victims: list[Any] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        strategy = hogwild(trainer)
        new = [process for process in workers() if process not in self.victims]
        if new and self.left and strategy._updates.count(1) > self.seen:
            self.left -= 1
            self.victims += new
            self.seen = strategy._updates.count(1)
            os.kill(new[0].pid, self.signum)

    seen = 0


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_or_hangs_is_replaced(signum: signal.Signals, caplog: pytest.LogCaptureFixture) -> None:
    """The training goes on to its end, and what the victims had not learned from is counted."""
    attack = Attack(signum, times=2)
    module, data = make(updates=10**9)
    data.worker_timeout = 20.0 if signum == signal.SIGKILL else 8.0
    trainer_ = trainer(devices=2, callbacks=[attack, Until(lambda: not attack.left and replaced(trainer_, attack))])
    trainer_.fit(module, datamodule=data)
    messages = [record.getMessage() for record in caplog.records if record.name == "lit_a3c.processes"]
    assert len(messages) == 2
    what = "ended without a word" if signum == signal.SIGKILL else "was silent for 8 seconds"
    assert all(f"worker 1 {what}" in message for message in messages)
    assert 0 <= module.discarded <= 2 * 2 * ROLLOUT
    assert not workers()


def replaced(trainer: Trainer, attack: Attack) -> bool:
    """Whether the last victim's successor has made updates."""
    return hogwild(trainer)._updates.count(1) > attack.seen + 1 and any(w not in attack.victims for w in workers())


class Until(Callback):
    """Lets a training of unlimited length be finished when something holds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self.condition = condition

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        if self.condition():
            pl_module.step_counter.total = pl_module.hparams["total_steps"]


def test_rank_zeros_own_exception_ends_the_others() -> None:
    """Even before they have begun."""
    module, data = make(toy("Broken"))
    with pytest.raises(ZeroDivisionError, match="the toy broke in step 3"):
        trainer(devices=2).fit(module, datamodule=data)
    assert not workers()


# The command line

SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10"),
    *("--trainer.val_check_interval", "1000000", "--data.envs_per_worker", "4", "--data.test_episodes", "2"),
]
HOGWILD = ["--trainer.strategy", "hogwild", "--trainer.devices", "2", "--data.num_workers", "null"]
FIT = ["fit", "--config", "cartpole.yaml", *SMALL, *HOGWILD]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A long training, once both workers take part. It may leave no process, and nothing in shared memory."""
    before, run = shared_memory(), tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and any(column(run, "train/policy_lag")), 60)
        yield process
        wait_for(lambda: not living(process.pid), 3)
        wait_for(lambda: not shared_memory() - before, 5)


def test_kill_9_leaves_nothing_behind(running: subprocess.Popen[bytes]) -> None:
    """Of rank zero alone: the other worker ends by itself, and the fork server."""
    assert len(living(running.pid)) > 2
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(5) == -signal.SIGKILL


def test_an_end_while_workers_are_being_started_is_silent(tmp_path: Path) -> None:
    """Pong's network is larger than a pipe, so that the start of a worker waits for it to read."""
    pong = ["fit", "--config", "atari.yaml", *SMALL, "--trainer.strategy", "hogwild", "--trainer.devices", "12"]
    with started(tmp_path, *pong) as process:
        wait_for(lambda: len(living(process.pid)) > 5, 60)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not living(process.pid), 5)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_leaves_nothing_behind(
    running: subprocess.Popen[bytes], tmp_path: Path, signum: signal.Signals
) -> None:
    """It reaches the whole process group, as from a terminal or a cluster."""
    seen = float(rows(tmp_path / RUN)[-1]["step"])
    os.killpg(running.pid, signum)
    assert running.wait(10) == 128 + signum
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] >= seen
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_as_many_workers_as_cores_unless_told(cli: Lightning) -> None:
    """Without a number, and with ``auto``; of one process for the other strategies."""
    fit = ["fit", "--config", "cartpole.yaml", *SMALL, "--data.total_steps", "100"]
    assert f"hogwild, {cores()} workers" in cli(*fit, "--trainer.strategy", "hogwild")
    assert f"hogwild, {cores()} workers" in cli(*fit, "--trainer.strategy", "hogwild", "--trainer.devices", "auto")
    assert "async" in cli(*fit, "--trainer.devices", "auto")


def test_auto_is_the_cpu_even_beside_a_gpu(cli: Lightning, tmp_path: Path) -> None:
    cli(*FIT, "--data.total_steps", "100", "--trainer.accelerator", "auto")
    assert yaml.safe_load((tmp_path / RUN / "config.yaml").read_text())["trainer"]["accelerator"] == "cpu"


def test_going_on_with_other_workers(tmp_path: Path, cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on under any strategy and mode where the last one stopped, and is evaluated without workers."""
    last = tmp_path / RUN / "checkpoints/last.ckpt"

    alone = ["--trainer.strategy", "auto", "--trainer.devices", "1", "--data.num_workers", "1", "--data.mode"]
    chain = {
        "hogwild, 2 workers": FIT,
        "async, 1 workers": ["fit", "--ckpt_path", "last", *alone, "async"],
        "serial, 1 workers": ["fit", "--ckpt_path", "last", *alone, "serial"],
        "hogwild, 2 workers of 4": ["fit", "--ckpt_path", "last", *HOGWILD, "--data.mode", "null"],
    }
    steps = 0
    for said, args in chain.items():
        assert said in cli(*args, "--data.total_steps", str(steps + 200))
        checkpoint = read(last)
        assert steps + 200 <= checkpoint["steps"] < steps + 240
        steps = checkpoint["steps"]
        assert 0.7 * steps < checkpoint["state_dict"]["policy.trunk.body.norm.count"] <= steps
    assert [file.name for file in (tmp_path / "runs/CartPole-v1").iterdir()] == ["version_0"]

    monkeypatch.setattr("lit_a3c.strategies.start_worker", pytest.fail)
    assert "return" in cli("validate", "--ckpt_path", "last", "--data.eval_episodes", "2")
    assert "test-last.json" in cli("test", "--ckpt_path", "last")
