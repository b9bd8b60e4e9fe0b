"""Files that tell which process this is, and what becomes of them when another one tells so."""

import os
from pathlib import Path

import pytest

from sozutw.process.system.pid_file import PidFiles

OWN = f"{os.getpid()}\n"


def test_they_live_as_long_as_the_process(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pid", tmp_path / "other.pid"
    files = PidFiles([str(one), None, str(other), "", os.path.relpath(one)])
    files.write()
    assert one.read_text() == other.read_text() == OWN
    files.remove()
    assert not one.exists()
    assert not other.exists()


def test_without_a_path_nothing_is_written() -> None:
    files = PidFiles([None, ""])
    files.write()
    files.restore()
    files.remove()


@pytest.mark.parametrize("may_unlink", [True, False])
def test_the_file_of_root_gives_place_where_the_folder_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_unlink: bool
) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    open_really = os.open

    def open_what_is_ours(path: str, *more: int) -> int:
        if os.path.exists(path):
            raise PermissionError(13, "Permission denied", path)
        return open_really(path, *more)

    def unlink(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("sozutw.process.system.pid_file.os.open", open_what_is_ours)
    if may_unlink:
        PidFiles([str(path)]).write()
        assert path.read_text() == OWN
        return
    monkeypatch.setattr("sozutw.process.system.pid_file.os.unlink", unlink)
    with pytest.raises(PermissionError):
        PidFiles([str(path)]).write()
    assert path.read_text() == "1\n"


def test_another_processs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    PidFiles([str(path)]).remove()
    assert path.read_text() == "1\n"


@pytest.mark.parametrize("held", ["1\n", "", "\xff", None])
def test_what_a_failed_successor_left_is_put_right(tmp_path: Path, held: str | None) -> None:
    path = tmp_path / "pid"
    if held is not None:
        path.write_bytes(held.encode("latin-1"))
    PidFiles([str(path)]).restore()
    assert path.read_text() == OWN


def test_what_is_right_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(OWN)
    os.utime(path, (5, 5))
    PidFiles([str(path)]).restore()
    assert path.stat().st_mtime == 5


def test_one_that_is_gone_needs_no_removal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    PidFiles([str(tmp_path / "pid")]).remove()
    assert capfd.readouterr().err == ""


def test_what_the_system_refuses_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    files = PidFiles([str(tmp_path / "folder"), str(tmp_path / "no" / "pid")])
    with pytest.raises(OSError, match="directory"):
        files.write()
    files.restore()
    files.remove()
    assert capfd.readouterr().err.count("pid file: ") == 3


def test_it_is_no_link_to_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "pid").symlink_to(other)
    with pytest.raises(OSError, match="pid"):
        PidFiles([str(tmp_path / "pid")]).write()
    assert other.read_text() == "precious"
