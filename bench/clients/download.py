"""Download a file some times over one connection, and throw the bytes away at no cost."""

import json
import socket
import sys
import time

from bench.clients.responses import Way, WrongAnswerError, head_and_body_sizes, request

CHUNK_BYTES = 1 << 20


def download(connection: socket.socket, ask: bytes, buffer: bytearray, flags: int) -> int:
    """Return the size of one body, all of which came."""
    connection.sendall(ask)
    data = b""
    while (sizes := head_and_body_sizes(data)) is None:
        more = connection.recv(4096)
        if not more:
            raise WrongAnswerError("closed in the head")
        data += more
    missing = sum(sizes) - len(data)
    while missing > 0:
        count = connection.recv_into(buffer, min(missing, CHUNK_BYTES), flags)
        if not count:
            raise WrongAnswerError(f"{missing} bytes short")
        missing -= count
    return sizes[1]


def main(way: Way, host: str, path: str, times: int) -> None:
    # MSG_TRUNC: the kernel drops the bytes and copies none of them. TLS has to decipher them.
    flags = 0 if way.is_tls else socket.MSG_TRUNC
    buffer = bytearray(CHUNK_BYTES)
    ask = request("GET", path, host)
    with way.connect() as connection:
        started = time.perf_counter()
        total = sum(download(connection, ask, buffer, flags) for _ in range(times))
        seconds = time.perf_counter() - started
    print(json.dumps({"bytes": total, "seconds": seconds}))


if __name__ == "__main__":
    main(Way(int(sys.argv[1]), *sys.argv[2:4]), sys.argv[2], sys.argv[4], int(sys.argv[5]))
