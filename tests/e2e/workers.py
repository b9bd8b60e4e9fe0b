"""A main process with workers, seen from outside: who there is, what is open, whose clients are."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from click.testing import Result
from typing_extensions import override

from sozutw.control.client import Client
from sozutw.control.messages.session_numbers import SessionName, name_of
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import Asked
from tests.e2e.harness import DEADLINE_SECONDS, Peer, wait_until
from tests.e2e.stage import SECONDS_MAX, get, status_of
from tests.e2e.tls import tls_connect, trusting
from tests.e2e.upgraded import QUICK, Generations

PATIENCE = 3 * DEADLINE_SECONDS
"""For what begins processes, of which a loaded machine may make several at once."""

FINE = {"answered", "told to go"}
"""What may come of a request; see ``upgraded.Loader``."""
DIED = {"reset", "cut"}
"""And if its worker dies."""
Census = list[tuple[str, bool, list[tuple[str, int]]]]
"""Of each process what it is called, whether nobody waited for it, and what it has open."""


class Kin(NamedTuple):
    """A process, its parent, and whether it has ended without anybody having looked."""

    pid: int
    parent: int
    state: str
    name: str
    """As the kernel keeps it: 15 bytes."""


def every_process() -> dict[int, Kin]:
    """Return all processes of the machine."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                before, _, after = (folder / "stat").read_text().rpartition(") ")
                state, parent = after.split()[:2]
                name = before.partition(" (")[2].strip()
                found[int(folder.name)] = Kin(int(folder.name), int(parent), state, name)
    return found


def descendants(pid: int) -> dict[int, Kin]:
    """Return the children of a process, theirs, and so on."""
    every = every_process()
    found: dict[int, Kin] = {}
    parents = {pid}
    while parents:
        children = {one.pid: one for one in every.values() if one.parent in parents}
        found |= children
        parents = set(children)
    return found


def remote_ports() -> dict[str, int]:
    """Return where each TCP socket of the machine is connected to, by its inode."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {line[9]: int(line[2].rpartition(":")[2], 16) for line in fields}


def waiting_at(port: int) -> int:
    """Return how many clients have connected to a port that nobody has accepted yet."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = (fields for fields in map(str.split, lines) if fields[3] == "0A")
    here = (one for one in listening if int(one[1].rpartition(":")[2], 16) == port)
    return sum(int(one[4].rpartition(":")[2], 16) for one in here)


