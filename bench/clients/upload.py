"""Upload the start of a file some times over one connection, by sendfile: cheap for the client."""

import json
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO

from bench.clients.responses import WrongAnswerError, connect, read_small, request


def upload(connection: socket.socket, ask: bytes, file: BinaryIO, size: int) -> int:
    """Return how many bytes were sent; the sink answers when it has got them all."""
    connection.sendall(ask)
    sent = connection.sendfile(file, 0, size)
    read_small(connection)
    if sent != size:
        raise WrongAnswerError(f"sent {sent} of {size} bytes")
    return sent


def main(port: int, host: str, file_name: str, size: int, times: int) -> None:
    ask = request("POST", "/sink", host, size)
    with Path(file_name).open("rb") as file, connect(port) as connection:
        started = time.perf_counter()
        total = sum(upload(connection, ask, file, size) for _ in range(times))
        seconds = time.perf_counter() - started
    print(json.dumps({"bytes": total, "seconds": seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
