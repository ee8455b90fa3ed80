from __future__ import annotations

import copy
import dataclasses
import functools
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lit_a3c.actor import CollectConfig
from lit_a3c.collect import Collection, collect
from lit_a3c.envs import EnvConfig
from lit_a3c.memory import GRU, LSTM
from lit_a3c.policy import ActorCritic
from lit_a3c.processes import WorkerError, context
from lit_a3c.rollout import Rollout
from lit_a3c.workers import SharedWeights
from tests.cells import Kind
from tests.commands import environment
from tests.devices import DEVICES
from tests.toys import LIMIT, toy

MODES = ("serial", "sync", "async")


def setting(
    env_id: str, mode: str, workers: int = 1, envs: int = 2, length: int = 5, seed: int = 1, **kwargs: Any
) -> Any:
    """A small collection and a fresh policy for it."""
    env = EnvConfig(env_id, kwargs=kwargs)
    spec = env.spec()
    config = CollectConfig(env, spec, mode, workers, envs, length, seed)
    torch.manual_seed(seed)
    return config, ActorCritic(spec)


@contextmanager
def collecting(*args: Any, device: str = "cpu", **kwargs: Any) -> Iterator[tuple[Collection, ActorCritic]]:
    """A running collection, closed in any case."""
    config, policy = setting(*args, **kwargs)
    with closing(collect(config, policy.to(device))) as collection:
        yield collection, policy


def workers() -> list[Any]:
    """The living worker processes."""
    return [process for process in mp.active_children() if process.name.startswith("lit-a3c worker")]


def always(policy: ActorCritic, action: int) -> ActorCritic:
    """The policy with weights that force one action."""
    with torch.no_grad():
        policy.head.logits.weight.zero_()
        policy.head.logits.bias.fill_(-50)
        policy.head.logits.bias[action] = 50
    return policy


def copied(rollout: Rollout) -> Rollout:
    return Rollout(
        **{name: tensor.clone() for name, tensor in rollout.tensors().items()},
        version=rollout.version,
        learner_version=rollout.learner_version,
        episodes=rollout.episodes,
    )


@pytest.mark.parametrize("mode", MODES)
def test_rollouts_of_cartpole_are_its_physics(mode: str) -> None:
    """Shapes and types; each row's state follows from the row before, a new episode's from none, the last row's too."""
    count = 2 if mode != "async" else 1
    with collecting("CartPole-v1", mode, workers=2, envs=3, length=15) as (collection, _):
        rollouts = [copied(collection.next()) for _ in range(4)]
    episodes = 0
    for r in rollouts:
        lead = (15, 3 * count)
        assert r.observation.shape == r.next_observation.shape == (*lead, 4)
        assert r.observation.dtype == r.reward.dtype == torch.float32
        assert r.action.shape == r.reward.shape == r.terminated.shape == r.truncated.shape == lead
        assert r.action.dtype == torch.int64
        assert r.terminated.dtype == r.truncated.dtype == torch.bool
        assert set(r.action.unique().tolist()) == {0, 1}
        assert (r.reward == 1).all()
        assert not r.truncated.any()
        assert r.num_steps == 45 * count
        x, speed = r.observation[..., 0], r.observation[..., 1]
        goes_on = ~r.terminated[:-1]
        torch.testing.assert_close(x[1:][goes_on], (x + 0.02 * speed)[:-1][goes_on])
        assert torch.equal((speed[1:] > speed[:-1])[goes_on], r.action[:-1][goes_on] == 1)
        assert (r.observation[1:][r.terminated[:-1]].abs() <= 0.05).all()
        torch.testing.assert_close(r.next_observation[-1, :, 0], (x + 0.02 * speed)[-1])
        assert len(r.episodes) == r.terminated.sum()
        episodes += len(r.episodes)
    assert episodes > 0


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("mode", MODES)
def test_log_probabilities_are_those_of_the_weights_that_acted(mode: str, env_id: str) -> None:
    """They stay what they were when the learner's weights have moved on; without V-trace nobody pays for them."""
    config, policy = setting(env_id, mode, workers=2)
    acted = copy.deepcopy(policy)
    with closing(collect(dataclasses.replace(config, log_prob=True), policy)) as collection:
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        r = copied(collection.next())
    assert r.log_prob is not None
    assert r.log_prob.shape == r.reward.shape
    with torch.no_grad():
        torch.testing.assert_close(r.log_prob, acted(r.observation).distribution.log_prob(r.action))
        assert not torch.allclose(r.log_prob, policy(r.observation).distribution.log_prob(r.action))
    with collecting(env_id, mode, workers=2) as (collection, _):
        assert collection.next().log_prob is None


