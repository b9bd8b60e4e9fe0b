"""Files that change are told of once they are whole and right: real files, a fake kernel."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sozutw.config.model import InetAddress, WatchedCertificate
from sozutw.config.pem import fingerprint_of
from sozutw.config.security import CertificateAndKey, CertificateFiles
from sozutw.config.state import RefusedRequestError
from sozutw.process.watching.inotify import NoInotifyError
from sozutw.process.watching.watch import (
    BATCH,
    QUIET_SECONDS,
    QUIET_SECONDS_MAX,
    CertificateWatch,
    Renewed,
)
from sozutw.transport.tls.selfsigned import make
from tests.config.conftest import check_certificate, pem
from tests.fakes.loops import loop_named

HERE, THERE = InetAddress("127.0.0.1", 8443), InetAddress("127.0.0.1", 9443)


class Kernel:
    """A notifier whose events the test makes."""

    def __init__(self, told: Callable[[str, str], None], overflowed: Callable[[], None]) -> None:
        self.told = told
        self.overflowed = overflowed
        self.is_open = True

    def watch(self, folder: str) -> None:
        assert self.is_open

    def ignore(self, folder: str) -> None:
        assert self.is_open

    def close(self) -> None:
        self.is_open = False


class Scene:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.clock = Clock()
        self.kernels: list[Kernel] = []
        self.changed: list[Renewed] = []
        self.refuses = ""
        self.watched: list[WatchedCertificate] = []
        self.watch: CertificateWatch

    def write(self, name: str, content: str, key: str = "the key") -> None:
        """Write NAME.pem, which holds ``content``, and NAME.key."""
        (self.folder / f"{name}.pem").write_text(pem(content))
        (self.folder / f"{name}.key").write_text(key)

    def add(
        self, name: str, address: InetAddress = HERE, *, is_default: bool = False, chain: str = ""
    ) -> None:
        """Watch what NAME's files hold now."""
        path = str(self.folder / name)
        files = CertificateFiles(f"{path}.pem", f"{path}.key", chain or None)
        texts = [Path(each).read_text() for each in (files.certificate, files.key)]
        held = CertificateAndKey(
            *texts, chain=(Path(chain).read_text(),) if chain else (), versions=("TLS_V13",)
        )
        self.watched.append(WatchedCertificate(address, files, held, is_default))

    def start(self) -> None:
        self.watch = CertificateWatch(
            self.watched,
            self.on_change,
            self.clock,
            make_notifier=self.make_kernel,
            check=check_certificate,
        )
        self.watch.startService()
        self.clock.advance(0)

    def make_kernel(
        self, told: Callable[[str, str], None], overflowed: Callable[[], None]
    ) -> Kernel:
        self.kernels.append(Kernel(told, overflowed))
        return self.kernels[-1]

    def on_change(self, renewed: Renewed) -> None:
        if self.refuses:
            raise RefusedRequestError(self.refuses)
        self.changed.append(renewed)

    def touch(self, name: str) -> None:
        """The kernel tells of a name in the folder."""
        self.kernels[-1].told(str(self.folder), name)

    def settle(self) -> None:
        self.clock.advance(QUIET_SECONDS)
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def contents(self) -> list[tuple[str, str | None]]:
        """What was told: new certificate, and whose place it takes."""
        names = {fingerprint_of(pem(name)): name for name in ("old", "new", "newer", "other")}
        return [
            (
                names[fingerprint_of(renewed.certificate.certificate)],
                None if renewed.old_fingerprint is None else names[renewed.old_fingerprint],
            )
            for renewed in self.changed
        ]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def started(scene: Scene) -> Scene:
    """One certificate, whose files hold ``old``."""
    scene.write("a", "old")
    scene.add("a")
    scene.start()
    return scene


def warnings(events: object) -> list[str]:
    return [formatEvent(e) for e in events if e["log_level"] is LogLevel.warn]


def test_a_renewed_certificate_is_told_of_when_all_is_quiet(started: Scene) -> None:
    started.write("a", "new", "its key")
    started.touch("a.pem")
    started.clock.advance(QUIET_SECONDS / 2)
    started.touch("a.key")
    started.clock.advance(QUIET_SECONDS / 2)
    assert started.changed == []
    with capturedLogs() as logged:
        started.settle()
    assert started.changed == [
        Renewed(
            HERE,
            CertificateAndKey(pem("new"), "its key", versions=("TLS_V13",)),
            fingerprint_of(pem("old")),
            is_default=False,
        )
    ]
    assert [formatEvent(event) for event in logged] == [
        f"what {started.folder}/a.pem holds now is served at 127.0.0.1:8443"
    ]
    assert started.clock.getDelayedCalls() == []


