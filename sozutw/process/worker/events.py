"""What happens in a worker, told to its main process for those that subscribed there."""

from sozutw.config.model import BackendAddress
from sozutw.control.events import event_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.worker.channel import Channel


class ToMain:
    """Tells the main process what its subscribers want to hear; a ``control.events.Publisher``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def publish(
        self,
        kind: pb.EventKind,
        *,
        cluster_id: str | None = None,
        backend_id: str | None = None,
        address: BackendAddress | None = None,
    ) -> None:
        """Tell of it; what is None is not part of it."""
        event = event_message(kind, cluster_id=cluster_id, backend_id=backend_id, address=address)
        self._channel.say(event=event)
