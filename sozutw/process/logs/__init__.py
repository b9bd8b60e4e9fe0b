"""Lines that a process writes: its log and its access log, and where they go."""
