"""Between the messages of the command socket, the orders of a configuration, and state files."""
