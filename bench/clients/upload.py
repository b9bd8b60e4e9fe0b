"""
Upload some bytes some times over one connection.

Sent from one small buffer, as curl does. (By sendfile it would cost the client less and the
proxy more: the bytes then lie in the page cache, and come to the proxy cold.)
"""

import json
import socket
import sys
import time

from bench.clients.responses import Way, read_small, request

CHUNK = bytes(64 << 10)


def upload(connection: socket.socket, ask: bytes, size: int) -> int:
    """Return how many bytes were sent; the sink answers when it has got them all."""
    assert size % len(CHUNK) == 0
    connection.sendall(ask)
    for _ in range(size // len(CHUNK)):
        connection.sendall(CHUNK)
    read_small(connection)
    return size


def main(way: Way, host: str, size: int, times: int) -> None:
    ask = request("POST", "/sink", host, size)
    with way.connect() as connection:
        started = time.perf_counter()
        total = sum(upload(connection, ask, size) for _ in range(times))
        seconds = time.perf_counter() - started
    print(json.dumps({"bytes": total, "seconds": seconds}))


if __name__ == "__main__":
    main(Way(int(sys.argv[1]), *sys.argv[2:4]), sys.argv[2], int(sys.argv[4]), int(sys.argv[5]))
