"""Whether a change leaves learning as it is, to the bit: SHA-256 of all weights after some updates of a config.

    python scripts/fingerprint.py                                 # cartpole, mujoco, atari and an LSTM, 300 updates
    python scripts/fingerprint.py --configs atari --updates 50

Run it before and after the change, on one machine with the same versions of the libraries. The engine is ``serial``,
which is reproducible. Further options go to ``lit-a3c fit``.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from lit_a3c.checkpoint.io import load_verified

CONFIGS = {
    "cartpole": ["--config", "cartpole.yaml"],
    "mujoco": ["--config", "mujoco.yaml"],
    "atari": ["--config", "atari.yaml"],
    "lstm": ["--config", "cartpole.yaml", "--model.recurrent", "lit_a3c.LSTM", "--model.recurrent.hidden_size", "32"],
}
QUIET = ["--trainer.limit_val_batches=0", "--video.every_n_steps=-1", "--trainer.enable_progress_bar=false"]


def fingerprint(options: list[str], updates: int) -> str:
    """The SHA-256 of parameters and buffers, in the order of the state dict, after so many updates."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "lit_a3c", "fit", *options, *QUIET, "--engine=serial"]
        limits = [f"--trainer.max_steps={updates}", f"--trainer.logger.save_dir={directory}"]
        subprocess.run([*command, *limits], check=True, capture_output=True, text=True)
        [file] = Path(directory).glob("**/last.ckpt")
        digest = hashlib.sha256()
        for tensor in load_verified(file)["state_dict"].values():
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Print one line for each config."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--updates", type=int, default=300)
    arguments, options = parser.parse_known_args()
    for name in arguments.configs:
        print(f"{name} {fingerprint([*CONFIGS[name], *options], arguments.updates)}", flush=True)


if __name__ == "__main__":
    main()
