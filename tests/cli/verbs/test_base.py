"""What commands after training share."""

from __future__ import annotations

import pytest

from lit_a3c.cli.arguments import Answered
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.extras import require


@pytest.fixture
def parser() -> VerbParser:
    parser = VerbParser("plot", "Draw curves.")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--output")
    parser.add_argument("--axis", choices=["steps", "frames"])
    return parser


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["a", "--ouput", "x"], "plot has no option '--ouput'. Did you mean '--output'?"),
        (["a", "--out=x"], "plot has no option '--out'. Did you mean '--output'?"),
        ([], "plot: the following arguments are required: runs."),
        (["a", "--axis", "step"], "plot: argument --axis: invalid choice: 'step'"),
        (["a", "--output"], "plot: argument --output: expected one argument."),
    ],
)
def test_what_is_wrong_is_one_message(parser: VerbParser, options: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parser.parse_args(options)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_help_is_an_answer(parser: VerbParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Answered):
        parser.parse_args(["--help"])
    assert capsys.readouterr().out.startswith("usage: lit-a3c plot ")


def test_a_package_that_is_not_there_comes_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigError, match=r"^plot needs the package no_such_package: pip install 'lit-a3c\[plot\]'$"):
        require("no_such_package", "plot", "plot")
    assert require("json", "plot", "plot").dumps([]) == "[]"
