"""Lightning callbacks, one concern per file."""
