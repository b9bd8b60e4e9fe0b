"""One worker: a process that serves clients as the main process tells it."""
