"""Many trainings: configs times environments times seeds, and searches for the values of options."""
