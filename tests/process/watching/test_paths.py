"""The way to a file, as the kernel goes it."""

import os
from pathlib import Path

import pytest

from sozutw.process.watching.paths import FILE_BYTES_MAX, LINKS_MAX, places_of, read_small_file


def places(path: Path | str, below: Path) -> list[str]:
    """Return the way to a file, as far as it leads through a folder of this test."""
    real = str(below.resolve())
    found = [f"{folder}/{name}" for folder, name in places_of(str(path), {})]
    return [place.removeprefix(real + "/") for place in found if place.startswith(real + "/")]


def test_every_folder_on_the_way_is_named_from_the_root_down(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "cert.pem").touch()
    whole = [f"{folder.rstrip('/')}/{name}" for folder, name in places_of(f"{tmp_path}/a/x", {})]
    assert whole == [str(p) for p in [*(tmp_path / "a" / "x").parents][-2::-1]] + [
        f"{tmp_path}/a/x"
    ]
    assert places(tmp_path / "a" / "cert.pem", tmp_path) == ["a", "a/cert.pem"]


def test_a_link_is_on_the_way_and_so_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "cert1.pem").touch()
    (tmp_path / "live" / "cert.pem").symlink_to("../archive/cert1.pem")
    assert places(tmp_path / "live" / "cert.pem", tmp_path) == [
        "live",
        "live/cert.pem",
        "archive",
        "archive/cert1.pem",
    ]


def test_links_to_folders_and_from_the_root_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "tls.crt").touch()
    (tmp_path / "..data").symlink_to(tmp_path / "..2026")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    way = places(tmp_path / "tls.crt", tmp_path)
    assert way == ["tls.crt", "..data", "..2026", "..2026/tls.crt"]


def test_dots_and_doubled_slashes_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert places(f"{tmp_path}//a/.././x", tmp_path) == ["a", "x"]


def test_a_relative_path_begins_in_the_folder_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert places("x", tmp_path) == ["x"]


def test_the_way_ends_where_something_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert places(tmp_path / "gone" / "x" / "y", tmp_path) == ["gone"]
    assert places(tmp_path / "file" / "x" / "y", tmp_path) == ["file", "file/x"]


def test_a_ring_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert len(places(tmp_path / "a", tmp_path)) == LINKS_MAX + 1


def test_what_was_looked_up_is_not_looked_up_again(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    looked_up: dict[tuple[str, str], str | None] = {}
    first = list(places_of(str(tmp_path / "a"), looked_up))
    (tmp_path / "a").unlink()
    assert list(places_of(str(tmp_path / "a"), looked_up)) == first
    assert list(places_of(str(tmp_path / "a"), {})) == first[:-1]


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("é" * 1000, encoding="utf-8")
    assert read_small_file(str(path)) == "é" * 1000
    path.write_bytes(b"x" * FILE_BYTES_MAX)
    assert len(read_small_file(str(path))) == FILE_BYTES_MAX


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * (FILE_BYTES_MAX + 1))
    with pytest.raises(OSError, match="it has more than 1048576 bytes"):
        read_small_file(str(tmp_path / "x"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: object) -> None:
    path = str(tmp_path / "x")
    make(path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="it is no regular file"):
        read_small_file(path)
    assert os.listdir("/proc/self/fd") == before


def test_what_is_no_text_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x30\x82\xff")
    with pytest.raises(UnicodeDecodeError):
        read_small_file(str(tmp_path / "x"))
