"""The page of an agent on the Hugging Face Hub. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

import yaml

HUB = "hf://"
"""What stands before ``user/agent``, the name of a repository of the Hugging Face Hub."""
FILE = "agent.safetensors"
"""Name of the agent file in a repository of the Hub."""
VIDEO = "replay.mp4"
"""Name of the video, which the Hub shows for this kind of model."""


def score_text(score: dict[str, Any]) -> str:
    """A score in words."""
    low, high = score["ci95"]
    return f"{score['mean']:,.2f} (95% interval {low:,.2f} to {high:,.2f}) over {score['episodes']} episodes"


def model_card(about: dict[str, Any], repository: str, *, video: bool) -> str:
    """README.md of a repository, with the metadata by which the Hub lists agents and their scores.

    Args:
        about: What the agent file says, with a score.
        repository: ``user/agent``.
        video: Whether the repository has a video.
    """
    env_id, score = str(about["spaces"]["env_id"]), about["score"]
    result = {
        "task": {"type": "reinforcement-learning", "name": "reinforcement-learning"},
        "dataset": {"name": env_id, "type": env_id},
        "metrics": [
            {
                "type": "mean_reward",
                "value": f"{score['mean']:.2f} +/- {score.get('sd', 0.0):.2f}",
                "name": "mean_reward",
                "verified": False,
            }
        ],
    }
    metadata = {
        "library_name": "lit-a3c",
        "pipeline_tag": "reinforcement-learning",
        "tags": [env_id, "deep-reinforcement-learning", "reinforcement-learning", "a3c", "lit-a3c"],
        "model-index": [{"name": repository.rpartition("/")[2], "results": [result]}],
    }
    parts = [
        f"---\n{yaml.safe_dump(metadata, sort_keys=False)}---",
        f"# {env_id}, trained by lit-a3c",
        f"An agent of lit-a3c (A3C as a PyTorch Lightning trainer) for `{env_id}`.",
        _facts(about),
        f"![The agent]({VIDEO})" if video else "",
        _use(repository),
        _training(about),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(about: dict[str, Any]) -> str:
    score = about["score"]
    how = "most likely actions" if score.get("deterministic") else "actions drawn from the policy"
    rows = {
        "return, mean": score_text(score),
        "standard deviation": f"{score.get('sd', 0.0):,.2f}",
        "actions of the test": how,
        **({"protocol": score["protocol"]} if "protocol" in score else {}),
        "trained": f"{about['steps']:,} steps, {about['frames']:,} frames, seed {about['seed']}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _use(repository: str) -> str:
    return f"""## Use

```
pip install 'lit-a3c[hub]'
lit-a3c test --ckpt_path hf://{repository}
lit-a3c predict --ckpt_path hf://{repository}
```

```python
from lit_a3c import A3C

agent = A3C.load_from_checkpoint("hf://{repository}")
action = agent.predict(observation)
```

`{FILE}` holds weights, running statistics and options. It holds no code, and no state of an optimizer:
`lit-a3c fit --config config.yaml --init_from hf://{repository}` begins a new training with its weights."""


def _training(about: dict[str, Any]) -> str:
    versions = about["versions"] if isinstance(about["versions"], dict) else {}
    rows = "\n".join(f"| {name} | {version} |" for name, version in versions.items())
    command = about["command"] or "lit-a3c fit --config config.yaml"
    return f"## Training\n\n```\n{command}\n```\n\n| package | version |\n|---|---|\n{rows}"
