"""
Ask at a fixed rate over some connections, and print how long the answers took.

The schedule does not wait for answers. A request whose connection is still busy when it is due
counts from the moment it was due, so that a stall is not hidden by asking less (coordinated
omission); otherwise it counts from the moment it was sent, so that the client's own late
wake-up is not the proxy's fault.
"""

import json
import select
import socket
import sys
import time
from collections import deque

from bench.clients.responses import WrongAnswerError, connect, head_and_body_sizes, request

LINGER_SECONDS_MAX = 5.0


class PacedConnection:
    """One connection, at most one request under way, the others waiting their turn."""

    def __init__(self, port: int, ask: bytes) -> None:
        self.socket = connect(port)
        self._ask = ask
        self._since: float | None = None
        self._waiting: deque[float] = deque()
        self._data = bytearray()

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._since is not None

    def due(self, now: float) -> None:
        """A request is due: it is sent, or waits and counts from now."""
        if self.is_busy:
            self._waiting.append(now)
        else:
            self._send(now)

    def _send(self, since: float) -> None:
        self._since = since
        self.socket.sendall(self._ask)

    def readable(self) -> float | None:
        """Read; return the seconds that the answer took once it is whole."""
        data = self.socket.recv(65536)
        if not data or self._since is None:
            raise WrongAnswerError("closed, or an answer that was not asked for")
        self._data += data
        sizes = head_and_body_sizes(self._data)
        if sizes is None or len(self._data) < sum(sizes):
            return None
        seconds = time.perf_counter() - self._since
        self._since = None
        self._data.clear()
        if self._waiting:
            self._send(self._waiting.popleft())
        return seconds


def collect(connections: list[PacedConnection], rate: float, seconds: float) -> list[float]:
    """Run the schedule and return the seconds of each answer."""
    by_socket: dict[socket.socket, PacedConnection] = {c.socket: c for c in connections}
    count = int(rate * seconds)
    took: list[float] = []
    started = time.perf_counter()
    index = 0
    while len(took) < count:
        now = time.perf_counter()
        while index < count and now >= started + index / rate:
            connections[index % len(connections)].due(now)
            index += 1
            now = time.perf_counter()
        if now > started + seconds + LINGER_SECONDS_MAX:
            raise WrongAnswerError(f"{count - len(took)} of {count} answers never came")
        wait = started + index / rate - now if index < count else LINGER_SECONDS_MAX
        # select, not epoll: its time-out is not rounded up to a whole millisecond.
        ready = select.select(by_socket, (), (), max(0.0, wait))[0]
        took += [one for s in ready if (one := by_socket[s].readable()) is not None]
    return took


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main(port: int, host: str, path: str, rate: float, seconds: float) -> None:
    ask = request("GET", path, host)
    connections = [PacedConnection(port, ask) for _ in range(16)]
    ordered = sorted(collect(connections, rate, seconds))
    print(
        json.dumps(
            {
                "count": len(ordered),
                "p50_ms": percentile(ordered, 0.50) * 1e3,
                "p99_ms": percentile(ordered, 0.99) * 1e3,
                "max_ms": ordered[-1] * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
