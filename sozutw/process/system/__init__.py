"""What a process is to the system around it: its user, its name, its socket to systemd."""
