"""The connection of this process to a Ray cluster: how it is made, watched and ended."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
from typing import Any

from lit_a3c.engines.processes import cores
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.utils import compat_ray
from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.extras import require
from lit_a3c.utils.one_line import one_line
from lit_a3c.utils.signals import restore_handlers, signals_blocked

CONNECT_SECONDS = 15.0
"""Within which a cluster must answer."""
START_SECONDS = 90.0
"""Within which a cluster of this machine must have started. It takes 5 on an idle machine."""
WATCH_SECONDS = 2.0
"""Between two questions to the head, and as long as half an answer may take."""
LOST_AFTER = 4
"""Questions without an answer after which the head counts as lost: after 12 to 20 seconds."""
STORE_BYTES = 512 * 2**20
"""Object store of a cluster that is started here: the newest weights, and rollouts of more than 100 kB."""
SETTINGS = {
    # Else Ray ends this process 60 seconds after the loss of the head. The thread below notices it in 20.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
    "RAY_worker_niceness": "0",  # Ray's 15 starves actors beside other work; it counts where a machine's Ray starts
    "RAY_AUTH_MODE": "token",  # without it, whoever reaches a port of the cluster runs code on it
}
"""Environment variables of Ray, unless the user has set them."""


class HeadLostError(RunError):
    """The head of the cluster is gone, and with it the cluster."""


class Cluster:
    """A connection to a cluster, and the thread that keeps it.

    The thread connects, because outside the main thread Ray leaves the handlers of signals alone. Then it watches the
    head. It lives as long as the connection: Linux ends a cluster of this machine with the thread that has started it.

    Args:
        options: Options of the engine.
        workers: Actors to make room for, where the cluster is started here.

    Attributes:
        lost: Whether the head is gone.
        capacity: Actors for which the machines of the cluster have room, other jobs apart. It is looked up again and
            again.
    """

    def __init__(self, options: RayOptions, workers: int) -> None:
        for name, value in SETTINGS.items():  # before the import, at which Ray reads some of them
            os.environ.setdefault(name, value)
        self._ray: Any = require("ray", "ray", "engine ray")
        self._options, self._workers = options, workers
        self._owned = not self._ray.is_initialized()
        self._connected, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self.lost, self.capacity, self.address = False, 0, ""

    @property
    def usable(self) -> bool:
        """Whether actors can be started."""
        return not self.lost and not self._ended.is_set() and self._ray.is_initialized()

    def open(self) -> None:
        """Connect, or start a cluster of this machine.

        Raises:
            ConfigError: With what to do about it.
        """
        local = self._options.address == "local"
        if self._owned:
            _apply_settings(local)
            if not local:
                self._check_address()
        threading.Thread(target=self._keep, name="lit-a3c ray", daemon=True).start()
        connected = self._connected.wait(START_SECONDS if local else CONNECT_SECONDS)
        restore_handlers()
        if not connected:
            self._ended.set()
            raise ConfigError(
                f"{self._name} has not answered within {CONNECT_SECONDS:g} seconds. If this machine does not belong "
                f"to it: ray start --address={self.address or 'HOST:6379'} --num-cpus=0. If its token is another one: "
                "copy ~/.ray/auth_token from the head."
            )
        if self._error is not None:
            raise self._refusal(self._error) from self._error

    def end(self) -> None:
        """Disconnect. A cluster that was started here ends. Not if the connection was there before."""
        self._ended.set()
        if self._owned and self._ray.is_initialized():
            # Without a head it takes five seconds, and may take for ever.
            ending = threading.Thread(target=self._ray.shutdown, daemon=True)
            ending.start()
            ending.join(CONNECT_SECONDS)
            restore_handlers()

    def node_cpus(self) -> float:
        """CPUs of this machine that the cluster may use."""
        own = self._ray.get_runtime_context().get_node_id()
        return sum(node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["NodeID"] == own)

    def _keep(self) -> None:
        try:
            if self._owned:
                with signals_blocked():  # for the processes that are started: the learner decides on signals
                    compat_ray.silence_messages()
                    self._ray.init(**self._arguments())
            self.address = self._ray.get_runtime_context().gcs_address
            probe = compat_ray.HeadProbe(self.address)
            self._count()
        except BaseException as error:
            self._error = error
            return
        finally:
            self._connected.set()
        self._watch(probe)

    def _watch(self, probe: compat_ray.HeadProbe) -> None:
        failures = 0
        while not self._ended.wait(WATCH_SECONDS):
            failures = 0 if probe.answers(1.5 * WATCH_SECONDS) else failures + 1
            self.lost = failures >= LOST_AFTER
            if failures == 0:
                try:
                    self._count()
                except Exception:  # the head has gone in this moment, or this process disconnects
                    continue

    def _count(self) -> None:
        """How many actors fit: whole ones on each machine."""
        needed = self._options.actor_resources
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self.capacity = sum(
            int(min((node.get(name, 0) / amount for name, amount in needed.items()), default=0)) for node in nodes
        )

    def _arguments(self) -> dict[str, Any]:
        common = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": self._options.runtime_env}
        if self._options.address != "local":
            return {"address": self.address, **common}
        cpus = self._options.actor_resources.get("CPU", 0) * self._workers
        return {
            "address": "local",
            "num_cpus": max(cores(), int(cpus)),
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            **common,
        }

    def _check_address(self) -> None:
        """Refuse an address at which nothing answers, and a cluster that would be open to everybody.

        Raises:
            ConfigError: As it says.
        """
        try:
            found = compat_ray.cluster_address(self._options.address)
        except Exception as error:
            raise ConfigError(f"ray.address {self._options.address!r} cannot be used: {one_line(error)}.") from error
        if found is None:
            raise ConfigError(
                "ray.address 'auto': no Ray cluster runs on this machine. Start one (ray start --head), or let this "
                "machine join one (ray start --address=HOST:6379), or use --ray.address local."
            )
        self.address = found
        host, _, port = found.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS / 2).close()
        except (OSError, OverflowError) as error:
            reason = str(getattr(error, "strerror", None) or error)
            raise ConfigError(f"{self._name} does not answer: {reason}. Is its head running?") from error
        if os.environ["RAY_AUTH_MODE"].lower() == "token" and not compat_ray.has_token():
            raise ConfigError(
                f"{self._name} needs a token, and this machine has none: copy ~/.ray/auth_token from the head, where "
                "`ray get-auth-token --generate` makes it. RAY_AUTH_MODE=disabled does without, and everybody who "
                "reaches the cluster's ports can then run code on it."
            )

    @property
    def _name(self) -> str:
        given, found = self._options.address, self.address
        return f"the Ray cluster at {found or given}" + (f" (ray.address {given})" if found not in ("", given) else "")

    def _refusal(self, error: BaseException) -> ConfigError:
        """What Ray says, in one line."""
        text = " ".join(str(error).split())
        if "ersion mismatch" in text:
            theirs = re.search(r"started with: (Ray: \S+ Python: \S+) This process .*: (Ray: \S+ Python: \S+)", text)
            detail = f"it has {theirs[1]}, and this machine {theirs[2]}" if theirs else text[:300]
            return ConfigError(f"{self._name} has other versions: {detail}. Install the same on all machines.")
        if type(error).__name__ == "AuthenticationError":
            return ConfigError(f"{self._name} refuses this machine's token. Copy ~/.ray/auth_token from the head.")
        return ConfigError(f"{self._name} cannot be used: {one_line(error)}.")


_lock = threading.Lock()
_open: list[Cluster] = []
"""The connection of this process, if there is one. Ray allows one."""


def connect(options: RayOptions, workers: int = 0) -> Cluster:
    """The connection of this process, which is made if there is none.

    Args:
        options: Options of the engine.
        workers: Actors to make room for, where the cluster is started here.

    Raises:
        ConfigError: There is no such cluster, or it cannot be used.
    """
    with _lock:
        if _open and _open[0].usable:
            return _open[0]
        cluster = Cluster(options, workers)
        cluster.open()
        _open[:] = [cluster]
        return cluster


def answers(address: str) -> bool:
    """Whether a new cluster can be reached where one was lost."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=WATCH_SECONDS).close()
    except OSError:
        return False
    return True


def _apply_settings(local: bool) -> None:
    """Let Ray's variables count. A cluster of this machine has a token of its own, which is written nowhere."""
    compat_ray.reload_settings()
    if local and os.environ["RAY_AUTH_MODE"].lower() == "token" and not compat_ray.has_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
