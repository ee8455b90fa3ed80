"""The share of episodes that end in success, where the environment says so in ``info["is_success"]``.

    python scripts/success.py runs/FetchReach-v4/version_0 [--episodes 100]

The environment is the one that the checkpoint names, whose module is imported. Gymnasium-Robotics needs an older
MuJoCo: put PYTHONPATH=.venv/mujoco3 before the command.
"""

from __future__ import annotations

import argparse

import gymnasium

from lit_a3c import A3C
from lit_a3c.checkpoint.find import resolve_checkpoint


def success_rate(agent: A3C, episodes: int) -> float:
    """Share of episodes at whose end the goal is reached, by the most likely actions.

    Args:
        agent: The agent.
        episodes: Their number. The first one has the seed 0, and the others count on.
    """
    env, successes = gymnasium.make(agent.spaces.env_id), 0.0
    for seed in range(episodes):
        observation, info = env.reset(seed=seed)
        episode_start, done = True, False
        while not done:
            action = agent.predict(observation, episode_start=episode_start)
            observation, _, terminated, truncated, info = env.step(action)
            episode_start, done = False, terminated or truncated
        successes += float(info["is_success"])
    env.close()
    return successes / episodes


def main() -> None:
    """Print the share."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="a checkpoint, a run's directory, best or last")
    parser.add_argument("--episodes", type=int, default=100)
    arguments = parser.parse_args()
    agent = A3C.load_from_checkpoint(resolve_checkpoint(arguments.checkpoint, "best"))
    print(f"{agent.spaces.env_id}: {success_rate(agent, arguments.episodes):.2f} of {arguments.episodes} episodes")


if __name__ == "__main__":
    main()
