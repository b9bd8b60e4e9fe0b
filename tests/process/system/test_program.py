"""Which program is on disk: the same text for the same, another for another."""

import os
import sys
import time
from pathlib import Path

import pytest

from sozutw.process.system import program
from sozutw.process.system.program import program_identity


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of its own, of which each part may be changed."""
    for name in ("ours/inner", "ours/__pycache__", "site/dep", "other/space/dep2", "bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("ours/__init__.py", "ours/inner/a.py", "ours/b.cnf", "bin/python3.11"):
        (tmp_path / name).write_text("x")
    (tmp_path / "ours/PAGE.md").write_text("x")
    (tmp_path / "ours/__pycache__/a.py").write_text("x")
    (tmp_path / "bin/python").symlink_to("python3.11")
    folders = {
        "sozutw": tmp_path / "ours",
        "dep": tmp_path / "site/dep",
        "space.dep2": tmp_path / "other/space/dep2",
    }
    monkeypatch.setattr(program, "_DEPENDENCIES", ("dep", "space.dep2"))
    monkeypatch.setattr(program, "_folders", lambda name: [str(folders[name])])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    return tmp_path


def later(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


def test_it_is_the_same_as_long_as_nothing_changes(installed: Path) -> None:
    assert program_identity() == program_identity()
    assert len(program_identity()) == 16


@pytest.mark.parametrize(
    "name", ["ours/__init__.py", "ours/inner/a.py", "ours/b.cnf", "site", "other", "bin/python3.11"]
)
def test_a_later_part_makes_another_program(installed: Path, name: str) -> None:
    before = program_identity()
    later(installed / name)
    assert program_identity() != before


def test_a_file_more_or_less_or_longer_makes_another_program(installed: Path) -> None:
    seen = {program_identity()}
    (installed / "ours/inner/new.py").touch()
    seen.add(program_identity())
    (installed / "ours/inner/new.py").unlink()
    (installed / "ours/inner/a.py").rename(installed / "ours/a.py")
    seen.add(program_identity())
    time_of = (installed / "ours/b.cnf").stat()
    (installed / "ours/b.cnf").write_text("xx")
    os.utime(installed / "ours/b.cnf", ns=(time_of.st_atime_ns, time_of.st_mtime_ns))
    seen.add(program_identity())
    assert len(seen) == 4


def test_another_interpreter_of_the_same_name_makes_another_program(installed: Path) -> None:
    seen = {program_identity()}
    (installed / "bin/python").unlink()
    (installed / "bin/python").symlink_to("python3.12")
    seen.add(program_identity())
    (installed / "bin/python3.12").write_text("x")
    seen.add(program_identity())
    (installed / "bin/python3.13").hardlink_to(installed / "bin/python3.12")
    (installed / "bin/python").unlink()
    (installed / "bin/python").symlink_to("python3.13")
    seen.add(program_identity())
    assert len(seen) == 4


@pytest.mark.parametrize("name", ["ours/PAGE.md", "ours/__pycache__/a.py", "site/dep", "ours"])
def test_what_is_no_part_of_the_program_makes_no_other(installed: Path, name: str) -> None:
    before = program_identity()
    later(installed / name)
    assert program_identity() == before


def test_in_the_middle_of_an_installation_there_is_an_answer_too(installed: Path) -> None:
    before = program_identity()
    (installed / "ours").rename(installed / "away")
    assert program_identity() != before
    (installed / "away").rename(installed / "ours")
    assert program_identity() == before


def test_packages_are_found_where_they_are_installed() -> None:
    (found,) = program._folders("twisted")
    assert (Path(found) / "internet").is_dir()
    assert (Path(program._folders("google.protobuf")[0]) / "message.py").exists()
    for name in ("no_such_package", "no.such.package"):
        assert program._folders(name) == []


def test_it_takes_no_time_that_anybody_would_notice() -> None:
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        program_identity()
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.02
