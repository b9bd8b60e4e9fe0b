"""What the soak's requests ask for, and the one body that is right for each."""

import zlib
from typing import NamedTuple

ID_DIGITS = 12


class Asked(NamedTuple):
    """A request: its number, its method, and how its bodies are framed."""

    number: int
    """Never used twice in a run: an answer that names another number is foreign."""
    method: str
    sent_bytes: int = 0
    is_sent_chunked: bool = False
    answer_bytes: int = 0
    is_answer_chunked: bool = False
    wait_ms: int = 0
    """How long the backend thinks, so that some are under way when it is killed."""
    closes: bool = False

    @property
    def path(self) -> str:
        """Tell the backend what is wanted."""
        framing = "chunked" if self.is_answer_chunked else "length"
        return f"/{self.number}/{self.answer_bytes}/{framing}/{self.wait_ms}"


def padding(number: int, size: int) -> bytes:
    """Return bytes that no other request's body has."""
    unit = b"%0*d." % (ID_DIGITS, number)
    return (unit * (size // len(unit) + 1))[:size]


def answer_body(number: int, method: str, received: bytes, size: int) -> bytes:
    """Return the body of the answer: whom it is for, what was received, and ``size`` bytes more."""
    more = padding(number, size)
    told = f"{number} {method} {len(received)} {zlib.crc32(received):08x} {zlib.crc32(more):08x}\n"
    return told.encode() + more
