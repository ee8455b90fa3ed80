"""The shipped configs; ``lit-a3c fit --config NAME.yaml`` finds them from any directory."""
