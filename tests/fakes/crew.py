"""Workers that answer what the test says; a ``control.crew.Crew``."""

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb


class PlayedCrew:
    """Some workers, by id."""

    def __init__(self, *ids: int) -> None:
        self.states: dict[int, Any] = dict.fromkeys(ids, pb.RUNNING)
        self.generations: dict[int, int] = dict.fromkeys(ids, 0)
        self.answers: dict[int, pb.Response] = {}
        self.asked: list[tuple[str, int | None]] = []
        self.faults: list[str] = []
        self.held: Deferred[list[str]] | None = None
        self.settings: list[Settings] = []
        self.replaced: list[int] = []
        self.why_not_replaced = ""

    def roll(self) -> list[pb.WorkerInfo]:
        return [
            pb.WorkerInfo(id=worker, pid=100 + worker, run_state=state)
            for worker, state in self.states.items()
        ]

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        return succeed(self.roll())

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        self.asked.append((question.WhichOneof("request_type") or "", only))
        ids = [one for one in self.states if only is None or one == only]
        nothing = pb.Response(status=pb.OK, message="")
        return succeed({str(one): self.answers.get(one, nothing) for one in ids})

    def settled(self) -> "Deferred[list[str]]":
        return self.held or succeed(self.faults)

    def take_settings(self, settings: Settings) -> None:
        self.settings.append(settings)

    def generation_of(self, worker_id: int) -> int | None:
        return self.generations.get(worker_id)

    def replace(self, worker_id: int) -> "Deferred[str]":
        if self.why_not_replaced:
            return fail(RefusedRequestError(self.why_not_replaced))
        self.replaced.append(worker_id)
        return succeed(f"worker {worker_id} has another process")
