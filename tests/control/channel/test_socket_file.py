"""Tests of ``sozutw.control.channel.socket_file``."""

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from sozutw.control.channel import socket_file
from sozutw.control.channel.socket_file import CannotOpenError, HandedSocketFile, SocketFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def refusal(path: Path | str) -> str:
    with pytest.raises(CannotOpenError) as told:
        SocketFile(str(path))
    text = str(told.value)
    assert text.startswith(f"cannot open the command socket {path}: ")
    return text.removeprefix(f"cannot open the command socket {path}: ")


def test_it_listens_and_its_file_is_for_the_owner_alone(path: Path) -> None:
    umask = os.umask(0)
    try:
        file = SocketFile(str(path))
    finally:
        os.umask(umask)
    with file.sock, socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert file.sock.gettimeout() == 0
        assert not file.sock.get_inheritable()
        client.connect(str(path))
        file.remove()
        assert not path.exists()
        file.remove()


def test_it_has_its_mode_from_the_moment_it_exists(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []

    class Watched(socket.socket):
        def bind(self, address: str) -> None:  # type: ignore[override]
            super().bind(address)
            modes.append(stat.S_IMODE(path.lstat().st_mode))

    monkeypatch.setattr(socket_file.socket, "socket", Watched)
    umask = os.umask(0)
    try:
        SocketFile(str(path)).sock.close()
    finally:
        os.umask(umask)
    assert modes == [0o600]


def test_a_socket_where_nobody_answers_is_replaced(path: Path) -> None:
    SocketFile(str(path)).sock.close()
    with SocketFile(str(path)).sock, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_where_somebody_answers_is_not(path: Path) -> None:
    with SocketFile(str(path)).sock:
        assert refusal(path).startswith("another sozutw answers there; stop it")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as waiting:
        path.unlink()
        full.bind(str(path))
        full.listen(0)
        # Its queue is full: it answers late, but it is there.
        waiting.connect(str(path))
        assert refusal(path).startswith("another sozutw answers there; stop it")
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    assert refusal(path) == "there is something of that name that is no socket; it is left alone"
    assert path.is_symlink() or path.exists()


def test_a_path_that_is_too_long_is_told_with_both_numbers(tmp_path: Path) -> None:
    # In a folder that is near: what the kernel counts is the path as it is given.
    folder = os.path.relpath(tmp_path)
    most = f"{folder}/{'x' * (107 - len(folder) - 1)}"
    with SocketFile(most).sock:
        assert os.path.exists(most)
    assert refusal(most + "x") == "its path has 108 bytes, where 107 are the most"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOENT, "there is no folder {folder}"),
        (errno.EACCES, "Permission denied: this user may not write in {folder}"),
        (errno.EPERM, "Operation not permitted: this user may not write in {folder}"),
        (errno.EADDRINUSE, "another process took that name just now"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_why_it_cannot_be_made_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    class Refused(socket.socket):
        def bind(self, address: str) -> None:  # type: ignore[override]
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket_file.socket, "socket", Refused)
    assert refusal(path) == text.format(folder=path.parent)


def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    assert refusal(path / "s") == f"there is no folder {path}"
    path.touch()
    assert refusal(path / "s") == "Not a directory"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT])
def test_where_it_cannot_be_found_out_whether_somebody_answers(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    SocketFile(str(path)).sock.close()

    class Asking(socket.socket):
        def connect_ex(self, address: str) -> int:  # type: ignore[override]
            if number == errno.ENOENT:
                path.unlink()  # by whoever else starts
            return number

    monkeypatch.setattr(socket_file.socket, "socket", Asking)
    if number == errno.ENOENT:
        SocketFile(str(path)).sock.close()
    else:
        assert refusal(path) == (
            "whether another sozutw answers there cannot be found out: Permission denied"
        )


def test_the_file_of_another_is_not_removed(path: Path) -> None:
    ours = SocketFile(str(path))
    path.unlink()
    with ours.sock, SocketFile(str(path)).sock:
        ours.remove()
        assert path.exists()


def test_a_socket_that_was_handed_over_keeps_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        os.chmod(path, 0o660)
        handed = HandedSocketFile(path, sock, is_guarded=False)
        handed.remove()
        assert os.path.exists(path)


def test_a_socket_that_was_handed_over_is_not_for_everybody(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    os.chmod(path, 0o666)
    HandedSocketFile(path, sock, is_guarded=True)
    with pytest.raises(CannotOpenError, match="SocketMode=0600 is meant"):
        HandedSocketFile(path, sock, is_guarded=False)
    assert sock.fileno() == -1
    os.unlink(path)
    other = socket.socket(socket.AF_UNIX)
    with pytest.raises(CannotOpenError, match="No such file"):
        HandedSocketFile(path, other, is_guarded=True)
    assert other.fileno() == -1
