from sozutw.wire.errors import WireError


def test_an_error_says_why_and_what_a_client_may_be_told() -> None:
    error = WireError("the head is too large", 431)
    assert (error.reason, error.status, str(error)) == (
        "the head is too large",
        431,
        "the head is too large",
    )


def test_a_peer_is_told_bad_request_unless_said_otherwise() -> None:
    assert WireError("no").status == 400