def test_each_renewal_takes_the_place_of_the_one_before(started: Scene) -> None:
    for content in ("new", "newer"):
        started.write("a", content)
        started.touch("a.pem")
        started.settle()
    assert started.contents() == [("new", "old"), ("newer", "new")]


def test_the_same_again_is_no_change(started: Scene) -> None:
    started.write("a", "old")
    started.touch("a.pem")
    started.settle()
    assert started.changed == []


def test_another_file_beside_it_is_no_event(started: Scene) -> None:
    started.touch("b.pem")
    assert started.clock.getDelayedCalls() == []


def test_what_changed_before_the_start_is_noticed(scene: Scene) -> None:
    scene.write("a", "old")
    scene.add("a")
    scene.write("a", "new")
    scene.start()
    assert scene.contents() == [("new", "old")]


def test_a_folder_that_never_rests_puts_off_a_look_for_so_long_only(started: Scene) -> None:
    started.write("a", "new")
    waited = 0.0
    while not started.changed:
        started.touch("a.pem")
        started.clock.advance(QUIET_SECONDS / 2)
        waited += QUIET_SECONDS / 2
        assert waited <= QUIET_SECONDS_MAX
    assert waited == QUIET_SECONDS_MAX


def test_a_key_that_comes_later_than_its_certificate_is_waited_for(started: Scene) -> None:
    started.write("a", "new", "wrong: the key does not belong to it")
    with capturedLogs() as logged:
        for _ in range(2):
            started.touch("a.pem")
            started.settle()
    path = f"{started.folder}/a.pem"
    (warning,) = warnings(logged)
    assert warning == (
        f"what {path} holds now cannot be served, what it held before stays: "
        "the key does not belong to it"
    )
    assert started.changed == []
    started.write("a", "new")
    started.touch("a.key")
    started.settle()
    assert started.contents() == [("new", "old")]


