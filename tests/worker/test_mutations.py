"""
The tests of this folder bite: each of these faults, put in on purpose, is found by those named.

They are the faults of replacing a connection that proxies had in earnest, and a few near ones.
"""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.protocol import connectionDone

from sozutw.backend.factory import CheckedConnector, Connector, Http1BackendFactory
from sozutw.backend.http1 import Http1BackendConnection
from sozutw.backend.pool import ConnectionPool
from sozutw.relay import exchange as relay_exchange
from sozutw.sessions.manager import SessionManager
from tests.worker import test_deadlines as deadlines
from tests.worker import test_interleavings as interleavings
from tests.worker import test_simulation as simulation
from tests.worker import test_variants_config as config
from tests.worker import test_variants_dial as dial
from tests.worker import test_variants_hangup as hangup
from tests.worker import test_variants_stale as stale

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]
Test = Callable[[], object]


# The faults.


def keep_the_old_token_in_the_sessions(patch: Patch) -> None:
    """What is forgotten still names its session."""
    patch.setattr(SessionManager, "forget", lambda self, token: None)


def keep_the_old_token_in_the_pool(patch: Patch) -> None:
    """A dropped connection is still found under its token."""
    drop = ConnectionPool.drop

    def keeping(self: Any, connection: Any) -> None:
        token = connection.token
        drop(self, connection)
        if token is not None:
            self._leased[token] = connection

    patch.setattr(ConnectionPool, "drop", keeping)


def register_under_the_old_token(patch: Patch) -> None:
    """The successor gets the token of the one that hung up."""

    def reusing(self: Any, hung_up: Any, state: Any, owner: Any, seconds: float) -> Any:
        token = hung_up.token
        self.sessions.forget(token)
        hung_up.detach()
        connection = self._fresh(state)
        self.pool.drop(hung_up)
        self.pool.lease(connection, token)
        self.sessions.register(token, owner.session)
        return self._dial(connection, owner, seconds)

    patch.setattr(CheckedConnector, "replace", reusing)


def register_the_successor_too_late(patch: Patch) -> None:
    """A fresh connection is in the tables only after its first event."""
    made = Http1BackendConnection.connectionMade
    waiting: dict[Any, Callable[[], None]] = {}

    def late(self: Any, hung_up: Any, state: Any, owner: Any, seconds: float) -> Any:
        self.sessions.forget(hung_up.token)
        hung_up.detach()
        connection = self._fresh(state)
        self.pool.drop(hung_up)

        def register() -> None:
            token = self._issue()
            self.pool.lease(connection, token)
            self.sessions.register(token, owner.session)

        waiting[connection] = register
        return self._dial(connection, owner, seconds)

    def made_late(self: Any) -> None:
        made(self)
        waiting.pop(self, lambda: None)()

    patch.setattr(CheckedConnector, "replace", late)
    patch.setattr(Http1BackendConnection, "connectionMade", made_late)


def deliver_a_stale_loss_to_the_successor(patch: Patch) -> None:
    """The end of a connection is told to whom it once belonged."""
    owners: dict[Any, Any] = {}
    detach = Http1BackendConnection.detach
    lost = Http1BackendConnection.connectionLost

    def remembering(self: Any) -> None:
        if self.owner is not None:
            owners[self] = self.owner
        detach(self)

    def telling(self: Any, reason: Any = connectionDone) -> None:
        owner = owners.pop(self, None)
        if owner is not None and owner._back is not None:
            owner.response_lost(cleanly=True)
        lost(self, reason)

    patch.setattr(Http1BackendConnection, "detach", remembering)
    patch.setattr(Http1BackendConnection, "connectionLost", telling)


def count_down_twice(patch: Patch) -> None:
    """A connection that is dropped is counted as two."""
    drop = ConnectionPool.drop

    def twice(self: Any, connection: Any) -> None:
        was_leased = connection.token is not None
        drop(self, connection)
        if was_leased:
            connection.state.active_requests -= 1

    patch.setattr(ConnectionPool, "drop", twice)


def count_the_loss_of_a_dropped_connection(patch: Patch) -> None:
    """Both the drop and the loss that follows are counted."""
    lost = Http1BackendConnection.connectionLost

    def counting(self: Any, reason: Any = connectionDone) -> None:
        self.state.connections -= 1
        lost(self, reason)

    patch.setattr(Http1BackendConnection, "connectionLost", counting)


def keep_the_idle_entry_after_a_drop(patch: Patch) -> None:
    """A dead connection can still be taken."""
    drop = ConnectionPool.drop

    def keeping(self: Any, connection: Any) -> None:
        was_idle = connection.token is None
        drop(self, connection)
        if was_idle:
            connection.state.idle[connection] = None

    patch.setattr(ConnectionPool, "drop", keeping)


def keep_the_idle_entry_after_a_check_out(patch: Patch) -> None:
    """A connection can be taken twice."""
    check_out = ConnectionPool.check_out

    def keeping(self: Any, state: Any, token: Any) -> Any:
        connection = check_out(self, state, token)
        if connection is not None:
            state.idle[connection] = None
        return connection

    patch.setattr(ConnectionPool, "check_out", keeping)


def leave_the_old_timer_running(patch: Patch) -> None:
    """A replaced connection still times its former exchange out."""
    detach = Http1BackendConnection.detach

    def detaching(self: Any) -> None:
        owner, patience = self.owner, self.patience
        left = patience.touched + patience.seconds - self._now()
        detach(self)
        if owner is not None and 0 < left < 1000:
            patience._expired = owner.response_timed_out
            patience.allow(left)

    patch.setattr(Http1BackendConnection, "detach", detaching)


