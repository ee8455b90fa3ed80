"""Exported policies play the same episodes without torch, for every head and every kind of observation."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from lit_a3c import GRU, LSTM, AtariOptions, EnvConfig, RolloutDataModule, evaluate
from lit_a3c.export import export_policy
from tests.dummy_envs import dummy
from tests.export.policies import BOX_HEADS, EveryHead, played_without_torch, random_agent

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

SMALL_LSTM, SMALL_GRU = (functools.partial(core, hidden_size=8) for core in (LSTM, GRU))
SHORT: dict[str, tuple[str, dict[str, Any]]] = {
    "every head": ("Everything", {"head": EveryHead, "normalize_returns": True}),
    "images, nested observations, LSTM, two encoders": ("Clues", {"recurrent": SMALL_LSTM, "share_body": False}),
    "masks in the observation, GRU": ("DoorsSeen", {"recurrent": SMALL_GRU}),
    "composite masks": ("Dials", {}),
}
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    **{head.__name__: ("BoxIdentity", {"head": head}) for head in BOX_HEADS},
    **{name: (name, {}) for name in ("Identity", "Doors", "Grid", "Buttons", "Car", "Robot", "Senses")},
    **{core.func.__name__: ("Junction", {"recurrent": core}) for core in (SMALL_LSTM, SMALL_GRU)},
}
SEED = 77


def check(cases: dict[str, tuple[str, dict[str, Any]]], episodes: int, directory: Path) -> None:
    """Export each, and play it without torch and with it."""
    expected, plays = {}, {}
    for number, (name, (env_id, options)) in enumerate(cases.items()):
        env = EnvConfig(dummy(env_id))
        agent = random_agent(env, **options)
        exported = export_policy(agent, directory / f"{number}.onnx", "onnx")
        assert exported.difference <= 1e-5, name
        expected[name] = evaluate(agent, env, episodes, deterministic=True, seed=SEED).returns
        plays[exported.file] = (SEED, episodes)
    for (name, returns), played in zip(expected.items(), played_without_torch(plays), strict=True):
        # A Box action may differ in its last digit, and a return is a sum of functions of it.
        np.testing.assert_allclose(played, returns, rtol=1e-5, atol=1e-5, err_msg=name)
        assert len(set(played)) > 1 or name == "composite masks", name  # there it is the number of allowed actions


def test_every_head_core_and_observation_plays_the_same(tmp_path: Path) -> None:
    check(SHORT, 5, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MORE)
def test_each_head_by_itself_plays_the_same(name: str, tmp_path: Path) -> None:
    check({name: MORE[name]}, 50, tmp_path)


def test_atari_is_played_by_the_protocol_of_its_config(tmp_path: Path) -> None:
    """Sticky actions and no-ops are draws of the emulator: the seed must be that of ``lit-a3c test``."""
    options = AtariOptions(sticky=0.25, max_frames=1000)
    env = EnvConfig("ALE/Breakout-v5", options)
    agent = random_agent(env)
    config = "{seed_everything: 5, data: {atari: {sticky: 0.25, max_frames: 1000}}}"
    exported = export_policy(agent, tmp_path / "breakout.onnx", "onnx", config)
    assert [(port.name, port.type, port.shape) for port in exported.inputs] == [("observation", "uint8", (4, 84, 84))]
    scored = evaluate(agent, env, 3, deterministic=True, seed=20_000_005)
    assert played_without_torch({exported.file: (None, 3)}) == [scored.returns.tolist()]


def test_wrappers_of_gymnasium_stand_outside(tmp_path: Path) -> None:
    """The file takes what the wrapped environment of the config gives."""
    stack = {"class_path": "gymnasium.wrappers.FrameStackObservation", "init_args": {"stack_size": 3}}
    around = [functools.partial(gymnasium.wrappers.FrameStackObservation, stack_size=3)]
    env = RolloutDataModule("CartPole-v1", wrappers=around).env
    agent = random_agent(env)
    config = json.dumps({"data": {"wrappers": [stack], "max_eval_steps": 30}})
    exported = export_policy(agent, tmp_path / "stack.onnx", "onnx", config)
    assert [port.shape for port in exported.inputs] == [(3, 4)]
    scored = evaluate(agent, env, 4, deterministic=True, seed=SEED, max_steps=30)
    assert played_without_torch({exported.file: (SEED, 4)}) == [scored.returns.tolist()]
