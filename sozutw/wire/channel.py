"""
Frames on the command socket: 8 bytes that hold a length, then a message.

The length is a little-endian number and counts its own 8 bytes too.
"""

from typing import Final

from sozutw.wire.errors import WireError

LENGTH_BYTES: Final = 8


class FrameError(WireError):
    """A length that no frame can have; where the next frame would begin is not known."""


def frame(message: bytes) -> bytes:
    """Return ``message`` as it goes over the socket."""
    return (LENGTH_BYTES + len(message)).to_bytes(LENGTH_BYTES, "little") + message


class FrameReader:
    """
    Takes bytes however they were cut, and gives whole messages, one at a time.

    ``frame_bytes_max`` counts as the length on the wire does. Whoever takes what there is before
    feeding more makes it hold less than one frame of that size and what was fed last.
    """

    __slots__ = ("_received", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        assert frame_bytes_max >= LENGTH_BYTES, "room for the length at least"
        self.frame_bytes_max = frame_bytes_max
        self._received = bytearray()

    def __len__(self) -> int:
        """Tell how many bytes wait to be taken."""
        return len(self._received)

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._received += data

    def take(self) -> bytes | None:
        """
        Return the next message, or None as long as it is not whole.

        Raises FrameError, and again at each further call.
        """
        received = self._received
        if len(received) < LENGTH_BYTES:
            return None
        length = int.from_bytes(received[:LENGTH_BYTES], "little")
        if length < LENGTH_BYTES:
            raise FrameError(
                f"the length of a frame is {length}, which is below {LENGTH_BYTES},"
                " the size of the length itself"
            )
        if length > self.frame_bytes_max:
            raise FrameError(
                f"a frame of {length} bytes is above the maximum of {self.frame_bytes_max}", 413
            )
        if len(received) < length:
            return None
        message = bytes(memoryview(received)[LENGTH_BYTES:length])
        del received[:length]
        assert len(message) == length - LENGTH_BYTES
        return message