@pytest.mark.parametrize(
    ("env_id", "kind", "share_body"), [(toy("Lengths"), LSTM, True), (toy("TimeLimit"), GRU, False)]
)
@pytest.mark.parametrize("mode", MODES)
def test_the_learner_remembers_what_the_actors_did(mode: str, env_id: str, kind: Kind, share_body: bool) -> None:
    """From the memory that comes with a rollout it has their log-probabilities, and the memory that the next brings."""
    workers = 1 if mode == "async" else 2  # so that the next rollout is of the same environments
    config, _ = setting(env_id, mode, workers, envs=3, length=4)
    memory = functools.partial(kind, hidden_size=4)
    policy = ActorCritic(config.spec, memory=memory, share_body=share_body)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter)
    with closing(collect(dataclasses.replace(config, log_prob=True), policy)) as collection:
        rollouts = [copied(collection.next()) for _ in range(8)]
    expected = torch.zeros(1, 3 * workers, policy.memory_size)
    ended = []
    for r in rollouts:
        assert r.memory is not None
        assert r.log_prob is not None
        torch.testing.assert_close(r.memory, expected)
        end = r.terminated | r.truncated
        with torch.no_grad():
            distribution, _, memory_t = policy(r.observation, r.memory[0], end)
            torch.testing.assert_close(r.log_prob, distribution.log_prob(r.action))
            forgetful = policy(r.observation).distribution.log_prob(r.action)
        assert torch.allclose(r.log_prob, forgetful) == (not r.memory.any() and not end[:-1].any())
        expected = (memory_t[-1] * ~end[-1].unsqueeze(-1)).unsqueeze(0)
        ended.append(end)
    for row in range(4):
        assert any(end[row].any() for end in ended), "episodes ended everywhere in a rollout"


@pytest.mark.parametrize("mode", MODES)
def test_no_memory_travels_where_there_is_none(mode: str) -> None:
    """Nobody pays for it."""
    with collecting("CartPole-v1", mode) as (collection, _):
        assert collection.next().memory is None


@pytest.mark.parametrize("mode", MODES)
def test_truncated_rows_keep_their_true_next_observation(mode: str) -> None:
    """Through the shared slot too: the counter reads the limit there, and 0 in the next row."""
    with collecting(toy("TimeLimit"), mode, envs=2, length=5) as (collection, _):
        rollouts = [copied(collection.next()) for _ in range(6)]
    counts = torch.cat([r.observation for r in rollouts])[..., 0]
    truncated = torch.cat([r.truncated for r in rollouts])
    following = torch.cat([r.next_observation for r in rollouts])[..., 0]
    assert counts[:, 0].tolist() == [t % LIMIT for t in range(30)]
    assert torch.equal(truncated, counts == LIMIT - 1)
    assert not torch.cat([r.terminated for r in rollouts]).any()
    valid = truncated.clone()
    valid[4::5] = True
    assert torch.equal(following[valid], counts[valid] + 1)
    finished = [episode for r in rollouts for episode in r.episodes]
    assert [(e.ret, e.length) for e in finished] == [(LIMIT, LIMIT)] * 8


