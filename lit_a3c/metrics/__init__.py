"""What a training reports, and where it goes."""