class Manned(Generations):
    """
    A main process with workers; the configuration and the backends are those of Generations.

    Leaving it demands that no process is left.
    """

    def __init__(
        self,
        folder: Path,
        top: str = "",
        more: str = "",
        *,
        workers: int = 2,
        by_twistd: bool = False,
    ) -> None:
        self.count = workers
        super().__init__(folder, f"worker_count = {workers}\n{top}", more, by_twistd=by_twistd)
        self._before = set(descendants(os.getpid()))

    @override
    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.wait_for_workers()
        except BaseException:
            self._give_up()
            raise
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"processes: {list(self.family().values())}")
        super().__exit__(kind, error, trace)
        if error is None:
            wait_until(lambda: not self.family(), "no process left", said=self._family_text)

    @override
    def _give_up(self) -> None:
        super()._give_up()
        # Those that lost their parent are ours to end, and to wait for.
        for one in self.family().values():
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        for pid in list(self.family()):
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

    # Who there is.

    def family(self) -> dict[int, Kin]:
        """Return all processes that came since, whoever their parents are."""
        found = descendants(os.getpid())
        return {pid: one for pid, one in found.items() if pid not in self._before}

    def _family_text(self) -> str:
        return "\n".join(map(str, self.family().values()))

    def zygotes(self) -> list[int]:
        """Return the processes that fork workers."""
        return [
            one.pid
            for one in self.family().values()
            if one.name == "sozutw zygote" and one.state != "Z"
        ]

    def roll(self) -> list[pb.WorkerInfo]:
        """Return what `status` tells of each worker."""
        with Client(self.socket_path, SECONDS_MAX) as client:
            return [*client.request(pb.Request(status=pb.Status())).content.workers.vec]

    def states(self) -> list[tuple[int, str]]:
        """Return the number of each worker and its state."""
        return [(one.id, pb.RunState.Name(one.run_state)) for one in self.roll()]

    def workers(self) -> dict[int, int]:
        """Return the process of each worker that runs."""
        return {one.id: one.pid for one in self.roll() if one.run_state == pb.RUNNING}

    def wait_for(self, is_true: Callable[[], bool], awaited: str) -> None:
        """Wait until something is true of the workers."""
        wait_until(is_true, awaited, PATIENCE, lambda: str(self.roll()))

    def wait_for_workers(self) -> dict[int, int]:
        """Wait until all run and none leaves, and return their processes."""
        wanted = [(number, "RUNNING") for number in range(self.count)]
        self.wait_for(lambda: self.states() == wanted, "all workers run")
        return self.workers()

    def wait_for_another(self, worker: int, pid: int) -> int:
        """Wait until this worker is another process than this one, and return that."""
        self.wait_for(lambda: self.workers().get(worker, pid) != pid, f"another worker {worker}")
        return self.workers()[worker]

    @override
    def expect_in_charge(self) -> None:
        assert self.told_pid() == self.pid
        self.wait_for_workers()
        assert self.answer() in "ab"

    def upgrade_worker(self, worker: int) -> Result:
        """Have this worker replaced, and return what was said."""
        result = self.asked.call(f"upgrade --worker {worker}")
        assert result.exit_code == 0, result.output
        return result

    @override
    def stop(self) -> None:
        # Who is idle keeps his connection for as long as a stop may take.
        for client in self.clients:
            client.close()
        super().stop()

    def kill(self, pid: int) -> None:
        """End one process without asking."""
        assert pid in self.family()
        os.kill(pid, signal.SIGKILL)

    def reap(self) -> None:
        """Wait for all that came to be ours."""
        for pid in list(self.family()):
            os.waitpid(pid, 0)

    # What is open.

    def census(self) -> Census:
        """
        Return what each process is, and what it has open.

        Connections to backends and pipes are left out: both are kept for later.
        """
        to_backends = {*self.crowd.ports.values(), self.slow.port}
        remote = remote_ports()
        found = []
        for pid, one in self.family().items():
            counted: Counter[str] = Counter()
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    what, _, number = os.readlink(path).partition(":[")
                    if what != "pipe" and remote.get(number[:-1]) not in to_backends:
                        counted[what] += 1
            name = "main" if pid == self.pid else one.name
            found.append((name, one.state == "Z", sorted(counted.items())))
        return sorted(found)

    def wait_for_census(self, wanted: Census) -> None:
        """Wait until the same processes have the same open as then."""

        def is_same() -> bool:
            with suppress(FileNotFoundError):
                return self.census() == wanted
            return False

        wait_until(
            is_same,
            "processes and descriptors at baseline",
            PATIENCE,
            lambda: f"{self._family_text()}\n{wanted}\n{self.census()}",
        )

    # Whose clients are.

    def sessions(self) -> dict[int, SessionName]:
        """Return where each client is, by its port."""
        result = Asked("-c", str(self.config), is_json=True).call("sessions list")
        assert result.exit_code == 0, result.output
        return {
            int(one["peer"].rpartition(":")[2]): name_of(one["token"])
            for one in _json(result)["SESSIONS"]["vec"]
        }

    def worker_of(self, client: Peer) -> int:
        """Return which worker has this client."""
        wait_until(lambda: client.port in self.sessions(), "the client listed")
        return self.sessions()[client.port].worker

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """
        Have whoever connects meanwhile served by this worker: the others stand still.

        Nothing may be asked of all of them until then.
        """
        others = [pid for number, pid in self.workers().items() if number != worker]
        try:
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            wait_until(
                lambda: all(self.family()[pid].state == "T" for pid in others), "they stand still"
            )
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def client_of(self, worker: int) -> Peer:
        """Return a client that is in this worker."""
        with self.only(worker):
            client = self.client()
            wait_until(lambda: not waiting_at(self.port), "the client accepted")
        return client

    def ask(self, client: Peer, host: str = QUICK) -> bytes:
        """Have a GET answered by a backend, and return the head of that."""
        client.send(get("/", host))
        head, body = client.receive_message(SECONDS_MAX)
        assert status_of(head) == 200, head
        assert body in {b"a", b"b"}, body
        return head

    def tls_client(self, host: str = QUICK) -> Peer:
        """Connect a client of TLS."""
        self.clients.append(tls_connect(self.tls_port, trusting(self.authority), host))
        return self.clients[-1]


def hashes_of(place: Manned) -> dict[str, dict[str, int]]:
    """Return the hash of each cluster, as every process tells it."""
    with Client(place.socket_path, SECONDS_MAX) as client:
        asked = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())
        told = client.request(asked).content.worker_responses.map
        return {name: dict(one.cluster_hashes.map) for name, one in told.items()}


def _json(result: Result) -> Any:
    return json.loads(result.stdout)
