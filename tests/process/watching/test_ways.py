"""Which folders are watched for whom."""

import errno
import os
from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from sozutw.process.watching.ways import UNWATCHED_TOLD_MAX, Ways


class Folders:
    """A notifier that only notes; ``refuses`` says which folders it cannot watch, and why."""

    def __init__(self) -> None:
        self.watched: list[str] = []
        self.refuses: dict[str, int] = {}

    def watch(self, folder: str) -> None:
        number = self.refuses.get(folder)
        if number is not None:
            raise OSError(number, os.strerror(number), folder)
        if folder not in self.watched:
            self.watched.append(folder)

    def ignore(self, folder: str) -> None:
        if folder in self.watched:
            self.watched.remove(folder)

    def close(self) -> None:
        self.watched.clear()


class Scene:
    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path.resolve()
        self.notifier = Folders()
        self.ways = Ways(self.notifier)

    def path(self, name: str) -> str:
        return str(self.root / name)

    def file(self, name: str) -> str:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return str(path)

    def follow(self, owner: int, *paths: str) -> None:
        self.ways.follow(owner, paths, {})
        self.ways.check_invariants()

    def watched(self) -> list[str]:
        """The watched folders of this test, sorted."""
        real = str(self.root)
        return sorted(
            folder[len(real) :] for folder in self.notifier.watched if folder.startswith(real)
        )

    def concerned(self, name: str) -> set[int]:
        folder, _slash, name = self.path(name).rpartition("/")
        return set(self.ways.concerned(folder, name))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_change_concerns_whoever_comes_that_way(scene: Scene) -> None:
    one, other = scene.file("certs/one.pem"), scene.file("certs/other.pem")
    scene.follow(1, one, scene.file("keys/one.key"))
    scene.follow(2, other)
    assert scene.watched() == ["", "/certs", "/keys"]
    assert scene.concerned("certs/one.pem") == {1}
    assert scene.concerned("certs") == {1, 2}
    assert scene.concerned("keys/one.key") == {1}
    assert scene.concerned("keys/other.key") == set()


def test_a_folder_is_watched_as_long_as_anyone_needs_it(scene: Scene) -> None:
    first, second = scene.file("one/a.pem"), scene.file("two/a.pem")
    link = scene.root / "link.pem"
    link.symlink_to(first)
    scene.follow(1, str(link))
    scene.follow(2, first)
    link.unlink()
    link.symlink_to(second)
    scene.follow(1, str(link))
    assert scene.watched() == ["", "/one", "/two"]
    assert scene.concerned("one/a.pem") == {2}
    assert scene.concerned("two/a.pem") == {1}
    scene.follow(2, second)
    assert scene.watched() == ["", "/two"]
    assert scene.concerned("one/a.pem") == set()


def test_where_something_is_missing_its_coming_is_waited_for(scene: Scene) -> None:
    scene.follow(1, scene.path("later/a.pem"))
    assert scene.watched() == [""]
    assert scene.concerned("later") == {1}
    scene.follow(1, scene.file("later/a.pem"))
    assert scene.watched() == ["", "/later"]


def test_a_folder_that_cannot_be_watched_is_told_once(scene: Scene) -> None:
    path = scene.file("certs/a.pem")
    scene.notifier.refuses[scene.path("certs")] = errno.EACCES
    with capturedLogs() as logged:
        scene.follow(1, path)
        scene.follow(1, path)
    (event,) = logged
    assert formatEvent(event) == (
        f"what changes in {scene.path('certs')} will not be noticed: Permission denied"
    )
    del scene.notifier.refuses[scene.path("certs")]
    scene.follow(1, path)
    assert scene.watched() == ["", "/certs"]


def test_a_folder_that_has_just_gone_is_not_told(scene: Scene) -> None:
    path = scene.file("certs/a.pem")
    scene.notifier.refuses[scene.path("certs")] = errno.ENOENT
    with capturedLogs() as logged:
        scene.follow(1, path)
    assert list(logged) == []


def test_when_there_are_no_watches_left_a_few_folders_are_told(scene: Scene) -> None:
    with capturedLogs() as logged:
        for number in range(2 * UNWATCHED_TOLD_MAX):
            scene.notifier.refuses[scene.path(str(number))] = errno.ENOSPC
            scene.follow(number, scene.file(f"{number}/a.pem"))
    assert len(logged) == UNWATCHED_TOLD_MAX
