"""Checkpoint files: written whole, found, and checked before they are used."""
