"""Tiny environments with known answers, registered on import: ``data.env_id = "tests.dummy_envs:DummyIdentity-v0"``."""

from __future__ import annotations

import gymnasium

from tests.dummy_envs.base import (
    LIMIT,
    BoxIdentity,
    DummyEnv,
    HalfBox,
    Identity,
    Lengths,
    Pid,
    StartsAtOne,
    TwoSides,
    WideBox,
)
from tests.dummy_envs.composite import Buttons, Car, Clues, Everything, Grid, Robot, Senses
from tests.dummy_envs.empty import EmptyAction, EmptyBox, EmptyDict, EmptyTuple, OneAction
from tests.dummy_envs.failing import (
    BreaksElsewhere,
    Broken,
    Counted,
    CountedByAll,
    Crashes,
    Poisoned,
    Speech,
    Unbuildable,
    WholeBox,
    Words,
)
from tests.dummy_envs.masked import Dials, Doors, DoorsSeen, Stuck
from tests.dummy_envs.misbehaving import ForPeople, Growing, Misbehaving, Rich, Undrawable, Unseen
from tests.dummy_envs.partial import Junction

__all__ = ["LIMIT", "dummy"]

for env, limit in {
    Identity: None,
    BoxIdentity: None,
    WideBox: None,
    HalfBox: None,
    StartsAtOne: None,
    Broken: None,
    Crashes: None,
    BreaksElsewhere: None,
    Poisoned: None,
    Counted: None,
    CountedByAll: None,
    Unbuildable: None,
    Pid: None,
    Lengths: None,
    Grid: None,
    Buttons: None,
    Car: None,
    Robot: None,
    Senses: None,
    Clues: None,
    Everything: None,
    Junction: None,
    TwoSides: None,
    Doors: None,
    DoorsSeen: None,
    Dials: None,
    Stuck: None,
    Words: None,
    Speech: None,
    WholeBox: None,
    EmptyBox: None,
    EmptyDict: None,
    EmptyTuple: None,
    EmptyAction: None,
    OneAction: None,
    Misbehaving: None,
    Rich: None,
    Growing: None,
    Undrawable: None,
    ForPeople: None,
    Unseen: None,
}.items():
    gymnasium.register(f"Dummy{env.__name__}-v0", entry_point=env, max_episode_steps=limit)
gymnasium.register("DummyMisbehavingInTime-v0", entry_point=Misbehaving, max_episode_steps=100)
gymnasium.register("DummyCounter-v0", entry_point=DummyEnv)
gymnasium.register("DummyTimeLimit-v0", entry_point=DummyEnv, max_episode_steps=LIMIT)


def dummy(name: str) -> str:
    """The id to give as ``data.env_id``."""
    return f"tests.dummy_envs:Dummy{name}-v0"
