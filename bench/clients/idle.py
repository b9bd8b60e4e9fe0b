"""Open connections that each do one request and then idle, until standard input ends."""

import json
import socket
import sys

from bench.clients.responses import connect, read_small, request


def is_idle(connection: socket.socket) -> bool:
    """Return whether the connection is open and has nothing to read."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main(port: int, host: str, path: str, count: int) -> None:
    ask = request("GET", path, host)
    connections = []
    for _ in range(count):
        connection = connect(port)
        connection.sendall(ask)
        read_small(connection)
        connections.append(connection)
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps({"open": sum(map(is_idle, connections))}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
