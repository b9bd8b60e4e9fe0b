"""Open connections that each do one request and then idle, until standard input ends."""

import json
import socket
import ssl
import sys

from bench.clients.responses import Way, read_small, request


def is_idle(connection: socket.socket) -> bool:
    """Return whether the connection is open and has nothing to read."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def main(way: Way, host: str, path: str, count: int) -> None:
    ask = request("GET", path, host)
    connections = []
    for _ in range(count):
        connection = way.connect()
        connection.sendall(ask)
        read_small(connection)
        connections.append(connection)
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps({"open": sum(map(is_idle, connections))}))


if __name__ == "__main__":
    main(Way(int(sys.argv[1]), *sys.argv[2:4]), sys.argv[2], sys.argv[4], int(sys.argv[5]))
