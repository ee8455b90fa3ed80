"""The agents that come with the package, by name. Imports nothing heavy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lit_a3c.utils.errors import ConfigError, did_you_mean

PREFIX = "agent:"
"""What stands before the name of such an agent, wherever a checkpoint may be named."""
SUFFIX = ".safetensors"
AGENTS = Path(str(resources.files("lit_a3c"))) / "agents"
"""Where their files are."""


def shipped_agents() -> dict[str, Path]:
    """The files of the agents, by name."""
    return {file.name.removesuffix(SUFFIX): file for file in sorted(AGENTS.glob(f"*{SUFFIX}"))}


def agent_name(file: Path) -> str | None:
    """The name of an agent by the place of its file; None for a file that is no agent file.

    That of a shipped agent is the file's, and that of an agent of the Hub is ``user--agent``.
    """
    if file.suffix != SUFFIX:
        return None
    if len(file.parts) > 3 and file.parents[1].name == "snapshots":  # the cache of huggingface_hub
        return file.parents[2].name.removeprefix("models--")
    return file.stem


def shipped_agent(name: str, option: str = "") -> Path:
    """The file of an agent.

    Args:
        name: Its name, that of its environment; case does not count.
        option: What stands before the name in the message.

    Raises:
        ConfigError: There is no agent of that name; with the nearest.
    """
    agents = shipped_agents()
    found = {known.lower(): file for known, file in agents.items()}.get(name.lower())
    if found is None:
        near = did_you_mean(name, agents) or f" There are: {', '.join(agents) or 'none'}."
        raise ConfigError(f"{option}{PREFIX + name!r} is no agent of this package.{near} 'lit-a3c agents' lists them.")
    return found
