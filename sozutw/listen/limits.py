"""How many descriptors this process may open, and how many clients that is enough for."""

import resource
from dataclasses import dataclass

SESSIONS_DEFAULT = 10_000
RESERVE = 64
"""For logs, the loop, libraries, and the command socket."""
PIPES = 128
"""Two for each pipe of ``transport.pipes``; a hint may fall short of them, so they are not due."""


class TooFewDescriptorsError(ValueError):
    """The hard limit is too low for what was asked; its text can be shown to an operator."""


@dataclass(frozen=True, slots=True)
class DescriptorPlan:
    """What was found to be possible."""

    sessions_max: int
    """Clients at a time."""
    descriptors: int
    """The soft limit that now holds."""


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the soft limit to ``wanted``, or as near as the hard limit allows; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if target > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return soft


def plan_descriptors(sessions_max: int | None, listeners: int) -> DescriptorPlan:
    """
    Make room for ``sessions_max`` clients, each with a backend connection.

    When it is None, as many clients as the hard limit has room for, at most SESSIONS_DEFAULT.
    Raises TooFewDescriptorsError when the limit is too low for the number that was asked for.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fixed = RESERVE + PIPES + listeners
    if sessions_max is None:
        sessions_max = SESSIONS_DEFAULT
        if hard != resource.RLIM_INFINITY:
            sessions_max = max(1, min(sessions_max, (hard - fixed) // 2))
    needed = 2 * sessions_max + RESERVE + listeners
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise TooFewDescriptorsError(
            f"max_connections = {sessions_max} needs {needed} file descriptors, and the hard limit"
            f" is {hard}: raise it (ulimit -Hn, LimitNOFILE=), or ask for at most"
            f" {max(0, (hard - RESERVE - listeners) // 2)} connections"
        )
    limit = raise_descriptor_limit(4 * sessions_max + fixed)
    return DescriptorPlan(sessions_max, limit)
