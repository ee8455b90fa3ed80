"""The page that runs agents in a browser does what Python does, asks for nothing, and shows something."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image

from lit_a3c import A3C, LSTM, BetaHead, ConfigError, GaussianHead, MLPBody, RolloutDataModule
from tests.browser import chromium, console
from tests.commands import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import browser_page

PAGE = ROOT / "docs/play-in-browser.html"
ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1")
DRIVER = """
const played = REQUESTS.map(({ env_id, state, steps }) => {
  const [env, agent] = [ENVIRONMENTS[env_id], makeAgent(AGENTS_OF_PAGE[env_id])];
  const rows = [];
  for (let i = 0; i < steps; i++) {
    const observation = env.observation(state);
    const action = mode(agent.policy(observation));
    const result = env.step(state, action);
    rows.push([...observation, agent.value(observation), action, result.reward]);
    state = result.state;
  }
  return rows;
});
"""


@cache
def agents_of_page() -> dict[str, Any]:
    """The agents that the page carries."""
    return browser_page.agents_of(PAGE)


@cache
def agent(env_id: str) -> A3C:
    """The agent of the page, in Python."""
    data, parts = agents_of_page()[env_id], {}
    shared = data["value_encoder"] is None
    gaussian = {} if data["std"] is None else {"head": partial(GaussianHead, censored=False)}
    module = A3C(RolloutDataModule(env_id).spaces, normalize_returns=True, body=MLPBody, share_body=shared, **gaussian)
    for name, encoder in {"encoder": data["encoder"], "value_encoder": data["value_encoder"]}.items():
        for index, layer in enumerate(encoder["layers"] if encoder else []):
            parts[f"{name}.body.layers.{2 * index}"] = layer
        if encoder:
            parts[f"{name}.body.norm"] = {"mean": encoder["mean"], "var": encoder["variance"]}
    parts |= {f"head.{'mean' if gaussian else 'logits'}": data["head"], "value": data["value"]}
    numbers = {f"{part}.{name}": text for part, texts in parts.items() for name, text in texts.items()}
    state = {name: torch.tensor(np.frombuffer(base64.b64decode(text), "<f4")) for name, text in numbers.items()}
    expected = module.policy.state_dict()
    if gaussian:
        state["head.log_std"] = torch.tensor([data["std"]]).log()
    counts = {name: value for name, value in expected.items() if name.endswith("count")}
    module.policy.load_state_dict(counts | {name: value.view_as(expected[name]) for name, value in state.items()})
    module.return_scale.norm.var.fill_(data["value_scale"] ** 2)
    return module


@cache
def trajectory(env_id: str, seed: int) -> tuple[list[float], list[list[float]]]:
    """200 steps of Gymnasium with deterministic actions: the first state and rows as those of the driver."""
    env = gymnasium.make(env_id)
    observation, _ = env.reset(seed=seed)
    state, rows = env.unwrapped.state.tolist(), []
    for _ in range(200):
        value, action = agent(env_id).value(observation), agent(env_id).predict(observation)
        after, reward, terminated, _, _ = env.step(action)
        rows.append([*observation.tolist(), value, float(np.ravel(action)[0]), float(reward)])
        observation = after
        assert not terminated
    return state, rows


def run_node(program: str, directory: Path) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    (directory / "program.js").write_text(f"{program}\nconsole.log(JSON.stringify(played));")
    return subprocess.run([node, "program.js"], cwd=directory, capture_output=True, text=True, check=True).stdout


def run_chromium(program: str, directory: Path) -> str:
    (directory / "page.html").write_text(
        f"<pre></pre><script>{program}\ndocument.querySelector('pre').textContent = JSON.stringify(played);</script>"
    )
    return re.findall("<pre>(.*)</pre>", chromium((directory / "page.html").as_uri(), directory, "--dump-dom").stdout)[
        0
    ]


@pytest.mark.parametrize("run", [run_node, run_chromium])
def test_trajectories_are_those_of_python(run: Any, tmp_path: Path) -> None:
    """200 steps from three starts of each environment: observations, values, actions and rewards."""
    games = [(env_id, *trajectory(env_id, seed)) for env_id in ENVIRONMENTS for seed in range(3)]
    requests = [{"env_id": env_id, "state": state, "steps": 200} for env_id, state, _ in games]
    (code,) = re.findall(r'<script id="agent-code">(.*?)</script>', PAGE.read_text(), re.DOTALL)
    given = f"const REQUESTS = {json.dumps(requests)}, AGENTS_OF_PAGE = {json.dumps(agents_of_page())};"
    played = json.loads(run(f"{code}\n{given}\n{DRIVER}", tmp_path))
    for (env_id, _, expected), rows in zip(games, played, strict=True):
        np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-5, err_msg=env_id)


def test_the_page_is_what_the_script_makes_of_its_parts() -> None:
    """Whoever changes a part writes the page anew. The agents are good, and the page says how good."""
    assert PAGE.read_text() == browser_page.render(agents_of_page())
    for env_id, data in agents_of_page().items():
        again = browser_page.network(agent(env_id))
        for name in ("std", "value_scale"):  # which have gone through a logarithm and a root
            assert again.pop(name) == (data[name] and pytest.approx(data[name], rel=1e-6))
        assert {**data, **again} == data
    assert "mean return is 500.0" in agents_of_page()["CartPole-v1"]["about"]
    assert "Over 5 episodes with the most likely actions its mean return is 500.0" in browser_page.about(
        agent("CartPole-v1"), episodes=5
    )


def test_the_page_is_small_and_asks_for_nothing() -> None:
    page = PAGE.read_text()
    assert len(page.encode()) < 500_000
    assert not re.findall(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttpRequest|WebSocket", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
@pytest.mark.parametrize("size", ["1200,900", "500,1000"], ids=["desktop", "phone"])
def test_the_page_shows_the_agent(env_id: str, size: str, tmp_path: Path) -> None:
    """After three seconds. The console is silent, so no script has failed and nothing was asked for."""
    page = tmp_path / "page.html"
    choice = f"<script>window.location.hash = '{env_id}';</script>"
    page.write_text(PAGE.read_text().replace("<body>", f"<body>{choice}"))
    done = chromium(page.as_uri(), tmp_path, f"--screenshot={tmp_path / 'page.png'}", f"--window-size={size}")
    assert not console(done)
    image = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    scene = image[150 : image.shape[0] // 2].reshape(-1, 3)
    assert len(np.unique(scene, axis=0)) > 50


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recurrent": LSTM}, "a recurrent core"),
        ({"head": BetaHead}, "not BetaHead"),
        ({"body": partial(MLPBody, activation="relu")}, "MLPBody with tanh"),
        ({"body": partial(MLPBody, normalize=False)}, "MLPBody with tanh"),
    ],
)
def test_what_the_page_cannot_compute_is_refused(options: Any, words: str) -> None:
    module = A3C(RolloutDataModule("Pendulum-v1").spaces, **options)
    with pytest.raises(ConfigError, match=words):
        browser_page.network(module)


def test_the_script_takes_a_checkpoint_and_keeps_the_other_agent(tmp_path: Path) -> None:
    """As the engines write it. The agent of the page has learned from no step here."""
    page, trainer = tmp_path / "page.html", Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    page.write_text(PAGE.read_text().replace("<body>", "<body>old"))
    module = A3C(RolloutDataModule("CartPole-v1").spaces)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(tmp_path / "new.ckpt", weights_only=True)
    assert browser_page.main(["--cartpole", str(tmp_path / "new.ckpt"), "--output", str(page)]) == 0
    agents = browser_page.agents_of(page)
    assert agents["Pendulum-v1"] == agents_of_page()["Pendulum-v1"]
    assert "has learned from 0 steps" in agents["CartPole-v1"]["about"]
    assert page.read_text() == browser_page.render(agents)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cartpole", "nowhere.ckpt", "--pendulum", "nowhere.ckpt"), "--cartpole 'nowhere.ckpt' does not exist."),
        (("--output", "no.html"), "'no.html' is no page to take an agent from. Give --cartpole and --pendulum."),
    ],
)
def test_the_script_refuses_what_is_not_there(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert browser_page.main(list(options)) == 2
    assert capsys.readouterr().err == f"browser_page: {message}\n"
