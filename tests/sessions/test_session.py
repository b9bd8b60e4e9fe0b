import pytest

from sozutw.sessions.session import GONE, Client, Session


def test_a_session_begins_without_token_lease_or_place():
    client: Client = GONE
    session = Session(client, "192.0.2.1", "192.0.2.1:54321", 12.5, b"01X")
    assert session.connection is client
    assert (session.source, session.peer) == ("192.0.2.1", "192.0.2.1:54321")
    assert (session.since, session.id_text) == (12.5, b"01X")
    assert session.token is None
    assert session.leases == set()
    assert session.clusters == set()


def test_two_sessions_share_nothing_and_are_told_apart():
    one, other = (Session(GONE, "a", "a:1", 0.0, b"") for _ in range(2))
    one.leases.add(1)
    one.clusters |= {"app"}
    assert not other.leases
    assert not other.clusters
    assert one != other


def test_a_session_holds_what_is_declared_and_no_more():
    session = Session(GONE, "a", "a:1", 0.0, b"")
    with pytest.raises(AttributeError):
        session.backend = None  # type: ignore[attr-defined]


def test_nothing_can_be_asked_of_a_client_that_has_left():
    GONE.drain()
    GONE.abort()
    assert not GONE.is_idle()
    assert not GONE.came_in_at(object())
    assert GONE.doing().state == "closing"
    assert GONE.active_at() + GONE.patience_seconds() > 1e18
