"""Sockets that accept, and the listeners they belong to."""
