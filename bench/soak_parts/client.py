"""A client of the soak: one connection at a time, and every answer checked to its last byte."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.soak_parts.bodies import Asked, answer_body, padding

SECONDS_MAX = 30.0
"""An answer that takes longer counts as none."""
FAULTS_KEPT = 20


class TruncatedError(Exception):
    """The connection ended within an answer."""


class NoAnswerError(Exception):
    """The connection ended, or nothing came, where an answer should have begun."""


class Tally:
    """What the clients counted; ``faults`` are what must not be, in words, the first few."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.numbers: list[int] = []
        """The requests that the faults befell."""
        self._lock = threading.Lock()

    def add(self, name: str, fault: str = "", number: int = 0) -> None:
        """Count something once; with what is wrong, when it must not be."""
        with self._lock:
            self.counts[name] += 1
            if fault and len(self.faults) < FAULTS_KEPT:
                self.faults.append(f"{name}: {fault}")
                self.numbers.append(number)


class Client(threading.Thread):
    """Sends what a seed draws, at a bounded rate, until told to stop."""

    def __init__(
        self,
        port: int,
        chance: random.Random,
        numbers: Callable[[], int],
        rate: float,
        tally: Tally,
        stopped: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._chance = chance
        self._next_number = numbers
        self._rate = rate
        self._tally = tally
        self._stopped = stopped
        self._sock: socket.socket | None = None
        self._received = bytearray()

    def run(self) -> None:
        """Exchange after exchange; what goes wrong is counted and does not end it."""
        due = time.monotonic()
        try:
            while not self._stopped.is_set():
                batch = draw(self._chance, self._next_number)
                try:
                    self._exchange(batch)
                except Exception as error:  # noqa: BLE001  # a client that fell silent proves nothing
                    self._tally.add("client failed", repr(error))
                    self._hang_up()
                due = max(due + len(batch) / self._rate, time.monotonic() - 1.0)
                self._stopped.wait(max(0.0, due - time.monotonic()))
        finally:
            self._hang_up()

    def _exchange(self, batch: Sequence[Asked]) -> None:
        """Send requests at once and read their answers in order."""
        began = self._sock is None
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), SECONDS_MAX)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._received.clear()
            self._tally.add("connections")
        try:
            self._sock.sendall(b"".join(spell(asked) for asked in batch))
        except OSError:
            self._tally.add("sends cut short")  # There may be an answer all the same.
        for asked in batch:
            self._tally.add(f"{asked.method} asked")
            if not self._take_answer(asked, "new connection" if began else "kept connection"):
                self._hang_up()
                return  # What was pipelined behind it has nobody to answer it.

    def _take_answer(self, asked: Asked, where: str) -> bool:
        """Read and judge one answer; whether the connection goes on."""
        tally, number = self._tally, asked.number
        try:
            status, closes, body = self._read_answer()
        except NoAnswerError as error:
            tally.add(f"{asked.method} without an answer", f"{asked} on a {where}: {error}", number)
            return False
        except TruncatedError:
            tally.add(f"{asked.method} cut after its first byte")
            return False
        if status == 200:
            sent = padding(asked.number, asked.sent_bytes)
            if body == answer_body(asked.number, asked.method, sent, asked.answer_bytes):
                tally.add(f"{asked.method} answered")
            else:
                tally.add("wrong answers", f"{asked}: {len(body)} bytes, {body[:100]!r}", number)
        else:
            is_fault = asked.method == "GET" or status != 502
            text = f"{asked} on a {where}: {body[:200]!r}" if is_fault else ""
            tally.add(f"{asked.method} {status}", text, number)
        return not closes and not asked.closes

    def _read_answer(self) -> tuple[int, bool, bytes]:
        """Return status, whether the connection closes, and the body."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._receive(is_first=not self._received)
        lines = bytes(self._received[:end]).split(b"\r\n")
        del self._received[: end + 4]
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(b":") for line in lines[1:])}
        status = int(lines[0].split(b" ")[1])
        closes = fields.get(b"connection", b"").lower() == b"close"
        if fields.get(b"transfer-encoding", b"") == b"chunked":
            return status, closes, self._read_chunks()
        return status, closes, self._take(int(fields[b"content-length"]))

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self._take_line(), 16):
            body += self._take(size)
            self._take_line()
        while self._take_line():
            pass
        return body

    def _take_line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            self._receive()
        return self._take(end + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._receive()
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _receive(self, *, is_first: bool = False) -> None:
        assert self._sock is not None
        fault = "the end"
        try:
            data = self._sock.recv(262_144)
        except OSError as error:
            data, fault = b"", repr(error)
        if data:
            self._received += data
        elif is_first:
            raise NoAnswerError(fault)
        else:
            raise TruncatedError(fault)

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def draw(chance: random.Random, next_number: Callable[[], int]) -> list[Asked]:
    """Draw the next request, or two to be pipelined; only the last may ask for a close."""
    count = 2 if chance.random() < 0.1 else 1
    return [_draw_one(chance, next_number(), is_last=n == count - 1) for n in range(count)]


def _draw_one(chance: random.Random, number: int, *, is_last: bool) -> Asked:
    is_post = chance.random() < 0.25
    return Asked(
        number,
        "POST" if is_post else "GET",
        sent_bytes=_draw_size(chance) if is_post else 0,
        is_sent_chunked=is_post and chance.random() < 0.3,
        answer_bytes=_draw_size(chance),
        is_answer_chunked=chance.random() < 0.3,
        wait_ms=chance.choice((0, 0, 0, 0, 0, 0, 2, 5, 10, 30)),
        closes=is_last and chance.random() < 0.1,
    )


def _draw_size(chance: random.Random) -> int:
    """Mostly small, sometimes a few pieces, now and then enough for splice."""
    part = chance.random()
    if part < 0.85:
        return chance.randrange(2000)
    return chance.randrange(60_000) if part < 0.98 else chance.randrange(200_000, 600_000)


def spell(asked: Asked) -> bytes:
    """Return the request's bytes."""
    lines = [f"{asked.method} {asked.path} HTTP/1.1", "Host: soak.example"]
    if asked.closes:
        lines.append("Connection: close")
    body = padding(asked.number, asked.sent_bytes)
    if asked.is_sent_chunked:
        lines.append("Transfer-Encoding: chunked")
        step = max(1, len(body) // 3)
        pieces = [body[start : start + step] for start in range(0, len(body), step)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    elif asked.method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
