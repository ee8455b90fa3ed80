"""The tree, the public face, and who may import whom."""

from __future__ import annotations

import ast
import csv
import importlib
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

import lit_a3c
from tests.commands import ROOT

PACKAGE = ROOT / "lit_a3c"

FLOORS = {
    "errors": 0,
    "guard": 0,
    "signals": 0,
    "processes": 0,
    "patience": 0,
    # The design puts envs on floor 3; it needs nothing but errors, and a rollout carries its Episodes.
    "envs": 1,
    "counter": 1,
    "returns": 1,
    "losses": 1,
    "rollout": 1,
    "running": 1,
    "bodies": 2,
    "distributions": 2,
    "heads": 2,
    "memory": 2,
    "policy": 3,
    "optim": 3,
    "actor": 4,
    "weights": 4,
    "workers": 4,
    "collect": 4,
    "fork_server": 4,
    "stream": 4,
    "evaluate": 4,
    "meter": 4,
    "checkpoints": 4,
    "sealed": 3,
    "module": 5,
    "shared": 4,
    "crew": 4,
    "strategies": 4,
    "data": 5,
    "loggers": 5,
    "configs": 0,
    "recipes": 6,
    "messages": 6,
    "trainer_options": 6,
    "callbacks": 6,
    "cli": 7,
    "main": 8,
    "__main__": 9,
}
"""A file imports from its own floor or from below."""


@pytest.fixture(scope="module")
def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_package_list_is_complete(project: Any) -> None:
    """Every directory with an ``__init__.py``, linked ones included."""
    found = {"lit_a3c"}
    for entry in PACKAGE.rglob("*/__init__.py"):
        found.add(".".join(entry.parent.relative_to(ROOT).parts))
    for link in PACKAGE.iterdir():  # rglob does not follow links on every Python
        if link.is_symlink() and (link / "__init__.py").exists():
            found.add(f"lit_a3c.{link.name}")
    setuptools = project["tool"]["setuptools"]
    assert set(setuptools["packages"]) == found
    assert setuptools["package-dir"] == {
        f"lit_a3c.{link.name}": str(link.readlink().name) for link in PACKAGE.iterdir() if link.is_symlink()
    }
    assert set(setuptools["package-dir"]) == {"lit_a3c.callbacks", "lit_a3c.configs"}
    for directory in setuptools["package-dir"].values():
        assert (ROOT / directory / "__init__.py").is_file()


def test_every_file_that_is_no_python_is_package_data(project: Any) -> None:
    data = project["tool"]["setuptools"]["package-data"]
    for package in project["tool"]["setuptools"]["packages"]:
        directory = ROOT.joinpath(*package.split("."))
        for file in directory.iterdir():
            if file.is_file() and file.suffix not in (".py", ".pyc"):
                assert any(file.match(pattern) for pattern in data.get(package, [])), file


def test_recipes_and_reference_scores_are_found_as_resources() -> None:
    recipes = [file for file in resources.files("lit_a3c.configs").iterdir() if file.name.endswith(".yaml")]
    assert {"atari.yaml", "mujoco.yaml", "cartpole.yaml", "pendulum.yaml"} <= {file.name for file in recipes}
    for recipe in recipes:
        assert {"data", "model", "trainer"} <= set(yaml.safe_load(recipe.read_text()))
    with (resources.files("lit_a3c.envs") / "atari57.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 57
    assert resources.files("lit_a3c").joinpath("py.typed").is_file()


def test_the_public_face_is_the_lazy_table() -> None:
    assert set(lit_a3c.__all__) == {*lit_a3c._HOMES, "__version__"}
    assert sorted(lit_a3c.__all__) == dir(lit_a3c)
    assert len(lit_a3c.__all__) == len(set(lit_a3c.__all__))


@pytest.mark.parametrize("name", lit_a3c._HOMES)
def test_every_public_name_resolves(name: str) -> None:
    home = importlib.import_module(f"lit_a3c.{lit_a3c._HOMES[name]}")
    assert getattr(lit_a3c, name) is getattr(home, name)


def test_type_checkers_see_the_same_names() -> None:
    """The imports under TYPE_CHECKING are the lazy table's."""
    seen = {}
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lit_a3c."):
            seen |= {alias.name: (node.module or "").removeprefix("lit_a3c.") for alias in node.names}
    assert seen == lit_a3c._HOMES


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'lit_a3c' has no attribute 'A4C'"):
        lit_a3c.A4C  # noqa: B018


def units() -> dict[str, list[Path]]:
    """Every file or subpackage of ``lit_a3c`` and its sources."""
    files: dict[str, list[Path]] = {}
    for entry in sorted(PACKAGE.iterdir()):
        if entry.is_dir() and (entry / "__init__.py").exists():
            files[entry.name] = sorted(entry.rglob("*.py"))
        elif entry.suffix == ".py" and entry.name != "__init__.py":
            files[entry.stem] = [entry]
    return files


def imports(file: Path) -> set[str]:
    """The units that a source imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            module = node.module or ""
            # `from lit_a3c import A3C` means the file that A3C lives in.
            names = [module] if module != "lit_a3c" else [f"lit_a3c.{home_of(alias.name)}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("lit_a3c.")}
    return found - {"__version__"}


def home_of(name: str) -> str:
    return lit_a3c._HOMES.get(name, name)


def test_every_file_has_a_floor() -> None:
    assert set(units()) == set(FLOORS)


@pytest.mark.parametrize("unit", FLOORS)
def test_imports_point_down(unit: str) -> None:
    for file in units()[unit]:
        for imported in imports(file) - {unit}:
            assert FLOORS[imported] <= FLOORS[unit], f"{file} imports {imported}"


def test_module_and_data_do_not_know_each_other() -> None:
    assert "data" not in imports(PACKAGE / "module.py")
    assert "module" not in imports(PACKAGE / "data.py")


def test_callbacks_are_imported_by_the_command_line_alone() -> None:
    users = {unit for unit, files in units().items() if any("callbacks" in imports(file) for file in files)}
    assert users <= {"callbacks", "cli"}


def test_nothing_imports_itself_through_others() -> None:
    """The graph of units has an order."""
    graph = {unit: set().union(*map(imports, files)) - {unit} for unit, files in units().items()}
    while graph:
        free = [unit for unit, needs in graph.items() if not needs & graph.keys()]
        assert free, f"a circle among {sorted(graph)}"
        for unit in free:
            del graph[unit]


@pytest.mark.parametrize("extra", ["--help", "dev,benchmarks"])
def test_setup_refuses_an_unknown_extra(extra: str) -> None:
    """At once and in one line, before anything is installed."""
    done = subprocess.run(["bash", str(ROOT / "scripts/setup.sh"), extra], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"setup: there is no extra '{extra.split(',')[-1]}', only dev, benchmark and plot, comma-separated.\n"
    )