@pytest.mark.parametrize("mode", MODES)
def test_box_actions_and_wide_numbers_arrive(mode: str) -> None:
    """Continuous actions as the policy drew them, unclipped, beside what the environment made of them."""
    with collecting(toy("WideBox"), mode, envs=3, length=6) as (collection, _):
        collection.next()
        r = copied(collection.next())
    assert r.action.shape == (6, 3, 2)
    assert r.action.dtype == torch.float32
    assert (r.action[..., 1] < 0).any()
    clipped = r.action.clamp(torch.tensor([-2, 0]), torch.tensor([2, 0.5]))
    torch.testing.assert_close(r.observation[1:], clipped[:-1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", MODES)
def test_pushed_weights_reach_the_actors(mode: str, device: str) -> None:
    """Every rollout acts as the weights of its version say, and a pushed version arrives soon."""
    with collecting("CartPole-v1", mode, workers=2, envs=4, length=8, device=device) as (collection, policy):
        first = collection.next()
        assert first.version == 0
        assert set(first.action.unique().tolist()) == {0, 1}
        for version, action in ((1, 0), (2, 1)):
            always(policy, action)
            collection.push()
            for _ in range(12):
                rollout = collection.next()
                assert rollout.learner_version == version
                if rollout.version == version:
                    assert (rollout.action == action).all()
                    break
            else:
                pytest.fail("the weights never arrived")


@pytest.mark.parametrize("mode", MODES)
def test_buffers_are_pushed_with_the_parameters(mode: str) -> None:
    """An actor that normalises by other statistics than the learner would act differently: here, oppositely."""
    with collecting(toy("Counter"), mode, envs=1, length=4) as (collection, policy):
        with torch.no_grad():  # one unit, whose sign decides the action
            for p in policy.parameters():
                p.zero_()
            policy.trunk.body.layers[0].weight[0, 0] = 10
            policy.trunk.body.layers[2].weight[0, 0] = 10
            policy.head.logits.weight[:, 0] = torch.tensor([-50.0, 50.0])
            policy.trunk.body.norm.mean.fill_(1e6)  # all counts are below: action 0
        collection.push()
        for _ in range(4):
            rollout = collection.next()
        assert not rollout.action.any()
        policy.trunk.body.norm.mean.fill_(-1e6)
        collection.push()
        for _ in range(4):
            rollout = collection.next()
        assert rollout.action.all()


@pytest.mark.parametrize("mode", ["serial", "sync"])
def test_the_lag_is_zero_where_the_learner_waits(mode: str) -> None:
    """Weights pushed before a rollout is asked for have acted in it; workers may have begun the very first before."""
    with collecting("CartPole-v1", mode, workers=2) as (collection, _policy):
        collection.push()
        assert collection.next().policy_lag <= 1
        for version in range(2, 12):
            collection.push()
            rollout = collection.next()
            assert (rollout.version, rollout.learner_version) == (version, version)


def test_the_lag_of_a_worker_is_at_most_its_slots() -> None:
    """A worker is never more than two rollouts ahead of an asynchronous learner, and its versions never fall."""
    with collecting("CartPole-v1", "async") as (collection, _policy):
        lags, versions = [], []
        for _ in range(40):
            time.sleep(0.01)  # time enough for a worker to run ahead
            collection.push()
            rollout = collection.next()
            lags.append(rollout.policy_lag)
            versions.append(rollout.version)
    assert min(lags) >= 0
    assert max(lags) <= 2
    assert versions == sorted(versions)
    assert versions[-1] > 30


def test_a_pause_of_the_learner_loses_and_repeats_nothing() -> None:
    """Each worker's counter runs on without a gap over three seconds in which nobody asks."""
    seen: dict[tuple[float, ...], list[Tensor]] = defaultdict(list)
    with collecting(toy("Pid"), "async", workers=2, envs=2, length=3) as (collection, _):
        for i in range(60):
            if i == 20:
                time.sleep(3)
            rollout = collection.next()
            process = rollout.observation[0, 0, :2]
            assert (rollout.observation[..., :2] == process).all()
            assert torch.equal(rollout.next_observation[-1, :, 2], rollout.observation[-1, :, 2] + 1)
            seen[tuple(process.tolist())].append(rollout.observation[..., 2].clone())
    assert len(seen) == 2, "both workers were heard"
    assert (os.getpid() // 1000, os.getpid() % 1000) not in seen
    for counts in seen.values():
        steps = torch.cat(counts)
        assert torch.equal(steps, torch.arange(float(len(steps)))[:, None].expand(-1, 2))


@pytest.mark.parametrize("mode", MODES)
def test_a_rollout_stays_as_it_is_until_the_next_is_asked_for(mode: str) -> None:
    """No worker writes into what the learner learns from."""
    with collecting(toy("Counter"), mode, envs=2, length=3) as (collection, _):
        for _ in range(4):
            rollout = collection.next()
            before = copied(rollout)
            time.sleep(0.05)
            assert all(
                torch.equal(x, y) for x, y in zip(rollout.tensors().values(), before.tensors().values(), strict=True)
            )


def test_serial_is_reproducible_to_the_bit() -> None:
    """The same seed gives the same rollouts, another seed others; updates between them included."""

    def run(seed: int) -> list[Rollout]:
        rollouts = []
        with collecting("CartPole-v1", "serial", workers=2, envs=2, length=10, seed=seed) as (collection, policy):
            for _ in range(5):
                with torch.no_grad():
                    policy.head.logits.bias.add_(torch.randn(2))
                collection.push()
                rollouts.append(copied(collection.next()))
        return rollouts

    one, same, other = run(3), run(3), run(4)
    for a, b in zip(one, same, strict=True):
        assert a.episodes == b.episodes
        assert all(torch.equal(x, y) for x, y in zip(a.tensors().values(), b.tensors().values(), strict=True))
    assert not any(torch.equal(a.observation, b.observation) for a, b in zip(one, other, strict=True))


def test_serial_and_sync_step_the_same_environments() -> None:
    """With a policy that leaves nothing to chance the modes differ only in who computes."""
    rollouts = {}
    for mode in ("serial", "sync"):
        with collecting("CartPole-v1", mode, workers=2, envs=3, length=12) as (collection, policy):
            first = collection.next()  # drawn at random
            assert first.observation.shape == (12, 6, 4)
        config, policy = setting("CartPole-v1", mode, workers=2, envs=3, length=12)
        with closing(collect(config, always(policy, 1))) as collection:
            rollouts[mode] = [copied(collection.next()) for _ in range(3)]
    for a, b in zip(rollouts["serial"], rollouts["sync"], strict=True):
        for name in ("observation", "action", "reward", "terminated", "truncated"):
            assert torch.equal(a.tensors()[name], b.tensors()[name])
        assert torch.equal(a.next_observation[-1], b.next_observation[-1])


def test_workers_and_their_environments_have_seeds_of_their_own() -> None:
    """No two of six environments start alike."""
    with collecting("CartPole-v1", "sync", workers=2, envs=3) as (collection, _):
        starts = collection.next().observation[0]
    assert len({tuple(start.tolist()) for start in starts}) == 6


class Weights(nn.Module):
    """Parameters and buffers that all hold one number, which tells versions apart."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterList(torch.zeros(size) for size in (1, 50_000, 300, 200_000, 7))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def tensors(self) -> list[Tensor]:
        return [*self.parameters(), *self.buffers()]


def push_versions(shared: SharedWeights, pushes: int) -> None:
    """A learner: version ``n`` holds ``n`` everywhere."""
    torch.set_num_threads(1)
    module = Weights()
    for n in range(1, pushes + 1):
        for tensor in module.tensors():
            tensor.data.fill_(n)
        shared.push(module.tensors())
        time.sleep(2e-4 * (n % 3))


def test_pulled_weights_are_never_torn() -> None:
    """While another process pushes as fast as it can, each pull gets one whole version, and later ones later ones."""
    module, pushes = Weights(), 2500
    shared = SharedWeights(module)
    writer = context().Process(target=push_versions, args=(shared, pushes), daemon=True)
    writer.start()
    versions = []
    while shared.version < pushes:
        assert writer.is_alive() or shared.version == pushes
        version = shared.pull(module.tensors())
        values = {bound.item() for tensor in module.tensors() for bound in tensor.detach().aminmax()}
        assert values == {version}
        versions.append(version)
    writer.join()
    assert shared.pull(module.tensors()) == pushes
    assert versions == sorted(versions)
    assert len(set(versions)) > 20, "the two did run at the same time"


def test_shared_weights_keep_types_and_start_at_zero() -> None:
    """Version 0 is the policy given; a float64 count survives, which float32 would round."""
    module, copy = Weights(), Weights()
    module.count.fill_(2**24 + 1)
    shared = SharedWeights(module)
    assert shared.pull(copy.tensors()) == shared.version == 0
    assert copy.count == 2**24 + 1
    for n in (1, 2, 3):
        module.count.fill_(n)
        shared.push(module.tensors())
        assert (shared.pull(copy.tensors()), copy.count) == (n, n)


def ask(collection: Collection, calls: int) -> None:
    for _ in range(calls):
        collection.next()


def fails(collection: Collection, within: float, calls: int = 1) -> str:
    """The WorkerError's message, which must come in time."""
    start = time.monotonic()
    with pytest.raises(WorkerError) as error:
        ask(collection, calls)
    assert time.monotonic() - start < within
    return str(error.value)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_workers_exception_arrives(mode: str) -> None:
    """Within five seconds, with its type, its message, the worker's number, and where it was raised."""
    with collecting(toy("Broken"), mode, workers=2) as (collection, _):
        message = fails(collection, within=5)
    assert message.startswith(("worker 0 failed: ZeroDivision", "worker 1 failed: ZeroDivision"))
    assert "ZeroDivisionError: the toy broke in step 3" in message
    assert "toys.py" in message
    assert not workers()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_exception_arrives_while_nobody_listens(mode: str) -> None:
    """A worker that failed while the learner was busy is reported by its exception, not as a broken pipe."""
    with collecting(toy("Broken"), mode, length=1) as (collection, _):
        collection.next()
        collection.next()
        if mode == "async":
            deadline = time.monotonic() + 5
            while workers() and time.monotonic() < deadline:
                time.sleep(0.05)  # the third step fails meanwhile
        message = fails(collection, within=5, calls=2)
    assert "worker 0 failed: ZeroDivisionError: the toy broke in step 3" in message


def test_an_environments_own_oserror_arrives() -> None:
    """A missing file is an environment's failure like any other."""
    with collecting(toy("Broken"), "async", error="FileNotFoundError") as (collection, _):
        message = fails(collection, within=5)
    assert "worker 0 failed: FileNotFoundError: the toy broke in step 3" in message


def test_serial_raises_the_environments_exception_itself() -> None:
    """No worker, no WorkerError."""
    with (
        collecting(toy("Broken"), "serial") as (collection, _),
        pytest.raises(ZeroDivisionError, match="the toy broke in step 3"),
    ):
        collection.next()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_killed_worker_is_an_error_and_no_hang(mode: str) -> None:
    """Named by its number, with the signal; the other is ended by close."""
    with collecting("CartPole-v1", mode, workers=2) as (collection, _):
        collection.next()
        [victim] = [process for process in workers() if process.name.endswith("1")]
        os.kill(victim.pid, signal.SIGKILL)
        message = fails(collection, within=5, calls=50)
    assert "worker 1 ended without a word (exit code -9)" in message
    assert not workers()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_or_hangs_is_replaced(
    mode: str, signum: signal.Signals, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As often as allowed. Every step that the environments took is handed over, in flight, or counted as lost."""
    file, envs, length, handed = tmp_path / "steps", 2, 5, 0
    config, policy = setting(toy("Counted"), mode, 2, envs, length, file=str(file), pause=0.001)
    config = dataclasses.replace(config, max_restarts=2, worker_timeout=1.5)
    with closing(collect(config, policy)) as collection:
        for _ in range(2):
            for _ in range(6):
                handed += collection.next().num_steps
            [victim] = [process for process in workers() if process.name.endswith("1")]
            os.kill(victim.pid, signum)
            while victim.pid in {process.pid for process in workers()}:
                handed += collection.next().num_steps
        [victim] = [process for process in workers() if process.name.endswith("1")]
        wait_until(lambda: idle(file))
        # A vector step that was cut short is not counted: of two environments one may have taken it.
        assert 0 <= file.stat().st_size - collection.taken < 3 * envs
        assert 0 <= collection.discarded <= 2 * 2 * envs * length
        assert 0 <= collection.taken - collection.discarded - handed <= 2 * 2 * envs * length
        os.kill(victim.pid, signal.SIGKILL)
        assert "worker 1 ended without a word" in fails(collection, within=10, calls=200)
    assert len(caplog.records) == 2
    what = "worker 1 ended without" if signum == signal.SIGKILL else "worker 1 was silent for 1.5 seconds"
    assert all(what in record.getMessage() for record in caplog.records)
    assert not workers()


def idle(file: Path) -> bool:
    """Whether nobody takes a step for a while."""
    before = file.stat().st_size
    time.sleep(0.3)
    return file.stat().st_size == before


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"


def test_an_interpreter_ends_though_nobody_closed_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.test_collect import collect, setting\n"
        "if __name__ == '__main__':\n"
        "    collection = collect(*setting('CartPole-v1', 'async', workers=2))\n"
        "    collection.next()\n"
        "    raise RuntimeError('nobody closes it')\n"
    )
    done = subprocess.run([sys.executable, script], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().endswith("RuntimeError: nobody closes it")


def test_a_stopped_job_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-Z and ``fg``, or a laptop that slept: to everybody time has passed, and nobody was silent."""
    config, policy = setting("CartPole-v1", "async", workers=2)
    with closing(collect(dataclasses.replace(config, worker_timeout=2.5), policy)) as collection:
        for _ in range(4):
            collection.next()
        stopper = subprocess.Popen(
            [sys.executable, "-c", STOP_ALL, str(os.getpid()), *(str(process.pid) for process in workers())]
        )
        while stopper.poll() is None:
            collection.next()
        for _ in range(8):
            collection.next()


STOP_ALL = """
import os, signal, sys, time
pids = [int(pid) for pid in sys.argv[1:]]
for signum in (signal.SIGSTOP, signal.SIGCONT):
    for pid in pids:
        os.kill(pid, signum)
    time.sleep(4)
"""


def test_a_learners_pause_is_not_its_workers_silence() -> None:
    config, policy = setting("CartPole-v1", "async", workers=2)
    with closing(collect(dataclasses.replace(config, worker_timeout=3.0), policy)) as collection:
        for _ in range(4):
            collection.next()
        time.sleep(5)
        for _ in range(8):
            collection.next()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_close_leaves_no_process_and_may_be_called_twice(mode: str) -> None:
    """In the middle of work, and even where a worker is stopped and hears nothing."""
    config, policy = setting("CartPole-v1", mode, workers=2)
    collection = collect(config, policy)
    collection.next()
    processes = workers()
    assert len(processes) == 2
    os.kill(processes[0].pid, signal.SIGSTOP)
    start = time.monotonic()
    collection.close()
    assert time.monotonic() - start < 4
    assert not workers()
    assert not any(process.is_alive() for process in processes)
    collection.close()


def test_close_right_after_the_start() -> None:
    """Workers that are still importing do not hold it up."""
    config, policy = setting("CartPole-v1", "async", workers=2)
    start = time.monotonic()
    collect(config, policy).close()
    assert time.monotonic() - start < 5
    assert not workers()


def test_closing_serial_twice_is_fine() -> None:
    """As with workers."""
    config, policy = setting("CartPole-v1", "serial")
    collection = collect(config, policy)
    collection.next()
    collection.close()
    collection.close()


@pytest.mark.parametrize(("mode", "steps"), [("async", 10), ("sync", 30), ("serial", 30)])
def test_steps_per_rollout_is_what_next_gives(mode: str, steps: int) -> None:
    """The unit in which a run's length is counted."""
    config, policy = setting("CartPole-v1", mode, workers=3)
    with closing(collect(config, policy)) as collection:
        assert collection.next().num_steps == config.steps_per_rollout == steps


def test_worker_seeds_differ() -> None:
    """By worker and by run, and the run's are the same again."""
    configs = [setting("CartPole-v1", "serial", workers=4, seed=seed)[0] for seed in (1, 2, 1)]
    seeds = [[config.worker_seed(worker) for worker in range(4)] for config in configs]
    assert seeds[0] == seeds[2]
    assert len({*seeds[0], *seeds[1]}) == 8
