"""What a rollout costs on its way from an actor on a Ray cluster to the learner.

    python scripts/ray_throughput.py packing     # size and time of rollouts of Pong and HalfCheetah as bytes
    python scripts/ray_throughput.py delivery    # rollouts a second with 1,000 requests in flight, CPU of each

``delivery`` starts a cluster of this machine. Its actors are no real ones: they answer at once with as many bytes as a
rollout of Pong has. The weights go with each request, as those of small networks do. CPU is that of all processes of
the cluster and of this one, by ``/proc``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig
from lit_a3c.engines.processes import Failed
from lit_a3c.engines.ray_pool import client as clients
from lit_a3c.engines.ray_pool.client import RayClient, RemoteWorker
from lit_a3c.engines.ray_pool.cluster import connect
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.ray_pool.packing import pack, unpack
from lit_a3c.engines.ray_pool.remote_actor import Collected, RemoteActor
from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.utils.shared_counter import SharedCounter

TASKS = {"ALE/Pong-v5": 16, "HalfCheetah-v5": 8}
"""Environments of a worker, by task; rollouts of 10 steps."""
WEIGHTS_BYTES, ROLLOUT_BYTES = 23_000, 25_000


class Dummy(RemoteActor):
    """Answers at once."""

    def rollout(self, weights: bytes | None, policy_version: int) -> bytes:
        return Collected(b"x" * ROLLOUT_BYTES, 160).to_bytes()


def packing(options: argparse.Namespace) -> dict[str, Any]:
    """Bytes, and milliseconds of CPU, of rollouts under an untrained policy."""
    torch.set_num_threads(1)
    found = {}
    for env_id, envs in TASKS.items():
        env = EnvConfig(env_id, AtariOptions() if env_id.startswith("ALE") else None)
        spaces = env.spaces()
        config = RolloutConfig(env, spaces, "ray", 1, envs, 10, seed=0, behaviour_log_prob=True)
        actor = Actor(config, ActorCritic(spaces), 0, SharedCounter())
        sizes, there, back = [], [], []
        for _ in range(options.rollouts):
            rollout = actor.rollout(0)
            begin = time.thread_time()
            data = pack(rollout)
            packed = time.thread_time()
            unpack(data)
            sizes.append(len(data))
            there.append(1000 * (packed - begin))
            back.append(1000 * (time.thread_time() - packed))
        actor.close()
        plain = sum(tensor.nbytes for tensor in rollout.tensors().values())
        times = {"pack_ms": statistics.median(there), "unpack_ms": statistics.median(back)}
        found[env_id] = {"tensors": plain, "bytes": [min(sizes), max(sizes)], **times}
    return found


def cpu_seconds() -> float:
    """CPU of all processes of this session: this one and those of a cluster that it has started."""
    total, session = 0.0, os.getsid(0)
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def delivery(options: argparse.Namespace) -> dict[str, Any]:
    """Rollouts a second, and milliseconds of CPU of each."""
    clients.RemoteActor = Dummy  # type: ignore[misc]
    cluster = connect(RayOptions(address="local"), options.actors)
    client = RayClient(RayOptions(), b"")
    workers = [RemoteWorker(number) for number in range(options.actors)]
    for worker in workers:
        client.start(worker, 0)
    while not all(worker.placed for worker in workers):
        if (answer := client.receive(60.0)) is None:
            raise SystemExit("the actors found no place")
        if hasattr(answer[1], "node"):
            answer[0].placed = answer[1]
    weights = os.urandom(WEIGHTS_BYTES)

    def measured(requests: int, rollouts: int) -> dict[str, float]:
        begin, cpu, driver = time.perf_counter(), cpu_seconds(), time.process_time()
        for number in range(requests):
            client.ask(workers[number % len(workers)], weights, 0)
        for received in range(rollouts):
            answer = client.receive(60.0)
            assert answer is not None
            assert isinstance(answer[1], Collected)
            assert not isinstance(answer[1].rollout, Failed)
            if received < rollouts - requests:
                client.ask(answer[0], weights, 0)
        per = {"all_ms": cpu_seconds() - cpu, "learner_ms": time.process_time() - driver}
        rate = rollouts / (time.perf_counter() - begin)
        return {"per_second": round(rate), **{name: 1000 * seconds / rollouts for name, seconds in per.items()}}

    measured(options.requests, options.requests)  # warm
    found = {
        "in_flight": measured(options.requests, options.requests + options.rollouts),
        "one_by_one": measured(1, min(1000, options.rollouts)),
    }
    client.close(workers)
    cluster.end()
    return found


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"packing": packing, "delivery": delivery}


def main() -> None:
    """Measure a part and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rollouts", type=int, default=300)
    parser.add_argument("--requests", type=int, default=1000, help="delivery: requests in flight")
    parser.add_argument("--actors", type=int, default=4, help="delivery: actors")
    options = parser.parse_args()
    print(json.dumps(PARTS[options.part](options), indent=2))


if __name__ == "__main__":
    main()
