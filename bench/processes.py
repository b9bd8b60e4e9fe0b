"""Start programs pinned to a core, read from /proc what they cost, and end them by their pid."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS_MAX = 5.0


class BenchError(Exception):
    """The comparison cannot go on; the text says why, and what to do."""


def _stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on: the command may contain spaces."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def descendants(pid: int) -> list[int]:
    """Return ``pid`` and all processes below it that live now."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            # Processes end while we look.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = int(_stat_fields(int(entry.name))[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found


def _own_cpu_seconds(pid: int) -> float:
    """
    Return the processor time of one process, all its threads.

    ``stat`` rounds user and system time to 10 ms, which is 5 % of a short transfer.
    ``schedstat`` is the same account in nanoseconds, where the kernel keeps it. (It forgets
    threads that have ended; none of the programs compared here ends a thread under load.)
    """
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        exact = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        exact = 0.0
    if exact:
        return exact
    fields = _stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _reaped_cpu_seconds(pid: int) -> float:
    fields = _stat_fields(pid)
    return (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND


class Running:
    """A program that was started here."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        core: int | str,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.output = folder / f"{name}.out"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The first process; ``taskset`` becomes the program, so this is the program's own."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise, with the last words of the program, when it has ended."""
        if (status := self._process.poll()) is not None:
            words = self.output.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with status {status}:\n{words}")

    def cpu_seconds(self) -> float:
        """Return user and system time so far, children included, living and reaped."""
        self.check_alive()
        return sum(_own_cpu_seconds(p) + _reaped_cpu_seconds(p) for p in descendants(self.pid))

    def rss_kib(self) -> int:
        """Return the resident memory of the program and its children."""
        self.check_alive()
        total = 0
        for pid in descendants(self.pid):
            status = (PROC / str(pid) / "status").read_text()
            total += sum(int(r.split()[1]) for r in status.splitlines() if r.startswith("VmRSS:"))
        return total

    def stop(self) -> None:
        """End the program and its children: asked, asked again, then killed, each by its pid."""
        pids = descendants(self.pid) if self._process.poll() is None else []
        for signal_number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS_MAX)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for pid in pids[1:]:
            while (PROC / str(pid)).exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            if (PROC / str(pid)).exists():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
