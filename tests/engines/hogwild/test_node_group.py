"""How nodes find each other, and what is refused: each node is a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from lit_a3c import ConfigError
from lit_a3c.engines.hogwild import node_group
from lit_a3c.engines.hogwild.node_group import NodeGroup, node_rank, row_of
from tests.engines.hogwild.nodes import free_port
from tests.engines.hogwild.trainings import GENEROUS


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "GROUP_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))


def on_each(do: Callable[[int], Any], nodes: int = 2) -> list[Any]:
    """What a function gives on every node, or the error that it raises there."""
    results: list[Any] = [None] * nodes

    def run(rank: int) -> None:
        try:
            results[rank] = do(rank)
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS)
        assert not thread.is_alive()
    return results


def group(rank: int, size: int = 2) -> NodeGroup:
    return NodeGroup(LightningEnvironment(), rank, size, GENEROUS)


def test_nodes_sum_collect_and_send() -> None:
    def do(rank: int) -> Any:
        node = group(rank, 3)
        found = node.agree({"workers": rank, "lr": 0.1}, exempt=("workers",))
        state = torch.full((2,), float(rank))
        node.broadcast([state])
        total = torch.full((2,), float(rank + 1))
        node.sum(total).wait()
        rows, work = node.gather(row_of((rank, 2.0**52 + rank)))
        work.wait()
        if rank:
            for number in range(2):
                node.post({"from": rank, "number": number})
        node.sum(torch.zeros(1)).wait()
        messages = node.take() if rank == 0 else []
        node.sum(torch.zeros(1)).wait()  # node 0 serves the store
        node.close(waiting=False)
        return found, state.tolist(), total.tolist(), rows.tolist(), messages

    results = on_each(do, 3)
    for rank, (found, state, total, rows, messages) in enumerate(results):
        assert [options["workers"] for options in found] == [0, 1, 2]
        assert (state, total) == ([0.0, 0.0], [6.0, 6.0])
        assert rows == [[node, 2.0**52 + node] for node in range(3)]
        sent = [{"from": node, "number": number} for node in (1, 2) for number in range(2)]
        assert messages == (sent if rank == 0 else [])


def test_nodes_with_different_options_are_refused_on_all_of_them() -> None:
    options = [{"data.env_id": "CartPole-v1"}, {"data.env_id": "Pendulum-v1"}]
    for error in on_each(lambda rank: group(rank).agree(options[rank])):
        assert isinstance(error, ConfigError)
        assert "data.env_id is 'CartPole-v1' on node 0 and 'Pendulum-v1' on node 1" in str(error)


def test_two_nodes_of_one_number_are_refused() -> None:
    nodes = on_each(group)
    assert all(isinstance(node, NodeGroup) for node in nodes)
    (error,) = on_each(lambda _: group(1), nodes=1)
    assert isinstance(error, ConfigError)
    assert "two nodes have the number 1" in str(error)


def test_a_port_in_use_is_refused() -> None:
    node = group(0)
    (error,) = on_each(lambda _: group(0), nodes=1)
    assert isinstance(error, ConfigError)
    assert "MASTER_PORT" in str(error)
    node.close(waiting=False)


def test_a_node_that_does_not_come_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(node_group, "JOIN_SECONDS", 1.0)
    monkeypatch.setattr(node_group, "SILENT_SECONDS", 0.2)
    (error,) = on_each(lambda rank: group(rank).agree({}), nodes=1)
    assert isinstance(error, ConfigError)
    assert "node 1 has not come within 1 seconds" in str(error)
    assert "waiting for node 1 (2 nodes)" in capsys.readouterr().err
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    (error,) = on_each(lambda _: group(1), nodes=1)
    assert isinstance(error, ConfigError)
    assert "node 0 at 127.0.0.1" in str(error)


def test_a_signal_ends_the_wait() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    node = NodeGroup(LightningEnvironment(), 0, 2, GENEROUS, stop)
    with pytest.raises(KeyboardInterrupt):
        node.agree({})


# The number of a node


def test_the_number_comes_from_the_variables_of_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"NODE_RANK \(0 to 1\).* not set: NODE_RANK"):
        node_rank(LightningEnvironment(), 2)
    monkeypatch.setenv("NODE_RANK", "1")
    assert node_rank(LightningEnvironment(), 2) == 1
    monkeypatch.delenv("MASTER_PORT")
    with pytest.raises(ConfigError, match="not set: MASTER_PORT"):
        node_rank(LightningEnvironment(), 2)
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setenv("NODE_RANK", "2")
    with pytest.raises(ConfigError, match="NODE_RANK 2 must be from 0 to 1"):
        node_rank(LightningEnvironment(), 2)

    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "GROUP_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    assert node_rank(TorchElasticEnvironment(), 4) == 3
    with pytest.raises(ConfigError, match=r"4 processes were started, and trainer\.num_nodes is 2"):
        node_rank(TorchElasticEnvironment(), 2)

    for name, value in {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert node_rank(SLURMEnvironment(), 2) == 1
