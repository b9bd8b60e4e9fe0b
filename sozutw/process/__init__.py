"""What a process consists of: its services, signals and reports."""
