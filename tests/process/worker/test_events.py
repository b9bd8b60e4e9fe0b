"""What happens in a worker is told to its main process."""

from types import SimpleNamespace
from typing import Any

from sozutw.config.model import InetAddress
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.worker.events import ToMain


def test_an_event_is_said_with_all_that_is_known_of_it():
    said: list[Any] = []
    channel: Any = SimpleNamespace(say=lambda **word: said.append(word["event"]))
    to_main = ToMain(channel)
    to_main.publish(pb.NO_AVAILABLE_BACKENDS, cluster_id="a")
    address = InetAddress("10.0.0.1", 80)
    to_main.publish(pb.BACKEND_DOWN, cluster_id="a", backend_id="b", address=address)
    first, second = said
    assert (first.kind, first.cluster_id) == (pb.NO_AVAILABLE_BACKENDS, "a")
    assert not first.HasField("address")
    assert (second.backend_id, second.address.port) == ("b", 80)
