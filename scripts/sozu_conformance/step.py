"""What a step is: a command of Sōzu's client, and what is expected of it."""

from typing import Any, NamedTuple, Protocol

from place import Place

DONE = "Success: Successfully applied request to all workers"
"""What is printed of an order; in JSON it is ``{}``."""

PANIC = 101
"""The exit status of a program of Rust that broke an assumption of its own."""
USAGE = 2


class Look(Protocol):
    """Something that a client of the proxy, or the file system, shows."""

    def differs(self, place: Place) -> str:
        """Say what is not as it should be; empty if all is."""


class Get(NamedTuple):
    """A request is answered so."""

    host: str
    status: int
    has: str = ""
    """A text that the answer has, anywhere."""
    path: str = "/"
    listener: str = "http"
    lacks: str = "\0"

    def differs(self, place: Place) -> str:
        """Ask."""
        answer = place.get(self.listener, self.host, self.path)
        if not answer.startswith(f"HTTP/1.1 {self.status} "):
            return f"{self.host}{self.path} is answered by {answer[:60]!r}, not {self.status}"
        if self.has.format(**place.words) not in answer or self.lacks in answer:
            return f"{self.host}{self.path}: {self} is not so in {answer!r}"
        return ""


class Listens(NamedTuple):
    """Connections to a listener are taken, or not."""

    listener: str
    does: bool = True

    def differs(self, place: Place) -> str:
        """Connect."""
        if place.listens(self.listener) is self.does:
            return ""
        return f"{self.listener}: {'nobody listens' if self.does else 'somebody still listens'}"


class Shows(NamedTuple):
    """A certificate is shown for a name."""

    name: str
    certificate: str

    def differs(self, place: Place) -> str:
        """Shake hands."""
        shown = place.shown_print("https", self.name)
        if shown == place.words[f"{self.certificate}_print"]:
            return ""
        return f"for {self.name} another certificate than {self.certificate} is shown"


class File(NamedTuple):
    """A file of the place has a text."""

    name: str
    has: str

    def differs(self, place: Place) -> str:
        """Read."""
        try:
            text = (place.folder / self.name).read_text(encoding="utf-8")
        except OSError as error:
            return f"{self.name}: {error.strerror}"
        return "" if self.has in text else f"{self.name} has no {self.has!r}"


class Step(NamedTuple):
    """
    One command.

    A name in braces, in ``words`` and in what is expected, stands for an address, a fingerprint
    or the folder. Where the exit status is not 0, the text is on stderr, with ``--json`` too:
    Sōzu's client writes no errors in JSON.
    """

    words: str
    says: tuple[str, ...] = ()
    """What is printed, on stdout if it succeeds."""
    json: tuple[str, ...] = ()
    """What is printed with ``--json``, which is JSON; nothing: it is ``{}``."""
    status: int = 0
    looks: tuple[Look, ...] = ()
    """What is so afterwards."""
    fault: str = ""
    """What Sōzu's client does wrong there by itself."""
    since: tuple[int, int] = (2, 1)
    before: tuple[int, int] = (99, 0)
    """Which versions of the client have this command in this form."""
    is_json: bool = True
    """False where what is printed with ``--json`` is not JSON."""
    while_it_runs: tuple[str, ...] = ()
    """For a command that does not end: what is asked meanwhile. It is ended by us then."""
    hands_over: bool = False
    """Whether another process of the proxy goes on after it."""
    ends: int | None = None
    """The exit status with which the proxy ends after it."""


def order(words: str, *looks: Look, says: str = "", **others: Any) -> Step:
    """Return a step that changes something."""
    texts = (DONE, *((says,) if says else ()))
    return Step(words, texts, looks=looks, **others)


def refused(words: str, why: str, *looks: Look, **others: Any) -> Step:
    """Return a step that is answered by a FAILURE."""
    return Step(words, ("Request failed: ", why), status=1, looks=looks, **others)
