"""Playing whole episodes: for a score, or for a video."""
