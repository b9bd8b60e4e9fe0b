"""The client's side: protocols on accepted sockets."""
