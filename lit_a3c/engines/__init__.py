"""Who steps environments, and where gradients are applied."""
