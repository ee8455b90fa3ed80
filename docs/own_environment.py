# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An environment of your own, in a notebook
#
# This file is a notebook: `jupytext --to notebook own_environment.py` makes `own_environment.ipynb` of it, and Jupyter
# with jupytext opens it as it is. It defines an environment, trains it with worker processes, shows a video, and acts.

# %%
from functools import partial
from pathlib import Path

import gymnasium as gym
import lightning.pytorch as pl
import numpy as np
from IPython.display import Video

from lit_a3c import A3C, RMSprop, RolloutDataModule
from lit_a3c.callbacks.video import VideoRecorder

# %% [markdown]
# ## The environment
#
# A ball falls through a field of ten rows, and a paddle in the last row must catch it. The class stands in the
# notebook itself. Worker processes get a copy of its code.


# %%
class Catch(gym.Env):
    """The reward is 1 for a ball that was caught, and -1 for one that was missed."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_space = gym.spaces.Discrete(3)  # left, stay, right
    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, size: int = 10, render_mode: str | None = None) -> None:
        self.size, self.render_mode = size, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.row, self.paddle = 0, self.size // 2
        self.column = int(self.np_random.integers(self.size))
        return self._observation(), {}

    def step(self, action):
        self.row += 1
        self.paddle = int(np.clip(self.paddle + action - 1, 0, self.size - 1))
        terminated = self.row == self.size - 1
        reward = (1.0 if self.paddle == self.column else -1.0) if terminated else 0.0
        return self._observation(), reward, terminated, False, {}

    def _observation(self):
        """The height of the ball, and where it is as seen from the paddle."""
        return np.array([self.row, self.column - self.paddle], np.float32) / (self.size - 1)

    def render(self):
        image = np.zeros((self.size, self.size, 3), np.uint8)
        image[self.row, self.column] = (255, 200, 0)
        image[-1, self.paddle] = (0, 200, 255)
        return image.repeat(20, axis=0).repeat(20, axis=1)


# %% [markdown]
# ## Training
#
# The first training is that of one learner and two workers, the engine `async`. The second one goes on with the same
# agent, with two lock-free workers. The return is at most 1.


# %%
def trainer(**options):
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        gradient_clip_val=0.5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


data = RolloutDataModule(Catch, total_steps=40_000, engine="async", num_workers=2, test_episodes=50)
optimizer = partial(RMSprop, lr=3e-3, eps=1e-5, initial_accumulator_value=0.0)
agent = A3C(data.spaces, gae_lambda=0.95, optimizer=optimizer, deterministic_eval=True)
trainer(devices=1).fit(agent, data)
[score] = trainer(devices=1).test(agent, data, verbose=False)
score["test/return_mean"]

# %%
data = RolloutDataModule(Catch, total_steps=20_000, test_episodes=50)
lock_free = trainer(strategy="hogwild", devices=2)
lock_free.fit(agent, data)
lock_free.save_checkpoint("catch.ckpt")
[score] = trainer(devices=1).test(agent, data, verbose=False)
agent.steps, score["test/return_mean"]

# %% [markdown]
# ## A video

# %%
trainer(devices=1, callbacks=[VideoRecorder()]).predict(agent, data)
[recorded] = Path("videos").glob("predict-*.mp4")
Video(recorded, embed=True)

# %% [markdown]
# ## Acting
#
# The agent takes the environment's observation, a numpy array, and gives an action that the environment takes.

# %%
agent = A3C.load_from_checkpoint("catch.ckpt")
env = Catch()
observation, _ = env.reset(seed=0)
value, total, done = agent.value(observation), 0.0, False
while not done:
    action = agent.predict(observation, deterministic=True)
    observation, reward, terminated, truncated, _ = env.step(action)
    total, done = total + reward, terminated or truncated
total, float(value)
