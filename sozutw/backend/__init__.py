"""The server's side: protocols on dialled sockets, and their pool."""
