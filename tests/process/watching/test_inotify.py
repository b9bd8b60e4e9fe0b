"""The kernel tells of folders, on a real one."""

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.process.watching import inotify
from sozutw.process.watching.inotify import Inotify, NoInotifyError
from tests.fakes.loops import HandRunLoop, loop_named


class Scene:
    def __init__(self, loop: HandRunLoop, folder: Path) -> None:
        self.loop = loop
        self.folder = folder
        self.told: list[tuple[str, str]] = []
        self.overflows = 0
        self.inotify = Inotify(loop.reactor, self.on_change, self.on_overflow)

    def on_change(self, folder: str, name: str) -> None:
        self.told.append((folder, name))

    def on_overflow(self) -> None:
        self.overflows += 1

    def hears(self, folder: Path, name: str) -> bool:
        """Whether a change of this name is told, and forget all that was told."""
        self.loop.run_until(lambda: (str(folder), name) in self.told)
        self.told.clear()
        return True

    def hears_nothing_of(self, folder: Path) -> bool:
        """Whether a change elsewhere is told, and nothing of this folder before it."""
        (self.folder / "mark").touch()
        self.loop.run_until(lambda: (str(self.folder), "mark") in self.told)
        (self.folder / "mark").unlink()
        was_told = str(folder) in [told for told, _name in self.told]
        self.loop.settle()
        self.told.clear()
        return not was_told


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with loop_named("direct") as loop:
        scene = Scene(loop, tmp_path)
        scene.inotify.watch(str(tmp_path))
        yield scene
        scene.inotify.close()


def test_whatever_happens_to_a_name_is_told(scene: Scene) -> None:
    folder, path = scene.folder, scene.folder / "a.pem"
    path.touch()
    assert scene.hears(folder, "a.pem")
    path.write_text("x")
    assert scene.hears(folder, "a.pem")
    path.chmod(0o600)
    assert scene.hears(folder, "a.pem")
    path.rename(folder / "b.pem")
    scene.loop.run_until(lambda: len(scene.told) == 2)
    assert {name for _folder, name in scene.told} == {"a.pem", "b.pem"}
    scene.told.clear()
    (folder / "b.pem").unlink()
    assert scene.hears(folder, "b.pem")
    (folder / "link").symlink_to("b.pem")
    assert scene.hears(folder, "link")
    (folder / "é").mkdir()
    assert scene.hears(folder, "é")


def test_reading_is_no_change(scene: Scene) -> None:
    path = scene.folder / "a.pem"
    path.touch()
    scene.hears(scene.folder, "a.pem")
    scene.loop.settle()
    scene.told.clear()
    path.read_text()
    (scene.folder / "mark").touch()
    scene.loop.run_until(lambda: scene.told)
    assert {name for _folder, name in scene.told} == {"mark"}


def test_nothing_is_told_of_what_is_ignored(scene: Scene) -> None:
    folder = scene.folder / "x"
    folder.mkdir()
    scene.inotify.watch(str(folder))
    (folder / "a").touch()
    assert scene.hears(folder, "a")
    (folder / "b").touch()
    scene.inotify.ignore(str(folder))
    scene.inotify.ignore(str(folder))
    assert scene.hears_nothing_of(folder)


def test_a_folder_that_takes_the_name_of_another_is_watched_in_its_place(scene: Scene) -> None:
    folder, gone = scene.folder / "x", scene.folder / "gone"
    folder.mkdir()
    scene.inotify.watch(str(folder))
    folder.rename(gone)
    folder.mkdir()
    scene.inotify.watch(str(folder))
    (gone / "a").touch()
    assert scene.hears_nothing_of(folder)
    (folder / "a").touch()
    assert scene.hears(folder, "a")


def test_a_folder_that_is_deleted_takes_no_other_with_it(scene: Scene) -> None:
    folder = scene.folder / "x"
    folder.mkdir()
    scene.inotify.watch(str(folder))
    shutil.rmtree(folder)
    assert scene.hears(scene.folder, "x")
    scene.loop.settle()
    folder.mkdir()
    scene.inotify.watch(str(folder))
    (folder / "a").touch()
    assert scene.hears(folder, "a")


@pytest.mark.parametrize(
    ("name", "reason"), [("gone", "No such file or directory"), ("file", "Not a directory")]
)
def test_what_cannot_be_watched_is_an_error(scene: Scene, name: str, reason: str) -> None:
    (scene.folder / "file").touch()
    with pytest.raises(OSError, match=reason):
        scene.inotify.watch(str(scene.folder / name))


def test_events_that_were_lost_are_told_of(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    overflow = struct.pack("iIII", -1, 0x4000, 0, 0)
    monkeypatch.setattr(inotify.os, "read", lambda _descriptor, _bytes: overflow)
    scene.inotify.doRead()
    assert (scene.overflows, scene.told) == (1, [])


def test_a_reading_without_need_does_no_harm(scene: Scene) -> None:
    scene.loop.settle()
    scene.inotify.doRead()
    assert scene.told == []


def test_after_the_end_nothing_is_left_open(tmp_path: Path) -> None:
    with loop_named("direct") as loop:
        before = os.listdir("/proc/self/fd")
        scene = Scene(loop, tmp_path)
        scene.inotify.watch(str(tmp_path))
        assert scene.inotify.logPrefix() == "inotify"
        scene.inotify.connectionLost(None)
        assert scene.inotify.fileno() == -1
        scene.inotify.close()
        assert os.listdir("/proc/self/fd") == before


def test_a_system_without_inotify_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify.ctypes, "CDLL", lambda _name, use_errno: object())
    with pytest.raises(NoInotifyError, match="this system has no inotify"):
        Inotify(None, print, print)


def test_a_system_with_none_to_spare_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def inotify_init1(self, _flags: int) -> int:
            return -1

    monkeypatch.setattr(inotify.ctypes, "CDLL", lambda _name, use_errno: Library())
    monkeypatch.setattr(inotify.ctypes, "get_errno", lambda: 24)
    with pytest.raises(NoInotifyError, match="Too many open files"):
        Inotify(None, print, print)
