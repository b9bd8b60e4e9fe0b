"""From messages to the rules of frontends."""

from dataclasses import replace
from typing import Final

from sozutw.config.addresses import PORT_MAX
from sozutw.config.hostnames import canonical_pattern, is_token
from sozutw.config.model import NO_TAGS, FrontendRule, PathType, Redirect, RedirectScheme
from sozutw.config.policies import HeaderEdit
from sozutw.config.policy_keys import is_field_value
from sozutw.config.state import RefusedRequestError
from sozutw.control.addresses import address_of
from sozutw.control.parts_in import between, hsts_of, name_of, present, wrong
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.unserved import unserved
from sozutw.control.words import HEADER_POSITION, PATH_TYPE, POSITION, REDIRECT, REDIRECT_SCHEME
from sozutw.routing.rules import check_regex

_REWRITES: Final = ("rewrite_host", "rewrite_path", "rewrite_port")
_NO_REWRITES: Final = "requests go to backends as they came"


def added_rule_of(
    message: pb.RequestHttpFrontend, *, is_https: bool, skip_unsupported: bool = False
) -> FrontendRule:
    """
    Return a rule that is to be served; raises RefusedRequestError, and tells why.

    With ``skip_unsupported`` what asks for a password answers 401, and a template of a redirect
    is not used; other requests, or other fields, for a backend than were meant are none the less
    refused.
    """
    for field in _REWRITES:
        if message.HasField(field):
            raise unserved(field, _NO_REWRITES)
    if message.headers:
        raise unserved("headers", _NO_REWRITES)
    if message.HasField("redirect_template") and not skip_unsupported:
        raise unserved("redirect_template", "the answer of the listener is given")
    if message.required_auth and not skip_unsupported:
        raise unserved("required_auth", "nobody is asked for a password")
    if message.HasField("hsts") and not is_https:
        raise RefusedRequestError("hsts has no place at an http listener; https is meant")
    rule = rule_of(message)
    # What is to be protected must not become open because its lock is missing.
    return replace(rule, redirect=Redirect.UNAUTHORIZED) if rule.required_auth else rule


def rule_of(message: pb.RequestHttpFrontend) -> FrontendRule:
    """Return a rule, served or not; raises RefusedRequestError if it cannot be one."""
    path_type = PATH_TYPE.word(message.path.kind, "path.kind")
    method = present(message, "method")
    if method is not None and not is_token(method):
        raise wrong("method", method, "a method such as GET is meant")
    cluster_id = present(message, "cluster_id")
    port = present(message, "rewrite_port")
    return FrontendRule(
        address=address_of(message.address),
        hostname=_hostname_of(message.hostname),
        path=_path_of(message.path.value, path_type),
        path_type=path_type,
        method=method,
        position=POSITION.word(message.position, "position"),
        cluster_id=None if cluster_id is None else name_of(cluster_id, "cluster_id"),
        tags=dict(message.tags) or NO_TAGS,
        redirect=(
            REDIRECT.word(message.redirect, "redirect")
            if message.HasField("redirect")
            else Redirect.FORWARD
        ),
        redirect_scheme=(
            REDIRECT_SCHEME.word(message.redirect_scheme, "redirect_scheme")
            if message.HasField("redirect_scheme")
            else RedirectScheme.USE_SAME
        ),
        required_auth=message.required_auth,
        redirect_template=present(message, "redirect_template"),
        rewrite_host=present(message, "rewrite_host"),
        rewrite_path=present(message, "rewrite_path"),
        rewrite_port=None if port is None else between(port, "rewrite_port", 1, PORT_MAX),
        headers=tuple(map(_header_of, message.headers)),
        hsts=hsts_of(message),
    )


def _hostname_of(text: str) -> str:
    try:
        return canonical_pattern(text, check_regex)
    except ValueError as error:
        raise wrong("hostname", text, str(error)) from None


def _path_of(text: str, path_type: PathType) -> str:
    reason = check_regex(text) if path_type is PathType.REGEX else None
    if reason is not None:
        raise RefusedRequestError(f"path.value is no regular expression that can be used: {reason}")
    return text


def _header_of(message: pb.Header) -> HeaderEdit:
    position = HEADER_POSITION.word(message.position, "headers.position")
    if not is_token(message.key):
        raise wrong("headers.key", message.key, "the name of a field is meant")
    if not is_field_value(message.val):
        raise wrong("headers.val", message.val, "a text without control letters is meant")
    return HeaderEdit(position, message.key, message.val)
