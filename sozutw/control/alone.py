"""The crew of a process that serves by itself: one worker, which is that process."""

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.control.events import WORKER
from sozutw.control.host import Host
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.worker_desk import WorkerDesk


class Alone:
    """One worker with the id 0; a ``control.crew.Crew``."""

    def __init__(self, desk: WorkerDesk, host: Host, pid: Callable[[], int]) -> None:
        self._desk = desk
        self._host = host
        self._pid = pid
        """twistd may fork between making us and starting us."""

    def roll(self) -> list[pb.WorkerInfo]:
        """Tell that there is one, and whether it stops."""
        state = pb.STOPPING if self._host.is_stopping else pb.RUNNING
        return [pb.WorkerInfo(id=int(WORKER), pid=self._pid(), run_state=state)]

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Tell whom a stop waits for too."""
        asked = self._desk.answer(pb.Request(status=pb.Status()))
        return asked.addCallback(self._with_drain)

    def _with_drain(self, answer: pb.Response) -> list[pb.WorkerInfo]:
        told = self.roll()
        for info in answer.content.workers.vec:
            told[0].drain.CopyFrom(info.drain)
        return told

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        """Answer it here."""
        if only not in {None, int(WORKER)}:
            return succeed({})
        return self._desk.answer(question).addCallback(lambda answer: {WORKER: answer})

    def settled(self) -> "Deferred[list[str]]":
        """Fire at once: what is committed is applied."""
        return succeed([])

    def take_settings(self, settings: Settings) -> None:
        """They hold already."""

    def generation_of(self, worker_id: int) -> int | None:
        """Return 0 for the one there is."""
        return 0 if worker_id == int(WORKER) else None

    def replace(self, worker_id: int) -> "Deferred[str]":
        """Say how the one worker there is, which is the main process too, is replaced."""
        if self._host.is_fresh:
            # Sōzu's client asks for each worker after the main process was replaced.
            return succeed(f"worker {worker_id} came with the new main process")
        return fail(
            RefusedRequestError(
                f"worker {worker_id} is the main process too: UpgradeMain replaces both"
                " (`sozutw upgrade`)"
            )
        )
