"""Bytes to values and back, one folder a format; knows no socket and no clock."""
