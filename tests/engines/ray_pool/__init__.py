"""The engine ``ray``."""
