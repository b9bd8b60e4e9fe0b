"""
Tokens: integers that name a client's connection or one lease of a backend connection.

A token is never issued twice in a process's life, so that no late event, timer or command
can reach a successor by an old name (sessions/LIFECYCLE.md).
"""

from itertools import count
from typing import NewType

Token = NewType("Token", int)


class Tokens:
    """
    Issue tokens: 1, 2, 3 and so on.

    ``issue`` is the counter's own method. Hot: it costs no frame of ours.
    """

    __slots__ = ("issue",)

    def __init__(self) -> None:
        self.issue = map(Token, count(1)).__next__
        """Return a token that was never issued before."""


def written(token: Token, worker: int = 0, generation: int = 0) -> str:
    """Return a token as the world outside the process knows it: ``worker:generation:token``."""
    assert token > 0
    return f"{worker}:{generation}:{token}"
