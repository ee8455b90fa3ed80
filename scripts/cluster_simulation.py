"""How many actors a learner feeds on: steps per second and policy lag, simulated event by event.

    python scripts/cluster_simulation.py [--actors 1 2 ... 1000] [--rollouts 1 2 4 8 16] [--update-ms 8.95]
        [--step-us 13] [--delivery-ms 0] [--rollout-ms 160] [--spread 0.1] [--delay-ms 1] [--in-flight 1]

Each actor takes the requests that have reached it one after the other. A request carries the weights of the moment in
which it was sent. The learner takes K rollouts, first come first served, and makes one update of them, which costs
``update + K * (delivery + step * steps)``. As the train loader does, it asks an actor for its next rollout as soon as
it wants another one itself: for K - 1 of them before the update, for the last one after it. ``learner_profile.py``
measures the costs of an update. Prints a Markdown table; the same seed gives the same numbers.
"""

from __future__ import annotations

import argparse
import functools
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

ACTORS = (1, 2, 4, 8, 15, 30, 60, 120, 250, 500, 1000)
ROLLOUTS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Cluster:
    """One learner and its actors. All times are in seconds.

    Attributes:
        actors: Their number.
        rollouts_per_update: Rollouts K that the learner takes for an update.
        steps: Steps of a rollout.
        rollout: Time of a rollout, the mean.
        spread: Its standard deviation, as a share of the mean; log-normal.
        delay: Of the network, one way.
        update: The learner's cost of an update, whatever its size.
        step: The learner's cost of each step of it.
        delivery: The learner's cost of each rollout, for requests and unpacking.
        in_flight: Requests that each actor has at a time.
    """

    actors: int = 1
    rollouts_per_update: int = 1
    steps: int = 160
    rollout: float = 0.160
    spread: float = 0.1
    delay: float = 0.001
    update: float = 8.95e-3
    step: float = 13e-6
    delivery: float = 0.0
    in_flight: int = 1

    @property
    def update_seconds(self) -> float:
        """What an update costs the learner."""
        return self.update + self.rollouts_per_update * (self.delivery + self.step * self.steps)

    @property
    def learner_limit(self) -> float:
        """Steps per second of a learner that never waits."""
        return self.rollouts_per_update * self.steps / self.update_seconds


@dataclass
class Result:
    """What has been seen of a cluster.

    Attributes:
        steps_per_second: Steps that the learner has learned from.
        lag: Mean policy lag, in updates.
        busy: Share of the time in which the learner computed an update.
    """

    steps_per_second: float
    lag: float
    busy: float


class Simulation:
    """A cluster from its first request on.

    Args:
        cluster: What is simulated.
        seed: Of the times of rollouts.
    """

    def __init__(self, cluster: Cluster, seed: int = 0) -> None:
        self.cluster, self.now, self.version = cluster, 0.0, 0
        self.lags: list[int] = []
        """Of each rollout that was learned from."""
        self.updated: list[float] = []
        """The end of each update."""
        self._random = random.Random(seed)
        self._sigma = math.sqrt(math.log1p(cluster.spread**2))
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # of events at the same moment
        self._requests: list[deque[int]] = [deque() for _ in range(cluster.actors)]  # versions; the first is acted on
        self._ready: deque[tuple[int, int]] = deque()  # actor and version
        self._taken = 0  # rollouts of the update that is being put together
        self._learning = False
        for _ in range(cluster.in_flight):
            for actor in range(cluster.actors):
                self._request(actor)

    def run(self, updates: int) -> None:
        """Go on until so many updates have been made."""
        while len(self.updated) < updates:
            self.now, _, event = heapq.heappop(self._events)
            event()

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    def _request(self, actor: int) -> None:
        version = self.version
        self._after(self.cluster.delay, lambda: self._arrive(actor, version))

    def _arrive(self, actor: int, version: int) -> None:
        self._requests[actor].append(version)
        if len(self._requests[actor]) == 1:
            self._act(actor)

    def _act(self, actor: int) -> None:
        spread = math.exp(self._sigma * self._random.gauss(0, 1) - self._sigma**2 / 2) if self._sigma else 1.0
        self._after(self.cluster.rollout * spread, lambda: self._finish(actor))

    def _finish(self, actor: int) -> None:
        version = self._requests[actor].popleft()
        self._after(self.cluster.delay, lambda: self._deliver(actor, version))
        if self._requests[actor]:
            self._act(actor)

    def _deliver(self, actor: int, version: int) -> None:
        self._ready.append((actor, version))
        self._take()

    def _take(self) -> None:
        """Take rollouts until there are enough for an update, or no more."""
        while self._ready and not self._learning:
            actor, version = self._ready.popleft()
            self.lags.append(self.version - version)
            self._taken += 1
            if self._taken < self.cluster.rollouts_per_update:
                self._request(actor)
            else:
                self._learning = True
                self._after(self.cluster.update_seconds, functools.partial(self._learned, actor))

    def _learned(self, last: int) -> None:
        self.version += 1
        self.updated.append(self.now)
        self._request(last)
        self._taken, self._learning = 0, False
        self._take()


