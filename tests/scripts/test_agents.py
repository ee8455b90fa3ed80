"""How the agents of the package are trained."""

from pathlib import Path

import gymnasium
import pytest

from tests.commands import ROOT, Lightning


def test_the_command_line_has_every_option_of_the_trainings(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from agents_trainings import TRAININGS

    options: dict[tuple[str, ...], list[str]] = {}
    for training in TRAININGS.values():
        gymnasium.spec(training.env_id)
        options[(training.config, *training.options)] = training.command(Path("runs/agents/X/seed0"), 0, ())
    for command in options.values():
        assert "total_steps" in cli(*command, "--print_config")
