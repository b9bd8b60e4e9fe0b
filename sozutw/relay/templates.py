"""
The texts of the answers that sozutw brings along, and which variables each status offers.

They are templates like an operator's own and take the same way through ``relay.answers``.
None asks to close the connection: whether it must is known only where it is answered.
"""

from http import HTTPStatus
from typing import Final

ALWAYS_OFFERED: Final = frozenset({"ROUTE", "REQUEST_ID"})

_PARSER: Final = frozenset({"PHASE", "SUCCESSFULLY_PARSED", "PARTIALLY_PARSED", "INVALID"})
_ROUTED: Final = frozenset({"CLUSTER_ID", "BACKEND_ID"})
_OFFERED: Final = {
    301: frozenset({"REDIRECT_LOCATION"}),
    302: frozenset({"REDIRECT_LOCATION"}),
    308: frozenset({"REDIRECT_LOCATION"}),
    400: _PARSER | {"MESSAGE"},
    401: frozenset({"WWW_AUTHENTICATE"}),
    408: frozenset({"DURATION"}),
    413: frozenset({"CAPACITY", "MESSAGE", "PHASE"}),
    429: frozenset({"CLUSTER_ID", "RETRY_AFTER"}),
    431: frozenset({"CAPACITY", "MESSAGE", "PHASE"}),
    502: _ROUTED | _PARSER | {"MESSAGE"},
    503: _ROUTED | {"MESSAGE"},
    504: _ROUTED | {"DURATION"},
    507: _ROUTED | {"CAPACITY", "MESSAGE", "PHASE"},
}

ONCE: Final = frozenset({"REDIRECT_LOCATION", "MESSAGE", "WWW_AUTHENTICATE", "RETRY_AFTER"})
"""Variables that may stand in a template at most once."""
FIELD_ONLY: Final = frozenset({"WWW_AUTHENTICATE", "RETRY_AFTER"})
BODY_ONLY: Final = frozenset({"MESSAGE", "SUCCESSFULLY_PARSED", "PARTIALLY_PARSED", "INVALID"})
NULL_WHEN_ABSENT: Final = _PARSER
"""What Sōzu writes as ``null`` when it does not know it; all others are empty then."""

_REDIRECT: Final = "HTTP/1.1 {status} {reason}\r\nLocation: %REDIRECT_LOCATION\r\n\r\n"
_PAGE: Final = (
    "HTTP/1.1 {status} {reason}\r\n"
    "Cache-Control: no-cache\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "{fields}\r\n"
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{status} {reason}</title>'
    "<h1>{status} {reason}</h1><p>{text}</p>"
    "<p><small>Request %REQUEST_ID</small></p></html>\n"
)

_FIELDS: Final = {
    401: "WWW-Authenticate: %WWW_AUTHENTICATE\r\n",
    # RFC 9110 15.5.6 wants to hear what is allowed instead.
    405: "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n",
    429: "Retry-After: %RETRY_AFTER\r\n",
}

_TEXTS: Final = {
    400: "This request cannot be understood. %MESSAGE",
    401: "You need to be authorized to see this.",
    404: "Nothing is configured for this address.",
    405: "This method is not served here.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    414: "The address of the request is too long.",
    417: "What the request expects cannot be met.",
    421: "This connection does not serve that host.",
    429: "Too many connections from your address. Please try again later.",
    431: "The head of the request is too large.",
    500: "Something went wrong here.",
    501: "This is not implemented here.",
    502: "The server behind this proxy did not give a proper response.",
    503: "No server is available for this at the moment. Please try again later.",
    504: "The server behind this proxy took too long to respond.",
    505: "This version of HTTP is not spoken here.",
    507: "The server behind this proxy gave a response whose head is too large.",
}
_REASONS: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
}
"""Where RFC 9110's words are not those of Python 3.11."""
REDIRECTS: Final = (301, 302, 308)


def offered(status: int) -> frozenset[str]:
    """Tell which variables a template for this status may use."""
    return ALWAYS_OFFERED | _OFFERED.get(status, frozenset())


def reason_of(status: int) -> str:
    """Tell the reason phrase; ``Status`` for a status that RFC 9110 does not name."""
    known = _REASONS.get(status)
    if known is not None:
        return known
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Status"


def page(status: int) -> str:
    """Make a page for any status; what it says beside the reason is empty if unknown."""
    return _PAGE.format(
        status=status,
        reason=reason_of(status),
        fields=_FIELDS.get(status, ""),
        text=_TEXTS.get(status, ""),
    )


BUILT_IN: Final = {
    **{status: _REDIRECT.format(status=status, reason=reason_of(status)) for status in REDIRECTS},
    **{status: page(status) for status in _TEXTS},
}
"""Status to the text of its template."""