def simulate(cluster: Cluster, seed: int = 0) -> Result:
    """What a cluster does once it is in full swing: after each actor has had its fourth turn, for twenty turns more."""
    of_all = cluster.actors * cluster.in_flight / cluster.rollouts_per_update  # updates of one turn of all actors
    warm_up, measured = math.ceil(4 * of_all) + 10, math.ceil(20 * of_all) + 200
    simulation = Simulation(cluster, seed)
    simulation.run(warm_up + measured)
    seconds = simulation.updated[-1] - simulation.updated[warm_up - 1]
    lags = simulation.lags[warm_up * cluster.rollouts_per_update :][: measured * cluster.rollouts_per_update]
    rollouts = measured * cluster.rollouts_per_update
    return Result(
        rollouts * cluster.steps / seconds, sum(lags) / len(lags), measured * cluster.update_seconds / seconds
    )


def main() -> None:
    """Simulate each number of actors with each number of rollouts an update, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Cluster()
    parser.add_argument("--actors", nargs="+", type=int, default=ACTORS)
    parser.add_argument("--rollouts", nargs="+", type=int, default=ROLLOUTS, help="rollouts an update")
    parser.add_argument("--steps", type=int, default=default.steps, help="of a rollout")
    parser.add_argument("--in-flight", type=int, default=default.in_flight, help="requests an actor")
    parser.add_argument("--spread", type=float, default=default.spread, help="of the time of a rollout, as a share")
    parser.add_argument("--seed", type=int, default=0)
    scales = {"rollout": 1e3, "delay": 1e3, "update": 1e3, "delivery": 1e3, "step": 1e6}
    for name, scale in scales.items():
        unit = "us" if scale == 1e6 else "ms"
        parser.add_argument(f"--{name}-{unit}", dest=name, type=float, default=scale * getattr(default, name))
    options = vars(parser.parse_args())
    actors, rollouts, seed = (options.pop(name) for name in ("actors", "rollouts", "seed"))
    if min(*actors, *rollouts, options["steps"], options["in_flight"]) < 1 or min(options.values()) < 0:
        parser.error("counts are at least 1, and times at least 0")
    cluster = replace(default, **options | {name: options[name] / scale for name, scale in scales.items()})
    clusters = [replace(cluster, rollouts_per_update=k) for k in rollouts]
    print("| actors | " + " | ".join(f"K = {k}" for k in rollouts) + " |\n|" + "---|" * (1 + len(rollouts)))
    for n in actors:
        results = (simulate(replace(each, actors=n), seed) for each in clusters)
        print(f"| {n:,} | " + " | ".join(f"{r.steps_per_second:,.0f}, lag {r.lag:.1f}" for r in results) + " |")
    print("| the learner's limit | " + " | ".join(f"{each.learner_limit:,.0f}" for each in clusters) + " |")


if __name__ == "__main__":
    main()
