"""The process that forks workers, and its side in the main process."""
