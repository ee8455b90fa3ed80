"""The tree, the public face, and who may import whom."""

from __future__ import annotations

import ast
import csv
import functools
import importlib
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

import lit_a3c
from lit_a3c.cli.configs import shipped_configs
from tests.commands import ROOT

PACKAGE = ROOT / "lit_a3c"

FLOORS = {
    "configs": 0,
    "utils": 0,
    "losses": 1,
    "returns": 1,
    "rollout": 1,
    "optim": 1,
    "envs": 2,
    "networks": 3,
    "engines": 4,
    "evaluation": 4,
    "checkpoint": 4,
    "metrics": 4,
    "training_state": 5,
    "policy_module": 5,
    "experiments": 5,
    "module": 5,
    "datamodule": 6,
    "export": 6,
    "callbacks": 7,
    "cli": 8,
    "__main__": 9,
}
"""A room is a file or a subpackage of ``lit_a3c``. It imports from its own floor or from below."""


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


def test_configs_and_reference_scores_are_found_as_resources() -> None:
    configs = [file for file in resources.files("lit_a3c.configs").iterdir() if file.name.endswith(".yaml")]
    assert {"defaults.yaml", "atari.yaml", "mujoco.yaml", "cartpole.yaml"} <= {file.name for file in configs}
    assert set(shipped_configs()) == {file.name for file in configs} - {"defaults.yaml"}
    for config in configs:
        sections = set(yaml.safe_load(config.read_text()))
        assert "trainer" in sections if config.name == "defaults.yaml" else sections & {"data", "model", "base"}
    with (resources.files("lit_a3c.envs") / "atari57.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 57
    assert resources.files("lit_a3c").joinpath("py.typed").is_file()


def test_the_public_face_is_the_lazy_table() -> None:
    assert set(lit_a3c.__all__) == {*lit_a3c._MODULE_OF, "__version__"}
    assert sorted(lit_a3c.__all__) == dir(lit_a3c)
    assert len(lit_a3c.__all__) == len(set(lit_a3c.__all__))


@pytest.mark.parametrize("name", lit_a3c._MODULE_OF)
def test_every_public_name_resolves(name: str) -> None:
    home = importlib.import_module(f"lit_a3c.{lit_a3c._MODULE_OF[name]}")
    assert getattr(lit_a3c, name) is getattr(home, name)


def test_type_checkers_see_the_same_names() -> None:
    """The imports under TYPE_CHECKING are the lazy table's."""
    seen = {}
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lit_a3c."):
            seen |= {alias.name: (node.module or "").removeprefix("lit_a3c.") for alias in node.names}
    assert seen == lit_a3c._MODULE_OF


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'lit_a3c' has no attribute 'A4C'"):
        lit_a3c.A4C  # noqa: B018


@functools.cache
def sources() -> dict[str, Path]:
    """Every module of ``lit_a3c`` by its name inside the package, ``engines.serial`` for example."""
    linked = [file for entry in PACKAGE.iterdir() if entry.is_symlink() for file in entry.rglob("*.py")]
    files = {*PACKAGE.rglob("*.py"), *linked} - {PACKAGE / "__init__.py"}
    return {".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(file: Path) -> set[str]:
    """The modules that a source imports, at its top or inside a function."""
    modules, found = sources(), set()
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, inside = name.partition(".")
            if package == "lit_a3c" and inside != "__version__":
                # `from lit_a3c import A3C` means the file that A3C lives in.
                inside = lit_a3c._MODULE_OF.get(inside, inside)
                found.add(inside if inside in modules else inside.rpartition(".")[0])
    return found - {""}


GRAPH = {name: imports(file) - {name} for name, file in sources().items()}
"""What each module imports."""


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in GRAPH} == set(FLOORS)
    assert max(FLOORS.values()) < 10


def test_every_import_is_of_a_module_that_exists() -> None:
    """The reader of the imports above has missed none."""
    assert set().union(*GRAPH.values()) <= set(GRAPH)
    assert "engines.hogwild.strategy" in GRAPH["datamodule"]
    assert "module" in GRAPH["callbacks.score_table"]


@pytest.mark.parametrize("unit", FLOORS)
def test_imports_point_down(unit: str) -> None:
    for module in (module for module in GRAPH if room(module) == unit):
        for imported in GRAPH[module]:
            assert FLOORS[room(imported)] <= FLOORS[unit], f"{module} imports {imported}"


def test_module_and_data_module_do_not_know_each_other() -> None:
    assert "datamodule" not in GRAPH["module"] | GRAPH["policy_module"]
    assert not {"module", "policy_module"} & GRAPH["datamodule"]


def test_callbacks_are_imported_by_the_command_line_alone() -> None:
    users = {room(module) for module, needs in GRAPH.items() if "callbacks" in map(room, needs)}
    assert users <= {"callbacks", "cli"}


@pytest.mark.parametrize("grouped", [False, True], ids=["modules", "rooms"])
def test_nothing_imports_itself_through_others(grouped: bool) -> None:
    """The graph of modules has an order, and so has the graph of rooms."""
    graph = dict(GRAPH)
    if grouped:
        graph = {unit: set() for unit in FLOORS}
        for module, needs in GRAPH.items():
            graph[room(module)] |= set(map(room, needs)) - {room(module)}
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
        f"setup: there is no extra '{extra.split(',')[-1]}', only dev, benchmark, box2d, completion, docs, "
        "hub, minigrid, onnx, plot, ray, tune, wandb.\n"
    )


def test_setup_refuses_what_the_pinned_mujoco_cannot_run() -> None:
    """With what to do instead."""
    done = subprocess.run(
        ["bash", str(ROOT / "scripts/setup.sh"), "dm-control"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs an older MuJoCo than constraints.txt has: pip install '.[dm-control]'" in done.stderr
