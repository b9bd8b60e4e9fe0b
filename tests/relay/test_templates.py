import pytest

from sozutw.relay import templates


@pytest.mark.parametrize("status", sorted(templates.BUILT_IN))
def test_a_built_in_text_names_its_status_and_leaves_the_connection_open(status: int) -> None:
    text = templates.BUILT_IN[status]
    assert text.startswith(f"HTTP/1.1 {status} ")
    assert "\r\n\r\n" in text
    assert "connection:" not in text.lower()


@pytest.mark.parametrize("status", [200, 301, 404, 503, 599])
def test_the_route_and_the_request_are_always_offered(status: int) -> None:
    assert templates.offered(status) >= {"ROUTE", "REQUEST_ID"}


def test_a_backend_is_offered_only_where_one_may_have_been_chosen() -> None:
    with_backend = {s for s in templates.BUILT_IN if "BACKEND_ID" in templates.offered(s)}
    assert with_backend == {502, 503, 504, 507}


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "Not Found"), (413, "Content Too Large"), (414, "URI Too Long"), (299, "Status")],
)
def test_reasons_are_those_of_the_rfc_on_every_python(status: int, reason: str) -> None:
    assert templates.reason_of(status) == reason


def test_a_page_for_an_unknown_status_has_no_text_of_its_own() -> None:
    assert "<p></p>" in templates.page(599)
