"""What it takes to make a configuration file true: the difference to what is in force."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sozutw.config.diff import diff
from sozutw.config.draft import Draft
from sozutw.config.dump import remove_frontend
from sozutw.config.model import Config
from sozutw.config.pem import fingerprint_of
from sozutw.config.requests import (
    AddCertificate,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveCertificate,
    RemoveListener,
    Request,
    requests_of,
)
from sozutw.config.state import AlreadySoError, ConfigState, RefusedRequestError, kind_of

_SLICE = 64


@dataclass(slots=True)
class Difference:
    """The requests that make a file true, found step by step."""

    state: ConfigState
    config: Config
    keeps: bool = False
    """Whether what the file does not have stays as it is."""
    requests: list[Request] = field(default_factory=list)
    """What was found so far."""

    def steps(self) -> Iterator[Request | None]:
        """Give the requests in an order that works; None for a pause."""
        target = self.state.copied() if self.keeps else ConfigState()
        yield from _laid_over(target, requests_of(self.config))
        for request in diff(self.state, target):
            if request is not None:
                self.requests.append(request)
            yield request


def _laid_over(state: ConfigState, requests: list[Request]) -> Iterator[None]:
    """Put a file's objects into a state, in the place of others by the same names."""
    draft = Draft(state)
    for number, request in enumerate(requests):
        if isinstance(request, AddCertificate):
            _let_go_of_another(draft, request)
        try:
            draft.apply(request)
        except AlreadySoError:
            continue
        except RefusedRequestError:
            if not _make_room(draft, request):
                raise
            draft.apply(request)
        if number % _SLICE == _SLICE - 1:
            yield
    draft.commit()


def _let_go_of_another(draft: Draft, request: AddCertificate) -> None:
    """Take away a certificate that is known with another chain or key, for it would stay."""
    fingerprint = fingerprint_of(request.certificate.certificate)
    for held in draft.certificates(request.address):
        if held != request.certificate and fingerprint_of(held.certificate) == fingerprint:
            draft.apply(RemoveCertificate(request.address, fingerprint))


def _make_room(draft: Draft, request: Request) -> bool:
    """Take away what stands in the place of what is to be added; False if nothing does."""
    match request:
        case AddHttpListener(listener) | AddHttpsListener(listener):
            known = draft.listener(listener.address)
            if known is None:
                kind = draft.kind_at(listener.address)
            else:
                kind = kind_of(known)
                draft.apply(RemoveListener(listener.address))
            if kind is not None and kind is not kind_of(listener):
                for rule in draft.frontends(listener.address):
                    draft.apply(remove_frontend(rule, kind))
            return True
        case AddHttpFrontend(rule) | AddHttpsFrontend(rule):
            kind = draft.kind_at(rule.address)
            if kind is None:
                return False
            draft.apply(remove_frontend(rule, kind))
            return True
        case _:
            return False
