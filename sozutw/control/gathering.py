"""One answer made of those of the workers, for the questions that each of them is asked."""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed

from sozutw.control.crew import Crew
from sozutw.control.events import MAIN
from sozutw.control.messages.session_numbers import (
    SessionName,
    name_of,
    number_of,
    text_of,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.certificate_queries import OF_WORKERS
from sozutw.control.questions.session_queries import listed
from sozutw.control.replies import failure, ok

APPLIED: Final = "Successfully applied request to all workers"
NOBODY: Final = "no worker serves now; `sozutw status` tells of them"

Answers = Mapping[str, pb.Response]


class Gathering:
    """Asks the workers, and makes one answer of theirs."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def beside(self, question: pb.Request, own: pb.Response) -> "Deferred[pb.Response]":
        """Ask all of them what the main process has answered too, and tell both."""
        asked = self._crew.ask(question)
        return asked.addCallback(lambda answers: _told(own.message, answers, {MAIN: own.content}))

    def certificates(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Ask which certificates they serve."""
        return self._crew.ask(question).addCallback(lambda answers: _told(OF_WORKERS, answers, {}))

    def any(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Ask one of them, whichever serves: they agree."""
        for info in self._crew.roll():
            if info.run_state == pb.RUNNING:
                asked = self._crew.ask(question, info.id)
                return asked.addCallback(lambda answers: next(iter(answers.values()), _nobody()))
        return succeed(_nobody())

    def apply(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Have all of them do something."""

        def made(answers: Answers) -> pb.Response:
            faults = _faults(answers)
            return failure("\n".join(faults)) if faults else ok(APPLIED)

        return self._crew.ask(question).addCallback(made)

    def list_sessions(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Tell the clients of all workers, oldest first."""
        generations = {
            info.id: self._crew.generation_of(info.id)
            for info in self._crew.roll()
            if info.run_state != pb.STOPPING
        }

        def made(answers: Answers) -> pb.Response:
            names = {
                SessionName(int(worker), generations.get(int(worker)) or 0, 0): answer
                for worker, answer in answers.items()
            }
            return listed(names)

        return self._crew.ask(question).addCallback(made)

    def kill_session(self, number: int) -> "Deferred[pb.Response]":
        """Have the worker that has this client cut it off."""
        name, text = name_of(number), text_of(number)
        generation = self._crew.generation_of(name.worker)
        # Compared as numbers, in which a generation wraps around.
        if generation is None or number_of(name._replace(generation=generation)) != number:
            return succeed(failure(f"there is no session {text}"))
        question = pb.Request(kill_session=name.token)

        def made(answers: Answers) -> pb.Response:
            for answer in answers.values():
                if answer.status == pb.OK:
                    return ok(f"session {text} ({answer.message}) is cut off")
            return failure(f"there is no session {text}")

        return self._crew.ask(question, name.worker).addCallback(made)


def _told(message: str, answers: Answers, own: Mapping[str, Any]) -> pb.Response:
    """Tell the content of each by its id, and who had none."""
    contents = {
        worker: answer.content for worker, answer in answers.items() if answer.status == pb.OK
    }
    told = pb.WorkerResponses(map={**contents, **own})
    return ok("; ".join([message, *_faults(answers)]), worker_responses=told)


def _faults(answers: Answers) -> list[str]:
    return [
        f"worker {worker}: {answer.message}"
        for worker, answer in answers.items()
        if answer.status != pb.OK
    ]


def _nobody() -> pb.Response:
    return failure(NOBODY)
