"""What is said where the package of an environment is missing, or does not work with this MuJoCo."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType

import gymnasium
import pytest

from lit_a3c.envs import EnvConfig
from lit_a3c.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("module", "env_id", "extra"),
    [
        ("minigrid", "minigrid:MiniGrid-Empty-8x8-v0", "minigrid"),
        ("gymnasium_robotics", "gymnasium_robotics:FetchReach-v4", "robotics"),
        ("Box2D", "LunarLander-v3", "box2d"),
        ("shimmy", "shimmy:dm_control/cartpole-swingup-v0", "dm-control"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    module: str, env_id: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(ConfigError, match=rf"{module} is not installed: pip install 'lit-a3c\[{extra}\]'\.$"):
        EnvConfig(env_id).spaces()


def test_a_package_that_registers_nothing_lacks_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shimmy can be imported without dm_control."""
    monkeypatch.setitem(sys.modules, "shimmy", ModuleType("shimmy"))
    monkeypatch.setitem(sys.modules, "dm_control", None)
    env_id = "shimmy:dm_control/no-such-task-v0"
    with pytest.raises(ConfigError, match=r"dm_control is not installed: pip install 'lit-a3c\[dm-control\]'\.$"):
        EnvConfig(env_id)


@pytest.mark.parametrize(
    ("given", "full", "extra"),
    [
        ("MiniGrid-NoSuchRoom-v0", "minigrid:MiniGrid-NoSuchRoom-v0", "minigrid"),
        ("FetchNothing-v4", "gymnasium_robotics:FetchNothing-v4", "robotics"),
        ("dm_control/nothing-v0", "shimmy:dm_control/nothing-v0", "dm-control"),
    ],
)
def test_an_id_without_its_package_gets_it(given: str, full: str, extra: str) -> None:
    with pytest.raises(ConfigError, match=rf"must be named, too: '{full}', after pip install 'lit-a3c\[{extra}\]'\.$"):
        EnvConfig(given)


def fails() -> gymnasium.Env:
    raise AssertionError("as with a MuJoCo that is too new")


@pytest.mark.parametrize(("version", "hinted"), [("4.0.0", True), ("3.12.0", True), ("3.11.0", False)])
def test_a_mujoco_that_is_too_new_is_named(version: str, hinted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", ModuleType("gymnasium_robotics"))
    monkeypatch.setitem(
        gymnasium.registry, "FetchFails-v0", gymnasium.envs.registration.EnvSpec("FetchFails-v0", fails)
    )
    monkeypatch.setattr("lit_a3c.envs.packages.metadata.version", lambda _: version)
    with pytest.raises(ConfigError, match=r"AssertionError: as with a MuJoCo that is too new") as error:
        EnvConfig("gymnasium_robotics:FetchFails-v0").spaces()
    hint = f" It was not made for MuJoCo {version}: pip install 'lit-a3c[robotics]' installs an older one."
    assert (hint in str(error.value)) == hinted


def test_the_filters_of_warnings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dm_control shows every deprecation of the whole program."""
    (tmp_path / "shimmy.py").write_text("import warnings\nwarnings.simplefilter('always', DeprecationWarning)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shimmy", raising=False)
    filters = list(warnings.filters)
    with pytest.raises(ConfigError):
        EnvConfig("shimmy:nothing-v0")
    assert Path(sys.modules.pop("shimmy").__file__ or "").parent == tmp_path
    assert list(warnings.filters) == filters
