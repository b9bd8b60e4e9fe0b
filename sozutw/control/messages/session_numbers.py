"""
Sessions as operators name them: by the worker that has it, which of its id, and its token there.

On the command socket the three are one number of 64 bits. The first worker's first process comes
to the token itself.
"""

from typing import Final, NamedTuple

_TOKEN_BITS: Final = 40
_GENERATION_BITS: Final = 12
_WORKER_BITS: Final = 12


class SessionName(NamedTuple):
    """Where a session is."""

    worker: int
    generation: int
    token: int


def number_of(name: SessionName) -> int:
    """Return the number for the command socket; what does not fit wraps around."""
    generation = name.generation % (1 << _GENERATION_BITS)
    token = name.token % (1 << _TOKEN_BITS)
    return (name.worker << _GENERATION_BITS | generation) << _TOKEN_BITS | token


def name_of(number: int) -> SessionName:
    """Return what a number of the command socket stands for."""
    token = number & (1 << _TOKEN_BITS) - 1
    generation = number >> _TOKEN_BITS & (1 << _GENERATION_BITS) - 1
    return SessionName(number >> _TOKEN_BITS + _GENERATION_BITS, generation, token)


def text_of(number: int) -> str:
    """Write a number for people: the token alone, or ``worker:generation:token``."""
    name = name_of(number)
    if not name.worker and not name.generation:
        return str(name.token)
    return f"{name.worker}:{name.generation}:{name.token}"


def number_from(text: str) -> int:
    """Read what ``text_of`` wrote, or the number itself, as JSON has it; raises ValueError."""
    parts = text.split(":")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) not in {1, 3}:
        raise ValueError("a session is named by its number, or WORKER:GENERATION:NUMBER")
    numbers = [int(part) for part in parts]
    worker, generation, token = numbers if len(parts) > 1 else name_of(numbers[0])
    limits = (1 << _WORKER_BITS, 1 << _GENERATION_BITS, 1 << _TOKEN_BITS)
    if worker >= limits[0] or generation >= limits[1] or token >= limits[2]:
        raise ValueError("no session has so large a number")
    return number_of(SessionName(worker, generation, token))
