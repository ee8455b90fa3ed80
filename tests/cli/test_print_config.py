"""``--print_config``: what it prints is a config, which prints the same again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lit_a3c.cli.configs import SECTIONS, config_chain, shipped_configs
from tests.commands import Lightning


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_round_trips(name: str, cli: Lightning) -> None:
    """What the config says is in it, and every section of the command line."""
    printed = cli("fit", "--config", name, "--print_config")
    Path("mine.yaml").write_text(printed)
    assert cli("fit", "--config", "mine.yaml", "--print_config") == printed
    config = yaml.safe_load(printed)
    assert set(config) >= set(SECTIONS)
    shipped = yaml.safe_load(shipped_configs()[name].read_text())
    for section in ("data", "model", "trainer"):
        for option, value in shipped.get(section, {}).items():
            given = config[section][option]
            if option in ("body", "head", "recurrent", "optimizer"):
                chosen = value if isinstance(value, dict) else {"class_path": value}
                assert given["class_path"] == chosen["class_path"]
                assert chosen.get("init_args", {}).items() <= given["init_args"].items()
            elif isinstance(value, dict):
                assert given.items() >= value.items(), option
            else:
                assert given == value, option


def test_options_that_no_config_has_round_trip(cli: Lightning) -> None:
    """Recurrent core, a head of heads, options of Atari, callbacks of the user."""
    options = [
        *("--model.recurrent", "LSTM", "--model.recurrent.hidden_size", "7", "--model.final_entropy_coef", "0"),
        *("--model.head", "JointHead", "--model.head.box", "BetaHead", "--model.head.box.init_concentration", "2"),
        *("--data.atari.sticky", "0.25", "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=x"),
        *("--engine", "sync", "--num_workers", "3", "--seed_everything", "5", "--progress.refresh_rate", "9"),
    ]
    printed = cli("fit", "--config", "atari.yaml", *options, "--print_config")
    Path("mine.yaml").write_text(printed)
    assert cli("fit", "--config", "mine.yaml", "--print_config") == printed
    config = yaml.safe_load(printed)
    assert config["model"]["recurrent"]["init_args"]["hidden_size"] == 7
    assert config["model"]["head"]["init_args"]["box"]["init_args"] == {"init_concentration": 2.0}
    assert config["data"]["atari"]["sticky"] == 0.25
    assert config["trainer"]["callbacks"][0]["init_args"]["monitor"] == "x"
    assert (config["engine"], config["num_workers"], config["seed_everything"]) == ("sync", 3, 5)


def test_a_printed_config_builds_on_nothing(cli: Lightning) -> None:
    """It holds the values of its bases, and needs their files no more."""
    Path("mine.yaml").write_text(cli("fit", "--config", "swimmer.yaml", "--print_config"))
    assert config_chain("mine.yaml") == ["mine.yaml"]
