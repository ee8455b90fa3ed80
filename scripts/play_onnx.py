#!/usr/bin/env python3
"""Plays episodes with a policy that `lit-a3c export --format onnx` has written: without lit_a3c and without torch.

    python scripts/play_onnx.py best.onnx --episodes 100

It needs numpy, gymnasium and onnxruntime alone, and for Atari games ale-py. The environment is made as the file says.
Episodes have the seeds of `lit-a3c test`. The result is printed as JSON: the return of each episode, and their mean.
docs/export.md says what the file has inside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import onnxruntime
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple
from gymnasium.wrappers import RecordEpisodeStatistics

TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


class Policy:
    """A policy in an ONNX file, which acts in one environment.

    Args:
        file: The file.
        action_space: Of the environment.
    """

    def __init__(self, file: str, action_space: gymnasium.Space | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the networks are small
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.metadata = self._session.get_modelmeta().custom_metadata_map
        self._inputs = {port.name: port for port in self._session.get_inputs()}
        self._outputs = [port.name for port in self._session.get_outputs()]
        self.action_space = action_space
        self.reset()

    def reset(self) -> None:
        """At the start of an episode. A policy without a recurrent state has nothing to forget."""
        self._episode_start = True
        size = self._inputs["recurrent_state"].shape[1] if "recurrent_state" in self._inputs else 0
        self._state = np.zeros((1, size), np.float32)

    def __call__(self, observation: Any, info: dict[str, Any]) -> Any:
        """The action for an observation."""
        given = dict(leaves("observation", observation))
        if "action_mask" in self._inputs:
            mask = observation["action_mask"] if self._mask_in_observation else info["action_mask"]
            given["action_mask"] = flat_mask(self.action_space, mask)
        arrays = {name: self._array(name, given[name]) for name in self._inputs if name in given}
        if self._state.size:
            arrays |= {"recurrent_state": self._state, "episode_start": np.array([self._episode_start])}
        outputs = dict(zip(self._outputs, self._session.run(None, arrays), strict=True))
        self._state, self._episode_start = outputs.get("next_recurrent_state", self._state), False
        return action("action", self.action_space, outputs)

    @property
    def _mask_in_observation(self) -> bool:
        return json.loads(self.metadata["spaces"])["mask_source"] == "observation"

    def _array(self, name: str, value: Any) -> np.ndarray:
        """One observation as a batch of one, of the type that the file asks for."""
        kind = self._inputs[name].type
        return np.asarray(value, TYPES.get(kind, kind.removeprefix("tensor(").removesuffix(")")))[None]


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an observation with the names of their inputs."""
    if isinstance(value, dict | tuple):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(f"{name}.{key}", part)
    else:
        yield name, value


def action(name: str, space: Any, outputs: dict[str, np.ndarray]) -> Any:
    """The action of the first environment."""
    if isinstance(space, Dict):
        return {key: action(f"{name}.{key}", part, outputs) for key, part in space.items()}
    if isinstance(space, Tuple):
        return tuple(action(f"{name}.{i}", part, outputs) for i, part in enumerate(space))
    return outputs[name][0]


def flat_mask(space: Any, mask: Any) -> np.ndarray:
    """The masks of all choices side by side, in the order of the actions."""
    if isinstance(mask, np.ndarray) and isinstance(space, Dict | Tuple):
        return mask  # it is flat already
    if isinstance(space, Dict):
        parts = [flat_mask(part, None if mask is None else mask[key]) for key, part in space.items()]
    elif isinstance(space, Tuple):
        parts = [flat_mask(part, None if mask is None else mask[i]) for i, part in enumerate(space)]
    elif isinstance(space, Discrete | MultiDiscrete):
        size = int(space.n if isinstance(space, Discrete) else space.nvec.sum())
        parts = [np.ones(size, bool)] if mask is None else list(arrays(mask))
    else:
        parts = []
    return np.concatenate([np.empty(0, bool), *parts])


def arrays(mask: Any) -> Iterator[np.ndarray]:
    """The arrays in nested tuples."""
    if isinstance(mask, tuple | list):
        for part in mask:
            yield from arrays(part)
    else:
        yield np.asarray(mask, bool)


class Atari(gymnasium.Env):
    """A game by the protocol of lit-a3c: ALE skips frames, makes them grey and small, and stacks them.

    Args:
        env_id: ``ALE/<Game>-v5``.
        options: The section ``data.atari`` of the config.
    """

    def __init__(self, env_id: str, options: dict[str, Any]) -> None:
        import ale_py
        from ale_py.vector_env import AtariVectorEnv

        gymnasium.register_envs(ale_py)
        self._vector = AtariVectorEnv(
            gymnasium.spec(env_id).kwargs["game"],
            1,
            frameskip=options.get("frame_skip", 4),
            stack_num=options.get("frame_stack", 4),
            noop_max=options.get("noop_max", 30),
            repeat_action_probability=options.get("sticky", 0.0),
            use_fire_reset=options.get("fire_reset", True),
            full_action_space=options.get("full_action_space", False),
            max_num_frames_per_episode=options.get("max_frames", 108_000),
            reward_clipping=False,
            episodic_life=False,
        )
        self.observation_space: Box = self._vector.single_observation_space
        self.action_space: Discrete = self._vector.single_action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self._vector.reset(seed=seed)[0][0], {}

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = self._vector.step(np.array([action]))
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}


def make(env_id: str, data: dict[str, Any]) -> tuple[gymnasium.Env, RecordEpisodeStatistics]:
    """The environment that the section ``data`` of a config describes, and who counts its own rewards."""
    if env_id.startswith("ALE/"):
        base: gymnasium.Env = Atari(env_id, data.get("atari") or {})
    else:
        base = gymnasium.make(env_id, **(data.get("env_kwargs") or {}))
    env = counter = RecordEpisodeStatistics(base)
    for wrapper in data.get("wrappers") or []:
        name = wrapper["class_path"].rpartition(".")[2]  # a file names no other code than Gymnasium's
        env = getattr(gymnasium.wrappers, name)(env, **(wrapper.get("init_args") or {}))
    return env, counter


def play(policy: Policy, env: gymnasium.Env, counter: RecordEpisodeStatistics, seed: int, max_steps: int) -> float:
    """The return of one episode, with the start that `lit-a3c test` gives to this seed."""
    env.reset(seed=seed)
    observation, info = env.reset()  # the second reset counts, as there
    policy.reset()
    for _ in range(max_steps):
        observation, _, terminated, truncated, info = env.step(policy(observation, info))
        if terminated or truncated:
            break
    return float(counter.episode_returns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="the ONNX file")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--env_id", help="another id than the file has; module:Id imports the module")
    parser.add_argument("--seed", type=int, help="of the first episode (default: that of lit-a3c test)")
    arguments = parser.parse_args()
    policy = Policy(arguments.file)
    data = json.loads(policy.metadata["config"]).get("data", {})
    env_id = arguments.env_id or policy.metadata["env_id"]
    env, counter = make(env_id, data)
    policy.action_space = env.action_space
    first = int(policy.metadata.get("test_seed", 0)) if arguments.seed is None else arguments.seed
    limit = data.get("max_eval_steps", 108_000)
    returns = [play(policy, env, counter, first + i, limit) for i in range(arguments.episodes)]
    print(json.dumps({"env_id": env_id, "episodes": len(returns), "mean": float(np.mean(returns)), "returns": returns}))


if __name__ == "__main__":
    main()
