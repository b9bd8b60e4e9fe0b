"""Tests of ``sozutw.control.faults``."""

import errno
import os
import pwd
from pathlib import Path

import pytest

from sozutw.control import faults
from sozutw.control.faults import BrokenChannelError, ClientError, TimedOutError, unreachable


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOENT, "there is no command socket {path}: is sozutw running"),
        (errno.ECONNREFUSED, "{path} is no socket; give the command_socket"),
        (errno.EACCES, "this user may not open {path}: become "),
        (errno.EAGAIN, "whoever listens on {path} accepts nobody now"),
        (errno.ENOTDIR, "cannot connect to {path}: Not a directory"),
    ],
)
def test_each_text_says_what_to_do(tmp_path: Path, number: int, text: str) -> None:
    path = tmp_path / "s"
    path.touch()
    fault = unreachable(str(path), number)
    assert str(fault).startswith(text.format(path=path))
    assert isinstance(fault, ClientError)


def test_a_file_that_cannot_be_looked_at_is_spoken_of_all_the_same(tmp_path: Path) -> None:
    path = str(tmp_path / "gone")
    assert str(unreachable(path, errno.ECONNREFUSED)) == (
        f"{path} is no socket; give the command_socket of sozutw's configuration"
    )
    assert str(unreachable(path, errno.EACCES)).endswith(
        "become the user that sozutw runs as, or root"
    )


def test_who_may_not_open_it_is_told_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.getuid())
    for name, told in (("root", "root"), ("web", "web, the user that sozutw runs as, or root")):
        entry = pwd.struct_passwd((name, *me[1:]))
        monkeypatch.setattr(faults.pwd, "getpwuid", lambda _, entry=entry: entry)
        assert str(unreachable(str(tmp_path), errno.EPERM)).endswith(f": become {told}")


def test_what_is_not_known_is_said() -> None:
    assert str(TimedOutError("/s", 10)).startswith("no answer on /s for 10 s; whether")
    assert "broke off: why; whether the request is carried out" in str(
        BrokenChannelError("/s", "why")
    )
