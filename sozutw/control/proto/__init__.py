"""The messages on the command socket, generated from command.proto."""
