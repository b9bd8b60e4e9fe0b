"""The answer to bytes that are no request: there is no exchange, for nothing in them counts."""

from sozutw.relay.access import NO_TAGS, AccessRecord
from sozutw.relay.edits import Provenance
from sozutw.relay.ports import Means
from sozutw.relay.route import ListenerState
from sozutw.sessions.session import Session
from sozutw.wire.errors import WireError
from sozutw.wire.tls import TlsFacts

TIMED_OUT = 408


def refuse_unreadable(
    error: WireError,
    session: Session,
    listener: ListenerState,
    provenance: Provenance,
    means: Means,
    tls: TlsFacts | None = None,
) -> bytes:
    """
    Return the answer to bytes that are no request, and record it.

    There is no exchange: nothing in those bytes can be relied on. The connection must close.
    """
    counters = means.counters
    counters.requests += 1
    counters.errors += 1
    if error.status != TIMED_OUT:
        counters.frontend_parse_errors += 1
    counters.statuses[error.status] += 1
    counters.answers[error.status] = counters.answers.get(error.status, 0) + 1
    request_id = means.new_id()
    answer = listener.answers.compose(
        error.status,
        True,
        False,
        1,
        b"%b: %b" % (provenance.id_name, request_id),
        request_id=request_id,
        message=error.reason.encode(),
    )
    counters.bytes_out += len(answer.data)
    means.log(
        AccessRecord(
            time_ns=means.wall_ns(),
            session_id=session.id_text,
            request_id=request_id,
            cluster_id="",
            backend_id="",
            client_address=session.peer,
            backend_address="",
            request_us=0,
            service_us=0,
            response_us=None,
            client_rtt_us=0,
            backend_rtt_us=0,
            bytes_in=0,
            bytes_out=len(answer.data),
            tags=NO_TAGS,
            user_agent=b"",
            protocol=listener.protocol,
            method=b"",
            authority=b"",
            path=b"",
            status=error.status,
            reason=b"",
            message="client_timeout" if error.status == TIMED_OUT else error.reason,
            is_error=True,
            x_request_id=request_id,
            xff_chain=b"",
            tls=tls,
        )
    )
    return answer.data
