"""The engine ``hogwild``: lock-free workers that share parameters and the optimizer's state."""
