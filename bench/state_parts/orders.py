"""The orders that are loaded, and the file that they are loaded from."""

import os
from collections.abc import Iterator
from pathlib import Path

from sozutw.control.client import written
from sozutw.control.messages.records import write_records
from sozutw.control.proto import command_pb2 as pb

FRONTENDS = 20_000
BACKENDS = 20_000


def orders(listener: str, clusters: int) -> Iterator[pb.Request]:
    """Give the orders in the order in which a state is saved."""
    for number in range(clusters):
        yield written.add_cluster(f"c{number}")
    for number in range(FRONTENDS):
        yield written.add_http_frontend(listener, f"h{number}.example", f"c{number % clusters}")
    for number in range(BACKENDS):
        third, fourth = divmod(number, 250)
        address = f"10.1.{third}.{fourth + 1}:8080"
        yield written.add_backend(f"c{number % clusters}", f"b{number}", address)


def write_state(path: Path, listener: str, clusters: int) -> int:
    """Write a state file; return how many orders it holds."""
    count = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for record in write_records(orders(listener, clusters)):
            file.write(record)
            count += 1
    return count
