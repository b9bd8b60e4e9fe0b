"""Which backend of a cluster a request would be sent to, and why not to each of the others."""

from collections.abc import Sequence

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.passed_over import LISTED_MAX, listed


def spelt(state: BackendState) -> str:
    """Return a backend by its id and address."""
    return f"{state.backend_id} at {state.address_text}"


def condition(state: BackendState, now: float) -> str:
    """Return what keeps a backend from being chosen in the ordinary way; empty if nothing does."""
    if not state.is_healthy:
        return "its health checks fail"
    if now < state.backoff.until:
        wait, failures = state.backoff.until - now, state.backoff.failures
        dials = "a failed dial" if failures == 1 else f"{failures} failed dials"
        return f"it is left alone for {wait:.1f} s more, after {dials}"
    return ""


def backend_step(
    cluster: ClusterState,
    now: float,
    key: bytes | None,
    bound: BackendState | None,
    *,
    is_key_unknown: bool,
) -> pb.ExplanationStep:
    """
    Return whom ``cluster`` would choose now.

    ``bound`` is whom a sticky cookie names. With ``is_key_unknown`` the choice goes by a key that
    was not told, so it may be any.
    """
    if not cluster.backends:
        because = "the cluster has no backend: the answer is 503"
        return pb.ExplanationStep(kind="backend", because=because)
    likely: Sequence[BackendState]
    if bound is not None:
        likely, because = (bound,), "the client's cookie names it"
    elif is_key_unknown:
        likely = _ready(cluster, now)
        because = "it depends on the client's address, which was not told"
    else:
        likely = cluster.likely(now, key)
        because = _because(cluster, likely, now, key)
    others = [state for state in cluster.backends if state not in likely]
    reasons = ((spelt(state), _why_not(state, likely, now)) for state in others)
    passed_over = listed(reasons, len(others))
    return pb.ExplanationStep(
        kind="backend", chosen=_named(likely), because=because, passed_over=passed_over
    )


def _named(likely: Sequence[BackendState]) -> str:
    if len(likely) == 1:
        return spelt(likely[0])
    named = ", ".join(map(spelt, likely[:LISTED_MAX]))
    left = len(likely) - LISTED_MAX
    return f"one of {named}" + (f" and {left} more" if left > 0 else "")


def _ready(cluster: ClusterState, now: float) -> Sequence[BackendState]:
    """Return those among whom a key would decide."""
    available = [state for state in cluster.backends if state.is_available(now)]
    primaries = [state for state in available if not state.backend.backup]
    return primaries or available or cluster.likely(now, None)


def _because(
    cluster: ClusterState, likely: Sequence[BackendState], now: float, key: bytes | None
) -> str:
    policy = cluster.cluster.load_balancing.value
    if not likely[0].is_available(now):
        if condition(likely[0], now).startswith("its health"):
            return f"none is available, so {policy} chooses among those that can be dialled"
        return "none is available, and its wait ends first"
    if len(likely) > 1:
        return f"{policy} draws lots"
    by_key = "" if key is None else " by the request's key"
    among = "the backups" if likely[0].backend.backup else "those available"
    return f"{policy} chooses it{by_key} among {among}"


def _why_not(state: BackendState, likely: Sequence[BackendState], now: float) -> str:
    reason = condition(state, now)
    if reason:
        return reason
    if state.backend.backup and not likely[0].backend.backup:
        return "it is a backup: it serves when no other is available"
    return f"it is available, and not next (weight {state.weight})"