def welcome_a_late_success(patch: Patch) -> None:
    """A dial that was given up comes back to life."""
    patch.setattr(
        Http1BackendFactory, "buildProtocol", lambda self, addr: self._connection, raising=True
    )


def send_anything_twice(patch: Patch) -> None:
    """A POST is as good as a GET."""
    patch.setattr(relay_exchange, "IDEMPOTENT", relay_exchange.IDEMPOTENT | {b"POST", b"PATCH"})


def never_look_before_a_reuse(patch: Patch) -> None:
    """What cannot be sent twice is put on a connection that has already ended."""
    lease = CheckedConnector.lease

    def unsure(self: Any, state: Any, owner: Any, seconds: float, *, sure: bool) -> Any:
        return lease(self, state, owner, seconds, sure=False)

    patch.setattr(CheckedConnector, "lease", unsure)


def forget_to_retire(patch: Patch) -> None:
    """The connections of a removed backend stay."""
    patch.setattr(Connector, "retire", lambda self, state: None)


def keep_a_paused_connection(patch: Patch) -> None:
    """An idle connection that was paused for a slow client is not read again."""

    def not_reading(self: Any) -> None:
        self.is_paused = False

    patch.setattr(Http1BackendConnection, "read_on", not_reading)


# Who finds them.


def v1() -> None:
    hangup.test_v1_a_hang_up_long_before_request_2_leads_to_one_dial("GET", "hang_up")


def v2() -> None:
    hangup.test_v2_a_get_written_before_the_hang_up_is_seen_is_sent_to_another("reset_by_peer")


def v2_post() -> None:
    hangup.test_v2_a_post_written_before_the_hang_up_is_answered_502("hang_up")


def v13() -> None:
    dial.test_v13_a_replacement_that_refuses_is_replaced("GET", "after")


def v16() -> None:
    stale.test_v16_a_third_party_in_between_gets_its_own_answer("GET", "before the hang-up")


def v17() -> None:
    stale.test_v17_a_late_event_of_the_old_connection_changes_nothing("GET", "after the dial")


def v19() -> None:
    dial.test_v19_a_dial_that_succeeds_after_it_was_given_up_is_refused("GET")


def v20() -> None:
    config.test_v20_a_client_may_change_between_clusters("GET")


def v21() -> None:
    config.test_v21_a_backend_that_was_removed_while_kept_alive_is_not_used("GET")


def v30() -> None:
    dial.test_v30_a_client_that_leaves_in_the_dial_cancels_it("GET", "reset")


def all_interleavings_of_a_get() -> None:
    interleavings.test_every_interleaving_keeps_the_invariants("GET", "FIN")


def all_interleavings_of_a_post() -> None:
    interleavings.test_every_interleaving_keeps_the_invariants("POST", "RST")


def sixty_seeds() -> None:
    for seed in range(60):
        simulation.run_seed(seed)


KILLED: dict[Mutation, tuple[Test, ...]] = {
    keep_the_old_token_in_the_sessions: (sixty_seeds, v1, v2, v13, v30, all_interleavings_of_a_get),
    keep_the_old_token_in_the_pool: (v2, v13, v17, v30, all_interleavings_of_a_get),
    register_under_the_old_token: (
        stale.test_v16_no_token_is_ever_issued_twice,
        all_interleavings_of_a_get,
    ),
    register_the_successor_too_late: (v2, v13, v17, all_interleavings_of_a_get),
    deliver_a_stale_loss_to_the_successor: (v17, all_interleavings_of_a_get),
    count_down_twice: (sixty_seeds, v2, v13, v30, all_interleavings_of_a_get),
    count_the_loss_of_a_dropped_connection: (v1, v2, v13, v21, all_interleavings_of_a_get),
    keep_the_idle_entry_after_a_drop: (sixty_seeds, v1, v21, all_interleavings_of_a_post),
    keep_the_idle_entry_after_a_check_out: (v2, v16, v20, all_interleavings_of_a_get),
    leave_the_old_timer_running: (
        stale.test_v18_the_old_deadline_never_fires_and_the_new_one_is_whole,
        all_interleavings_of_a_get,
    ),
    welcome_a_late_success: (v19, v30),
    send_anything_twice: (
        sixty_seeds,
        v2_post,
        dial.test_v14_a_replacement_that_accepts_and_dies_is_a_502_for_a_post,
        all_interleavings_of_a_post,
    ),
    never_look_before_a_reuse: (
        hangup.test_v2_a_post_is_not_put_on_a_connection_that_a_look_shows_closed,
    ),
    forget_to_retire: (
        sixty_seeds,
        v21,
    ),
    keep_a_paused_connection: (
        sixty_seeds,
        deadlines.test_a_backend_whose_client_took_the_last_bytes_late_can_be_used_again,
        deadlines.test_a_client_that_reads_slowly_is_waited_for,
    ),
}


@pytest.mark.parametrize(
    ("mutation", "killer"),
    [(mutation, killer) for mutation, killers in KILLED.items() for killer in killers],
    ids=lambda function: function.__name__,
)
def test_the_fault_is_found(mutation: Mutation, killer: Test, monkeypatch: Patch) -> None:
    with monkeypatch.context() as patch:
        mutation(patch)
        with pytest.raises((AssertionError, KeyError)):
            killer()
    # Only the fault made it fail.
    if killer not in (all_interleavings_of_a_get, all_interleavings_of_a_post, sixty_seeds):
        killer()
