"""
What one process tells the next when it hands its sockets and its state over.

Each message is one JSON object behind its length, as on the command socket. The first names its
version: whoever does not know it refuses, and the old process stays in charge. doc/upgrade.md
has the whole conversation.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from sozutw.wire.channel import frame

VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 4_000_000
"""Some fifty thousand listeners."""
DESCRIPTORS_MAX: Final = 200
"""So many go with one message of the kernel's; Linux takes 253."""


class HandoverError(ValueError):
    """What came is no message of this kind, or of another version; the text says which."""


@dataclass(frozen=True, slots=True)
class Handover:
    """
    What is handed over; the descriptors come in this order, the state file before them all.

    Addresses are written ``HOST:PORT`` as everywhere.
    """

    configuration: str
    """The file that the settings come from; read anew."""
    skips_unsupported: bool
    listeners: tuple[str, ...]
    """Those that accept."""
    command_socket: str | None
    """Its path, if there is one."""
    admin: str | None
    """The admin address, if there is one."""
    pid_file: str | None = None
    """One that tells of the process, beside the one that the configuration names."""
    handed: int = 0
    """How many sockets come last that whoever started the process keeps open too."""

    @property
    def descriptors(self) -> int:
        """How many descriptors belong to it."""
        singles = (self.command_socket, self.admin)
        return 1 + len(self.listeners) + sum(one is not None for one in singles) + self.handed

    def encoded(self) -> bytes:
        """Write it as one message."""
        return _framed({"handover": VERSION, **asdict(self)})

    @classmethod
    def decoded(cls, message: bytes) -> "Handover":
        """Read a message without its length; raises HandoverError."""
        value = _object(message)
        version = value.get("handover")
        if version != VERSION:
            shown = repr(version)[:40]
            raise HandoverError(f"this program takes over by version {VERSION}, and not {shown}")
        configuration = value.get("configuration")
        listeners = value.get("listeners")
        command_socket, admin, pid_file = map(value.get, ("command_socket", "admin", "pid_file"))
        if (
            not isinstance(configuration, str)
            or not isinstance(value.get("skips_unsupported"), bool)
            or not isinstance(listeners, list)
            or not all(isinstance(one, str) for one in listeners)
            or not _is_count(value.get("handed", 0))
            or not all(
                one is None or isinstance(one, str) for one in (command_socket, admin, pid_file)
            )
        ):
            raise HandoverError("the message names its version, and then not what belongs to it")
        return cls(
            configuration,
            value["skips_unsupported"],
            tuple(listeners),
            command_socket,
            admin,
            pid_file,
            value.get("handed", 0),
        )


@dataclass(frozen=True, slots=True)
class Word:
    """A short answer in the conversation: ``ready``, ``take``, ``taken`` or ``refused``."""

    said: str
    pid: int = 0
    why: str = ""
    """Of a refusal."""

    def encoded(self) -> bytes:
        """Write it as one message."""
        return _framed(asdict(self))

    @classmethod
    def decoded(cls, message: bytes) -> "Word":
        """Read a message without its length; raises HandoverError."""
        value = _object(message)
        said, pid, why = value.get("said"), value.get("pid", 0), value.get("why", "")
        if not isinstance(said, str) or not _is_count(pid) or not isinstance(why, str):
            raise HandoverError(f"this is no answer: {message[:80]!r}")
        return cls(said, pid, why)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _framed(value: dict[str, Any]) -> bytes:
    return frame(json.dumps(value).encode())


def _object(message: bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise HandoverError(f"this is no message of a process that hands over: {error}") from None
    if not isinstance(value, dict):
        raise HandoverError("this is no message of a process that hands over")
    return value
