"""Changes to the running proxy."""
