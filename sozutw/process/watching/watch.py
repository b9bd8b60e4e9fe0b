"""
Watch the files of certificates, and tell of what they hold when that has changed.

certbot puts another link in the place of one, editors rename, Kubernetes swaps a link to a
folder: so it is each name on the way to a file that is watched, and never the file itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import InetAddress, WatchedCertificate
from sozutw.config.pem import fingerprint_of
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.checks import check_certificate
from sozutw.process.watching.inotify import Inotify, NoInotifyError
from sozutw.process.watching.paths import Place, read_small_file
from sozutw.process.watching.ways import Notifier, Ways

QUIET_SECONDS: Final = 0.5
"""After an event more are waited for: a certificate and its key are two files."""
QUIET_SECONDS_MAX: Final = 5.0
"""For so long a folder that never rests can put off a look."""
BATCH: Final = 16
"""How many certificates are looked at in one turn of the loop."""
_log = Logger()


@dataclass(frozen=True, slots=True)
class Renewed:
    """What files hold now, and what it takes the place of."""

    address: InetAddress
    certificate: CertificateAndKey
    old_fingerprint: str | None
    """None where the old one stays, because other files at this address still hold it."""
    is_default: bool
    """Whether it is the listener's own, and not one of its frontends'."""


Told = Callable[[str, str], None]
MakeNotifier = Callable[[Told, Callable[[], None]], Notifier]


class _Trouble(NamedTuple):
    """Why what a file holds cannot be served."""

    path: str
    reason: str


class _Entry:
    """One watched certificate, and what is in force of it."""

    __slots__ = ("fingerprint", "paths", "watched")

    def __init__(self, watched: WatchedCertificate) -> None:
        self.watched = watched
        self.fingerprint = fingerprint_of(watched.certificate.certificate)
        files = watched.files
        chain = () if files.chain is None else (files.chain,)
        self.paths = (files.certificate, files.key, *chain)

    @property
    def holding(self) -> tuple[InetAddress, bool, str]:
        """What several files may hold at one time."""
        return (self.watched.address, self.watched.is_default, self.fingerprint)

    def take(self, held: CertificateAndKey, fingerprint: str) -> None:
        """This is in force now."""
        self.watched = replace(self.watched, certificate=held)
        self.fingerprint = fingerprint


class CertificateWatch(Service):
    """
    Calls ``changed`` for each watched certificate whose files hold another one.

    What cannot be read or served leaves the old one in force, with a line in the log, and is
    looked at again when something changes. A RefusedRequestError of ``changed`` is logged.
    """

    def __init__(
        self,
        watched: Sequence[WatchedCertificate],
        changed: Callable[[Renewed], None],
        reactor: Any,
        *,
        make_notifier: MakeNotifier | None = None,
        check: Callable[[CertificateAndKey], str | None] = check_certificate,
    ) -> None:
        self._entries = [_Entry(one) for one in watched]
        self._held = Counter(entry.holding for entry in self._entries)
        self._changed = changed
        self._reactor = reactor
        self._make_notifier = make_notifier or partial(Inotify, reactor)
        self._check = check
        self._notifier: Notifier | None = None
        self._ways: Ways | None = None
        self._troubles: dict[tuple[str, ...], _Trouble] = {}
        """What was logged of files, so that it is not said again and again."""
        self._pending: dict[int, None] = {}
        self._timer: IDelayedCall | None = None
        self._latest = 0.0

    @override
    def startService(self) -> None:
        super().startService()
        if not self._entries:
            return
        try:
            self._notifier = self._make_notifier(self._told, self._overflowed)
        except NoInotifyError as error:
            _log.warn("watch_certificates has no effect: {error}", error=error)
            return
        self._ways = Ways(self._notifier)
        # What changed since the configuration was read is noticed too.
        self._pending = dict.fromkeys(range(len(self._entries)))
        self._timer = self._reactor.callLater(0, self._look)

    @override
    def stopService(self) -> None:
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None
            self._ways = None

    def _told(self, folder: str, name: str) -> None:
        concerned = () if self._ways is None else self._ways.concerned(folder, name)
        if concerned:
            self._expect(concerned)

    def _overflowed(self) -> None:
        self._expect(range(len(self._entries)))

    def _expect(self, concerned: Iterable[int]) -> None:
        """Look at these entries when all has been quiet for a while."""
        self._pending.update(dict.fromkeys(concerned))
        now = self._reactor.seconds()
        if self._timer is None:
            self._latest = now + QUIET_SECONDS_MAX
            self._timer = self._reactor.callLater(QUIET_SECONDS, self._look)
        elif now + QUIET_SECONDS <= self._latest:
            self._timer.reset(QUIET_SECONDS)

    def _look(self) -> None:
        assert self._ways is not None
        self._timer = None
        looked_up: dict[Place, str | None] = {}
        try:
            for index in list(islice(self._pending, BATCH)):
                entry = self._entries[index]
                del self._pending[index]
                # Watched before it is read: what comes in between is an event.
                self._ways.follow(index, entry.paths, looked_up)
                self._look_at(entry)
        finally:
            if self._pending:
                self._latest = self._reactor.seconds()
                self._timer = self._reactor.callLater(0, self._look)

    def _look_at(self, entry: _Entry) -> None:
        """Tell of what an entry's files hold, or log once why that cannot be served."""
        trouble = self._compare(entry)
        if trouble is None:
            self._troubles.pop(entry.paths, None)
        elif self._troubles.get(entry.paths) != trouble:
            self._troubles[entry.paths] = trouble
            _log.warn(
                "what {path} holds now cannot be served, what it held before stays: {reason}",
                path=trouble.path,
                reason=trouble.reason,
            )

    def _compare(self, entry: _Entry) -> _Trouble | None:
        held = _read(entry)
        if isinstance(held, _Trouble):
            return held
        if held == entry.watched.certificate:
            return None
        path = entry.watched.files.certificate
        try:
            fingerprint = fingerprint_of(held.certificate)
        except ValueError as error:
            return _Trouble(path, str(error))
        reason = self._check(held)
        if reason is None:
            reason = self._tell(entry, held, fingerprint)
        if reason is not None:
            return _Trouble(path, reason)
        self._held[entry.holding] -= 1
        if not self._held[entry.holding]:
            del self._held[entry.holding]
        entry.take(held, fingerprint)
        self._held[entry.holding] += 1
        _log.info(
            "what {path} holds now is served {how} {address}",
            path=path,
            how="by default at" if entry.watched.is_default else "at",
            address=entry.watched.address,
        )
        return None

    def _tell(self, entry: _Entry, held: CertificateAndKey, fingerprint: str) -> str | None:
        """Call ``changed``; return why it refused, None if it did not."""
        stays = fingerprint != entry.fingerprint and self._held[entry.holding] > 1
        watched = entry.watched
        old_fingerprint = None if stays else entry.fingerprint
        try:
            self._changed(Renewed(watched.address, held, old_fingerprint, watched.is_default))
        except RefusedRequestError as error:
            return str(error)
        return None


def _read(entry: _Entry) -> CertificateAndKey | _Trouble:
    """Return what the files of an entry hold."""
    texts = []
    for path in entry.paths:
        try:
            texts.append(read_small_file(path))
        except OSError as error:
            return _Trouble(path, error.strerror or str(error))
        except ValueError:
            return _Trouble(path, "it is no text; PEM is meant")
    certificate, key, *chain = texts
    return replace(entry.watched.certificate, certificate=certificate, key=key, chain=tuple(chain))
