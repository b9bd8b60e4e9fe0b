import errno
import fcntl
import os
import pty
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.config.model import InetAddress
from sozutw.config.targets import UdpTarget, UnixTarget
from sozutw.process.logs.writers import (
    BACKLOG_BYTES_MAX,
    DatagramWriter,
    FileSink,
    SharedSink,
    StreamWriter,
)


class ScriptedSink:
    """Takes what the script says: a number of bytes, or an error."""

    def __init__(self, *script: int | OSError) -> None:
        self.script = list(script)
        self.taken = b""
        self.is_closed = False

    def send(self, data: bytes) -> int:
        step = self.script.pop(0) if self.script else len(data)
        if isinstance(step, OSError):
            raise step
        self.taken += data[:step]
        return min(step, len(data))

    def close(self) -> None:
        self.is_closed = True


class Lost:
    """Adds up what was given up."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, lines: int) -> None:
        assert lines >= 0
        self.lines += lines


def writer_on(*sinks: ScriptedSink | OSError) -> tuple[StreamWriter, Lost]:
    left = list(sinks)
    lost = Lost()

    def open_sink() -> ScriptedSink:
        sink = left.pop(0)
        if isinstance(sink, OSError):
            raise sink
        return sink

    return StreamWriter(open_sink, lost), lost


FULL = BlockingIOError(errno.EAGAIN, "full")
GONE = OSError(errno.EPIPE, "gone")


def test_lines_are_written_in_order() -> None:
    sink = ScriptedSink()
    writer, lost = writer_on(sink)
    writer.write(b"a\n")
    writer.write(b"b\n")
    assert (sink.taken, lost.lines) == (b"a\nb\n", 0)


def test_what_is_not_taken_goes_with_the_next_lines() -> None:
    sink = ScriptedSink(1, FULL)
    writer, lost = writer_on(sink)
    writer.write(b"aa\n")
    writer.write(b"bb\n")
    assert sink.taken == b"a"
    writer.write(b"cc\n")
    assert (sink.taken, lost.lines) == (b"aa\nbb\ncc\n", 0)


def test_the_backlog_has_a_bound_and_ends_with_a_whole_line() -> None:
    line = b"x" * 999 + b"\n"
    lines_max = BACKLOG_BYTES_MAX // len(line)
    sink = ScriptedSink(10, *[FULL] * 3)
    writer, lost = writer_on(sink)
    writer.write(line)
    for _ in range(3):
        writer.write(line * (lines_max // 2))
    kept = 3 * (lines_max // 2) + 1 - lost.lines
    assert lost.lines > 0
    writer.write(b"end\n")
    assert sink.taken == line * kept + b"end\n"
    assert len(sink.taken) <= BACKLOG_BYTES_MAX + 14


def test_after_a_failure_the_sink_is_opened_anew_and_nothing_is_lost() -> None:
    old, new = ScriptedSink(2, GONE), ScriptedSink()
    writer, lost = writer_on(old, new)
    writer.write(b"a\n")
    writer.write(b"b\n")
    assert old.is_closed
    assert (old.taken, new.taken, lost.lines) == (b"a\n", b"b\n", 0)


@pytest.mark.parametrize("second", [ScriptedSink(GONE), GONE])
def test_after_two_failures_lines_are_given_up_and_counted(
    second: ScriptedSink | OSError,
) -> None:
    last = ScriptedSink()
    writer, lost = writer_on(ScriptedSink(GONE), second, last)
    writer.write(b"a\nb\n")
    assert lost.lines == 2
    writer.write(b"c\n")
    assert (last.taken, lost.lines) == (b"c\n", 2)


def test_half_a_line_does_not_run_into_the_next_one() -> None:
    cut, last = ScriptedSink(3, GONE), ScriptedSink()
    writer, lost = writer_on(cut, GONE, GONE, GONE, last)
    writer.write(b"a\nbbb\n")
    writer.write(b"c\n")
    assert lost.lines == 2
    writer.write(b"d\n")
    assert lost.lines == 3
    writer.write(b"e\n")
    assert (cut.taken, last.taken, lost.lines) == (b"a\nb", b"\ne\n", 3)


def test_reopening_closes_the_old_sink_once_the_new_one_is_open() -> None:
    old, new = ScriptedSink(), ScriptedSink()
    writer, _lost = writer_on(old, GONE, new)
    writer.open()
    with pytest.raises(OSError, match="gone"):
        writer.reopen()
    assert not old.is_closed
    writer.write(b"a\n")
    writer.reopen()
    writer.write(b"b\n")
    assert (old.taken, old.is_closed, new.taken) == (b"a\n", True, b"b\n")


def test_closing_tries_the_backlog_once_more() -> None:
    sink = ScriptedSink(1)
    writer, lost = writer_on(sink)
    writer.write(b"aa\n")
    assert writer.close().called
    assert (sink.taken, sink.is_closed, lost.lines) == (b"aa\n", True, 0)


def test_closing_counts_what_is_still_not_taken() -> None:
    writer, lost = writer_on(ScriptedSink(FULL, FULL))
    writer.write(b"a\nb\n")
    writer.close()
    assert lost.lines == 2


def test_closing_what_was_never_opened_is_nothing() -> None:
    writer, lost = writer_on()
    assert writer.close().called
    assert lost.lines == 0


def test_a_sink_that_cannot_be_closed_is_closed() -> None:
    class Stubborn(ScriptedSink):
        def close(self) -> None:
            raise GONE

    writer, _lost = writer_on(Stubborn())
    writer.open()
    assert writer.close().called


def test_a_file_is_appended_to_and_not_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for text in (b"a\n", b"b\n"):
        sink = FileSink(str(path))
        assert sink.send(text) == 2
        sink.close()
    assert path.read_bytes() == b"a\nb\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0


def test_a_fifo_without_a_reader_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    with pytest.raises(OSError):  # noqa: PT011
        FileSink(path)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:
            continue


def test_a_shared_pipe_is_filled_but_never_waited_for(pipe: tuple[int, int]) -> None:
    read, write = pipe
    sink = SharedSink(write)
    data = b"x" * 300_000
    sent = sink.send(data)
    assert 4096 <= sent < len(data)
    assert sink.send(data) == 0
    assert not fcntl.fcntl(write, fcntl.F_GETFL) & os.O_NONBLOCK
    assert len(os.read(read, 400_000)) == sent
    assert sink.send(data) == sent
    sink.close()
    os.fstat(write)  # Only our copy was closed.


def test_a_pipe_that_nobody_reads_any_more_is_an_error(pipe: tuple[int, int]) -> None:
    read, write = pipe
    sink = SharedSink(write)
    os.close(read)
    with pytest.raises(BrokenPipeError):
        sink.send(b"a\n")
    sink.close()


def test_an_error_after_a_piece_was_sent_is_told_with_the_next(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _read, write = pipe
    sink = SharedSink(write)
    real = os.write
    sizes: list[int] = []

    def write_once(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        if len(sizes) > 1:
            raise GONE
        return real(fd, data)

    monkeypatch.setattr("sozutw.process.logs.writers.os.write", write_once)
    assert sink.send(b"x" * 5000) == 4096
    with pytest.raises(OSError, match="gone"):
        sink.send(b"x" * 904)
    sink.close()


def test_a_shared_socket_is_filled_but_never_waited_for() -> None:
    ours, theirs = socket.socketpair()
    sink = SharedSink(ours.fileno())
    data = b"x" * 1_000_000
    assert 0 < sink.send(data) < len(data)
    with pytest.raises(BlockingIOError):
        sink.send(data)
    assert ours.getblocking()
    sink.close()
    ours.send(b"", socket.MSG_DONTWAIT)  # Only our copy was closed.
    ours.close()
    theirs.close()


def test_a_shared_file_and_a_terminal_are_written_to(tmp_path: Path) -> None:
    with open(tmp_path / "a.log", "wb") as file:
        sink = SharedSink(file.fileno())
        assert sink.send(b"x" * 100_000) == 100_000
        sink.close()
    assert (tmp_path / "a.log").stat().st_size == 100_000
    main, terminal = pty.openpty()
    sink = SharedSink(terminal)
    assert sink.send(b"abc") == 3
    assert os.read(main, 10) == b"abc"
    sink.close()
    os.close(main)
    os.close(terminal)


def test_a_closed_descriptor_is_an_error_when_opened() -> None:
    fd = os.dup(1)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        SharedSink(fd)


def listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(5)
    return listener


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_each_line_is_one_datagram(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        listener.settimeout(5)
        lost = Lost()
        writer = DatagramWriter(UdpTarget(InetAddress(host, listener.getsockname()[1])), lost)
        writer.write(b"a\nbb\n")
        assert [listener.recv(100), listener.recv(100)] == [b"a\n", b"bb\n"]
        assert writer.close().called
        assert lost.lines == 0


def test_a_new_listener_under_the_same_path_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "log.sock")
    lost = Lost()
    writer = DatagramWriter(UnixTarget(path), lost)
    writer.write(b"a\nb\n")
    assert lost.lines == 2
    with listening(path) as first:
        writer.write(b"c\n")
        assert first.recv(100) == b"c\n"
    os.unlink(path)
    with listening(path) as second:
        writer.write(b"d\ne\n")
        assert second.recv(100) == b"d\n"
        assert second.recv(100) == b"e\n"
        writer.reopen()
        writer.write(b"f\n")
        assert second.recv(100) == b"f\n"
    assert lost.lines == 2
    writer.close()
    writer.close()


def test_a_listener_that_does_not_read_loses_lines_and_holds_nobody_up(tmp_path: Path) -> None:
    path = str(tmp_path / "log.sock")
    with listening(path) as listener:
        lost = Lost()
        writer = DatagramWriter(UnixTarget(path), lost)
        writer.write(b"x\n" * 5000)
        assert 0 < lost.lines < 5000
        assert listener.recv(100) == b"x\n"
        writer.close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_written_at_once_ends_with_a_line(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes write there, and the kernel keeps no more than each write together."""
    if kind == "pipe":
        reader, writer = os.pipe()
        pieces: list[bytes] = []
        write = os.write

        def seen(fd: int, data: bytes) -> int:
            pieces.append(data)
            return write(fd, data)

        monkeypatch.setattr(os, "write", seen)
    else:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, writer = ours.detach(), theirs.detach()
    sink = SharedSink(writer)
    lines = [b"%d" % number * 300 + b"\n" for number in range(10, 30)]
    long_line = b"x" * 9000 + b"\n"
    data = b"".join(lines) + long_line + lines[0]
    assert sink.send(data) == len(data)
    if kind == "socket":
        pieces = []
        while sum(map(len, pieces)) < len(data):
            pieces.append(os.read(reader, 65_536))
    assert b"".join(pieces) == data
    assert all(len(piece) <= 4096 for piece in pieces)
    cut = [piece for piece in pieces if not piece.endswith(b"\n")]
    assert [set(piece) for piece in cut] == [set(b"x")] * 2  # A line too long for one write.
    sink.close()
    os.close(reader)
    os.close(writer)
