"""What one does with trained agents and finished runs: one file for each command, which has ``parser`` and ``run``."""