def test_a_complaint_is_made_again_when_there_was_nothing_to_complain_of(started: Scene) -> None:
    with capturedLogs() as logged:
        for content, key in (("new", "wrong: no"), ("old", "the key"), ("new", "wrong: no")):
            started.write("a", content, key)
            started.touch("a.pem")
            started.settle()
    assert len(warnings(logged)) == 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "a.key").unlink(), "a.key {}: No such file or directory"),
        (lambda folder: (folder / "a.pem").write_text(""), "a.pem {}: there is no certificate in"),
        (lambda folder: (folder / "a.pem").write_bytes(b"\xff"), "a.pem {}: it is no text; PEM "),
        (lambda folder: os.truncate(folder / "a.pem", 40), "a.pem {}: there is no certificate in"),
    ],
)
def test_what_is_broken_leaves_the_old_one_in_force(
    started: Scene, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(started.folder)
    with capturedLogs() as logged:
        started.touch("a.pem")
        started.settle()
    (warning,) = warnings(logged)
    told = told.format("holds now cannot be served, what it held before stays")
    assert warning.startswith(f"what {started.folder}/{told}")
    assert started.changed == []
    started.write("a", "new")
    started.touch("a.pem")
    started.settle()
    assert started.contents() == [("new", "old")]


def test_what_is_refused_is_tried_again_at_the_next_event(started: Scene) -> None:
    started.write("a", "new")
    started.refuses = "there is no listener"
    with capturedLogs() as logged:
        started.touch("a.pem")
        started.settle()
    (warning,) = warnings(logged)
    assert warning.endswith("stays: there is no listener")
    started.refuses = ""
    started.touch("a.pem")
    started.settle()
    assert started.contents() == [("new", "old")]


def test_a_chain_may_change_alone(scene: Scene) -> None:
    scene.write("a", "old")
    scene.write("chain", "issuer")
    scene.add("a", chain=str(scene.folder / "chain.pem"))
    scene.start()
    scene.write("chain", "another issuer")
    scene.touch("chain.pem")
    scene.settle()
    assert scene.contents() == [("old", "old")]
    assert scene.changed[0].certificate.chain == (pem("another issuer"),)


def test_a_link_in_the_place_of_another_is_a_change(scene: Scene) -> None:
    scene.write("one", "old")
    scene.write("two", "new")
    for suffix in ("pem", "key"):
        (scene.folder / f"a.{suffix}").symlink_to(f"one.{suffix}")
    scene.add("a")
    scene.start()
    for suffix in ("pem", "key"):
        (scene.folder / f"a.{suffix}").unlink()
        (scene.folder / f"a.{suffix}").symlink_to(f"two.{suffix}")
    scene.touch("a.pem")
    scene.settle()
    assert scene.contents() == [("new", "old")]
    scene.write("two", "newer")
    scene.touch("two.pem")
    scene.settle()
    assert scene.contents()[1:] == [("newer", "new")]
    scene.write("one", "other")
    scene.touch("one.pem")
    assert scene.clock.getDelayedCalls() == []


def test_the_old_one_stays_as_long_as_other_files_hold_it(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.write(name, "old")
        scene.add(name)
    scene.start()
    scene.write("a", "new")
    scene.touch("a.pem")
    scene.settle()
    scene.write("b", "new")
    scene.touch("b.pem")
    scene.settle()
    assert scene.contents() == [("new", None), ("new", "old")]


def test_a_default_and_other_addresses_are_apart(scene: Scene) -> None:
    scene.write("a", "old")
    scene.add("a")
    scene.add("a", is_default=True)
    scene.add("a", THERE)
    scene.start()
    scene.write("a", "new")
    scene.touch("a.pem")
    scene.settle()
    assert scene.contents() == [("new", "old")] * 3
    assert [(renewed.address, renewed.is_default) for renewed in scene.changed] == [
        (HERE, False),
        (HERE, True),
        (THERE, False),
    ]
    scene.write("a", "newer", "wrong: no")
    scene.touch("a.pem")
    with capturedLogs() as logged:
        scene.settle()
    assert len(warnings(logged)) == 1


def test_many_are_looked_at_a_few_at_a_time(scene: Scene) -> None:
    for number in range(2 * BATCH + 1):
        scene.write(str(number), "old")
        scene.add(str(number))
        scene.write(str(number), "new")
    turns = []
    call_later = scene.clock.callLater
    scene.clock.callLater = lambda *call: turns.append(len(scene.changed)) or call_later(*call)
    scene.start()
    assert turns == [0, BATCH, 2 * BATCH]
    assert len(scene.changed) == 2 * BATCH + 1


def test_when_events_were_lost_everything_is_looked_at(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.write(name, "old")
        scene.add(name)
    scene.start()
    for name in ("a", "b"):
        scene.write(name, "new")
    scene.kernels[-1].overflowed()
    scene.settle()
    assert len(scene.changed) == 2


def test_an_error_of_ours_does_not_stop_the_watch(scene: Scene) -> None:
    for number in range(BATCH + 1):
        scene.write(str(number), "old")
        scene.add(str(number))
    scene.start()
    scene.settle()

    def fail(_held: CertificateAndKey) -> str | None:
        raise AssertionError

    scene.watch._check = fail
    for number in range(BATCH + 1):
        scene.write(str(number), "new")
    scene.kernels[-1].overflowed()
    with pytest.raises(AssertionError):
        scene.clock.advance(QUIET_SECONDS)
    scene.watch._check = check_certificate
    scene.settle()
    assert len(scene.changed) == BATCH


def test_nothing_is_watched_after_the_end(started: Scene) -> None:
    started.touch("a.pem")
    started.watch.stopService()
    assert not started.kernels[-1].is_open
    assert started.clock.getDelayedCalls() == []
    started.touch("a.pem")
    assert started.clock.getDelayedCalls() == []
    started.watch.stopService()


def test_where_nothing_is_to_be_watched_no_descriptor_is_taken(scene: Scene) -> None:
    scene.start()
    scene.watch.stopService()
    assert scene.kernels == []


def test_a_system_that_cannot_watch_is_told_of_by_the_name_of_the_key(scene: Scene) -> None:
    def no_kernel(_told: object, _overflowed: object) -> Kernel:
        raise NoInotifyError("this system has no inotify")

    scene.write("a", "old")
    scene.add("a")
    scene.make_kernel = no_kernel
    with capturedLogs() as logged:
        scene.start()
    assert warnings(logged) == ["watch_certificates has no effect: this system has no inotify"]
    assert scene.clock.getDelayedCalls() == []
    scene.watch.stopService()


def test_certbot_renews_on_a_real_system(tmp_path: Path) -> None:
    """Its links are changed one by one, and the files behind them are new."""
    live, archive = tmp_path / "live", tmp_path / "archive"
    live.mkdir()
    archive.mkdir()

    def renew(number: int) -> CertificateAndKey:
        held = make(["a.example"], time.time())
        for name, text in (("privkey", held.key), ("fullchain", held.certificate)):
            (archive / f"{name}{number}.pem").write_text(text)
            link = live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../archive/{name}{number}.pem")
        return held

    first = renew(1)
    files = CertificateFiles(str(live / "fullchain.pem"), str(live / "privkey.pem"))
    watched = WatchedCertificate(HERE, files, first, is_default=False)
    changed: list[Renewed] = []
    with loop_named("direct") as loop:
        watch = CertificateWatch([watched], changed.append, loop.reactor)
        watch.startService()
        loop.settle()
        for number in (2, 3):
            second = renew(number)
            loop.run_until(lambda number=number: len(changed) == number - 1)
            assert changed[-1] == Renewed(
                HERE, second, fingerprint_of(first.certificate), is_default=False
            )
            first = second
        watch.stopService()
