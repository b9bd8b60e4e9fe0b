"""The command socket: bytes to requests, and answers back, for many clients at a time."""
