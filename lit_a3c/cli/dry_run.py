"""What ``fit`` would do with some options, without doing it: every check before the training, and the whole config."""

from __future__ import annotations

from typing import Any

import yaml
from jsonargparse import Namespace

from lit_a3c.cli.arguments import Answered
from lit_a3c.cli.lightning_cli import A3CCLI, run
from lit_a3c.cli.parts import fit_parts, spaces_of
from lit_a3c.cli.validation import check_monitors
from lit_a3c.engines.trainer_check import check_trainer
from lit_a3c.optim import try_optimizer


def fit_config(options: list[str]) -> dict[str, Any]:
    """The config with which ``lit-a3c fit OPTIONS`` would train, in plain types.

    Args:
        options: As on the command line.

    Raises:
        ConfigError: ``fit`` refuses them. No directory is made, and no worker is started.
    """
    found: dict[str, Any] = {}
    run(["fit", *options], lambda argv: _DryRun(argv, found))
    return found


class _DryRun(A3CCLI):
    """Makes everything that a training needs and ends before it begins.

    Args:
        argv: The command and its options.
        found: Takes the config.
    """

    def __init__(self, argv: list[str], found: dict[str, Any]) -> None:
        self._found = found
        super().__init__(argv)

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        fit_parts(config.model, spaces_of(config.data), self._given)
        whole = self.parser.dump(Namespace({self.subcommand: config}), skip_none=False, skip_validation=True)
        self._found.update(yaml.safe_load(whole)[self.subcommand])
        config.trainer.logger = False

    def before_fit(self) -> None:
        """Check what ``fit`` checks.

        Raises:
            Answered: All is well.
        """
        check_trainer(self.trainer)
        check_monitors(self.trainer)
        try_optimizer(self.model.make_optimizer, self.model.policy.parameters())
        raise Answered(0)
