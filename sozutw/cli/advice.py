"""What an operator can do about it when the proxy refuses."""

import re
from typing import Final

_WHERE_IDS_ARE: Final = (
    (re.compile(r"health check", re.IGNORECASE), "sozutw cluster health-check list"),
    (re.compile(r"cluster", re.IGNORECASE), "sozutw cluster list"),
    (re.compile(r"frontend", re.IGNORECASE), "sozutw frontend list"),
    (re.compile(r"listener", re.IGNORECASE), "sozutw listener list"),
    (re.compile(r"certificate|fingerprint", re.IGNORECASE), "sozutw certificate list"),
    (re.compile(r"session|token", re.IGNORECASE), "sozutw sessions list"),
    (re.compile(r"backend", re.IGNORECASE), "sozutw cluster list -i CLUSTER"),
    (re.compile(r"worker", re.IGNORECASE), "sozutw status"),
)
_UNKNOWN: Final = re.compile(
    r"(?:there is|has) no (?P<none>cluster|listener|frontend|session|backend|certificate"
    r"|health check)\b|(?P<other>listener) at .*; name another"
    r"|did not find (?P<what>.*?)(?: with\b|$)|(?P<noun>\w+) .*\bdoes not exist"
    r"|no such (?P<such>\w+)",
    re.IGNORECASE,
)
_EXISTS: Final = re.compile(r"already exists", re.IGNORECASE)
_UNCHANGED: Final = re.compile(r"did not bring any change", re.IGNORECASE)
_UNAUTHORIZED: Final = re.compile(r"unauthorized", re.IGNORECASE)


def on_refusal(message: str) -> list[str]:
    """Return what to do about a refusal, a line each; often nothing."""
    if _UNAUTHORIZED.search(message):
        return ["command_allowed_uids of the configuration says who may."]
    if _UNCHANGED.search(message):
        return ["It is so already, or there is nothing of this name."]
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        what = next((group for group in unknown.groups() if group), "")
        for pattern, command in _WHERE_IDS_ARE:
            if pattern.search(what):
                return [f"`{command}` shows what there is."]
    if _EXISTS.search(message):
        return ["To change it, remove it first, or update it where there is a command for that."]
    return []
