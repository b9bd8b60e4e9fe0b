"""A client that asks all the time on one connection, and how long each of its requests took."""

import bisect
import socket
import threading
import time

from typing_extensions import override

ASKED = b"GET / HTTP/1.1\r\nHost: kept.example\r\n\r\n"
PAUSE_SECONDS = 0.0005
"""Between two requests, so that the proxy's core is not theirs alone."""


class Traffic(threading.Thread):
    """
    The client, and its times.

    It is a thread beside one that only waits for answers, so nothing but the proxy holds it up.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._sock = socket.create_connection(("127.0.0.1", port), 60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_over = threading.Event()
        self._began: list[float] = []
        self._took: list[float] = []
        self.fault = ""
        """What ended it too early."""

    @override
    def run(self) -> None:
        while not self._is_over.is_set():
            began = time.perf_counter()
            try:
                self._sock.sendall(ASKED)
                answer = self._sock.recv(65536)
            except OSError as error:
                self.fault = str(error)
                return
            took = time.perf_counter() - began
            if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\nok"):
                self.fault = f"{answer[:500]!r} is not what the backend says"
                return
            self._took.append(took)
            self._began.append(began)
            time.sleep(PAUSE_SECONDS)

    def times(self, begin: float, end: float) -> list[float]:
        """Return how long those took that were begun in between, or were under way, sorted."""
        first = max(0, bisect.bisect_left(self._began, begin) - 1)
        return sorted(self._took[first : bisect.bisect_right(self._began, end)])

    def stop(self) -> None:
        """Ask no more."""
        self._is_over.set()
        self.join(60)
        self._sock.close()
