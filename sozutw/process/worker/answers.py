"""What a worker is asked by its main process, and answers."""

from collections.abc import Generator
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import failure
from sozutw.control.slowly import Slowly
from sozutw.control.worker_desk import WorkerDesk
from sozutw.metrics.transfer import chunks_of
from sozutw.process.counts import as_json
from sozutw.process.logs.writers import SharedSink, StreamWriter
from sozutw.process.traffic import Traffic
from sozutw.process.worker.channel import Channel

ANSWER_BYTES_MAX: Final = 30 * 1024 * 1024
"""What ``process.workers.link`` takes."""

_log = Logger()


class Answers:
    """Answers on the channel; each question once, whatever becomes of it."""

    def __init__(self, channel: Channel, traffic: Traffic, desk: WorkerDesk, clock: Any) -> None:
        self._channel = channel
        self._traffic = traffic
        self._desk = desk
        self._slowly = Slowly(clock)
        self._stdout = StreamWriter(SharedSink, _tell_lost)
        """Whoever reads the counters may be slow, and no client is to wait for that."""

    def answer(self, question: words.Question) -> None:
        """Answer a request of the command socket."""
        self._desk.answer(question.content).addCallback(self._tell, question.id)

    def _tell(self, response: pb.Response, number: int) -> None:
        if response.ByteSize() > ANSWER_BYTES_MAX:
            response = failure(f"the answer is too long: {response.ByteSize()} bytes")
        self._channel.say(answer=words.Answer(id=number, response=response))

    def count(self, number: int) -> None:
        """Tell all counters, in pieces, in short turns."""

        def steps() -> Generator[None, None, None]:
            reports = yield from self._traffic.counts.gather()
            for piece in chunks_of(reports):
                self._channel.say(counters=words.Counters(id=number, piece=piece))
                yield

        def ended(fault: Failure | None) -> None:
            if fault is not None:
                _log.failure("the counters could not be told", failure=fault)
            # Told in any case: somebody waits, and sees by himself that they are not whole.
            self._channel.say(counters=words.Counters(id=number, piece=b""))

        self._slowly.run(steps()).addBoth(ended)

    def write_counters(self) -> None:
        """Write all counters of this worker to descriptor 1, as one line of JSON."""
        counted = self._slowly.run(self._traffic.counts.gather())
        counted.addCallback(lambda all_: self._stdout.write(as_json(all_).encode() + b"\n"))
        counted.addErrback(
            lambda fault: _log.failure("the counters could not be written", failure=fault)
        )

    def close(self) -> None:
        """Write what is left for descriptor 1, if it takes that at once."""
        self._stdout.close()


def _tell_lost(lines: int) -> None:
    _log.warn("{lines} lines of counters could not be written", lines=lines)
