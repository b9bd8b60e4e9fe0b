"""From messages to the parts that several objects have: answers, certificates, HSTS, durations."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from sozutw.config.answer_keys import STATUSES
from sozutw.config.certificate_keys import lacks_certificate
from sozutw.config.hostnames import is_name
from sozutw.config.model import NO_TAGS
from sozutw.config.security import CertificateAndKey, Hsts
from sozutw.config.state import RefusedRequestError
from sozutw.config.table import UNSIGNED_32_MAX, is_duration
from sozutw.control.checks import check_answer
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.words import TLS_VERSION

_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{64}")
_SHOWN_MAX: Final = 60


def wrong(field: str, value: object, meant: str) -> RefusedRequestError:
    """Return the refusal of a field's value, which says what is meant instead."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
    return RefusedRequestError(f"{field} is {text}; {meant}")


def name_of(text: str, field: str) -> str:
    """Return the name of a cluster or a backend."""
    if not is_name(text):
        raise wrong(field, text, "a name that can be printed is meant")
    return text


def between(number: int, field: str, least: int, most: int) -> int:
    """Return a number within two bounds."""
    if not least <= number <= most:
        raise wrong(field, number, f"a whole number from {least} to {most} is meant")
    return number


def present(message: Any, field: str) -> Any:
    """Return what an optional field holds, None if it is not there."""
    return getattr(message, field) if message.HasField(field) else None


def seconds_of(message: Any, extras: Any, field: str) -> float | None:
    """
    Return a duration: whole seconds, or what ``extras`` knows more precisely.

    None if neither has it. They may not contradict each other: what Sōzu is told is the duration
    rounded up.
    """
    whole = message is not None and message.HasField(field)
    if not whole and not extras.HasField(field):
        return None
    exact = getattr(extras, field) if extras.HasField(field) else float(getattr(message, field))
    if not is_duration(exact):
        raise wrong(
            field,
            f"{exact:g}",
            f"a number of seconds, more than 0 and up to {UNSIGNED_32_MAX}, is meant",
        )
    if whole and whole_seconds(exact) != getattr(message, field):
        told = getattr(message, field)
        raise wrong(
            field, told, f"extras has {exact:g} for it, which is another; one of them is meant"
        )
    return float(exact)


def whole_seconds(seconds: float) -> int:
    """Return a duration as Sōzu is told: rounded up, since 0 would be none."""
    return math.ceil(seconds)


def answers_of(message: Any, legacy: Any, *, may_be_empty: bool = False) -> Mapping[str, str]:
    """
    Return templates by their status; what is no status that can have one is left out.

    ``legacy`` are fields named ``answer_404`` and the like, which yield to the map.
    """
    found = {}
    if legacy is not None:
        for field, text in legacy.ListFields():
            found[field.name.removeprefix("answer_")] = text
    found.update(message.answers)
    known = {status: text for status, text in found.items() if status in map(str, STATUSES)}
    for status, text in known.items():
        reason = None if may_be_empty and not text else check_answer(status, text)
        if reason is not None:
            raise RefusedRequestError(f"the template for {status} cannot be used: {reason}")
    return known or NO_TAGS


def versions_of(numbers: Any, field: str) -> tuple[str, ...]:
    """Return versions of TLS."""
    return tuple(TLS_VERSION.word(number, field) for number in numbers)


def certificate_of(message: pb.CertificateAndKey, field: str = "certificate") -> CertificateAndKey:
    """Return a certificate and its key; whether they fit is judged by who serves them."""
    reason = lacks_certificate(message.certificate)
    if reason is not None:
        raise RefusedRequestError(f"{field} cannot be used: {reason}; the PEM text of one is meant")
    for name in message.names:
        name_of(name, f"{field}.names")
    return CertificateAndKey(
        certificate=message.certificate,
        key=message.key,
        chain=tuple(message.certificate_chain),
        versions=versions_of(message.versions, f"{field}.versions"),
        names=tuple(message.names),
    )


def fingerprint_of(text: str, field: str) -> str:
    """Return a fingerprint as it was written."""
    if not _FINGERPRINT.fullmatch(text):
        raise wrong(field, text, "the 64 hexadecimal digits of a certificate's SHA-256 are meant")
    return text


def hsts_of(message: Any) -> Hsts | None:
    """Return what ``hsts`` of a listener or frontend tells; None if there is none."""
    if not message.HasField("hsts"):
        return None
    told = message.hsts
    if not told.HasField("enabled"):
        raise RefusedRequestError("hsts does not say enabled; true or false is meant")
    defaults = Hsts(enabled=True)
    return Hsts(
        enabled=told.enabled,
        max_age=told.max_age if told.HasField("max_age") else defaults.max_age,
        include_subdomains=told.include_subdomains,
        preload=told.preload,
        force_replace_backend=told.force_replace_backend,
    )
