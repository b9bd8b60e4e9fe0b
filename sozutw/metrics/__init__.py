"""Counters that the data path adds to, their names, and how they are shown."""
