"""What listeners of TLS serve: judged before it is taken, and served from then on."""

import pytest
from twisted.logger import capturedLogs, formatEvent

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.config.security import CertificateAndKey, TlsOptions
from sozutw.config.state import RefusedRequestError
from sozutw.listen.certificates import Certificates, Shown
from sozutw.metrics.counters import TlsCounters
from tests.fakes.certificates import END, NOW, chained, expired, leaf

HERE = InetAddress("127.0.0.1", 8443)


def https(**options: object) -> HttpsListener:
    return HttpsListener(HttpListener(HERE), **options)  # type: ignore[arg-type]


def make() -> Certificates:
    return Certificates(lambda: NOW)


def test_a_listener_s_certificates_come_go_and_are_replaced() -> None:
    certificates = make()
    certificates.open(HERE, certificates.prepare_listener(https()))
    first, second = (certificates.prepare(chained(leaf("a.example", serial=n))) for n in (1, 2))
    certificates.add(HERE, first)
    certificates.replace(HERE, second, first.fingerprint)
    counters = TlsCounters()
    certificates.count(counters)
    assert counters.expires_at == int(END.timestamp())
    certificates.remove(HERE, second.fingerprint)
    certificates.count(counters)
    assert counters.expires_at == 0


def test_the_default_may_be_replaced() -> None:
    certificates = make()
    listener = https(certificate=chained(leaf("a.example")))
    certificates.open(HERE, certificates.prepare_listener(listener))
    certificates.replace_default(HERE, certificates.prepare(chained(leaf("b.example"))))
    assert certificates.context_of(HERE)() is not None


def test_the_context_is_asked_for_anew_each_time() -> None:
    certificates = make()
    certificates.open(HERE, certificates.prepare_listener(https()))
    context_of = certificates.context_of(HERE)
    before = context_of()
    certificates.open(HERE, certificates.prepare_listener(https()))
    assert context_of() is not before


@pytest.mark.parametrize(
    "bad",
    [
        chained(expired("a.example")),
        CertificateAndKey("nothing", "nothing"),
        CertificateAndKey(leaf("a.example").pem, leaf("b.example", serial=9).key_pem()),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_reason(bad: CertificateAndKey) -> None:
    certificates = make()
    with pytest.raises(RefusedRequestError, match=r"the certificate is not taken: \w+"):
        certificates.prepare(bad)
    with pytest.raises(RefusedRequestError, match=r"the listener at 127\.0\.0\.1:8443 cannot be"):
        certificates.prepare_listener(https(certificate=bad))


def test_what_expired_is_taken_where_the_time_is_not_judged() -> None:
    certificates, old = make(), chained(expired("a.example"))
    with capturedLogs():
        assert certificates.prepare_known([old]) == []
    certificates.judges_time = False
    assert certificates.prepare(old).names == ("a.example",)
    contexts = certificates.prepare_listener(https(certificate=old))
    certificates.open(HERE, contexts)
    assert [shown.names for shown in certificates.shown(HERE, "a.example")] == [("a.example",)]
    # A listener that changes has it as who comes later has: workers are alike.
    assert len(certificates.prepare_known([old])) == 1


def test_options_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RefusedRequestError, match="cannot be served"):
        make().prepare_listener(https(tls=TlsOptions(tls_versions=("SSL_V3",))))


@pytest.mark.parametrize("is_telling", [False, True])
def test_what_is_left_out_is_told_in_the_log_once_the_file_s_part_is_over(is_telling: bool) -> None:
    certificates = make()
    certificates.is_telling = is_telling
    with capturedLogs() as events:
        certificates.prepare_listener(https(tls=TlsOptions(groups_list=("x25519", "nonsense"))))
    told = [formatEvent(event) for event in events]
    expected = any("127.0.0.1:8443: " in text and "nonsense" in text for text in told)
    assert expected is is_telling, told


def test_what_is_not_open_is_closed_and_emptied_without_harm() -> None:
    certificates = make()
    certificates.close(HERE)
    certificates.remove(HERE, "00")
    counters = TlsCounters()
    certificates.count(counters)
    assert (counters.default_served, counters.expires_at) == (0, 0)


def test_handshakes_with_the_built_in_certificate_stay_counted_when_the_listener_goes() -> None:
    certificates = make()
    contexts = certificates.prepare_listener(https())
    contexts.default_served = 3
    certificates.open(HERE, contexts)
    certificates.close(HERE)
    counters = TlsCounters()
    certificates.count(counters)
    assert counters.default_served == 3


def test_what_a_client_would_be_shown_is_told_and_not_counted() -> None:
    certificates = make()
    assert certificates.shown(HERE, "a.example") == ()
    contexts = certificates.prepare_listener(https())
    certificates.open(HERE, contexts)
    (built_in,) = certificates.shown(HERE, "a.example")
    assert built_in.is_built_in
    assert built_in.names == ("sozutw.invalid",)
    own = leaf("a.example")
    certificates.add(HERE, certificates.prepare(chained(own)))
    held = (Shown(own.fingerprint, ("a.example",), "ECDSA", END.timestamp(), False),)
    assert certificates.shown(HERE, "A.example.") == held
    for other in ("b.example", "", "ä", "1.2.3.4"):
        assert certificates.shown(HERE, other) == (built_in,)
    default = leaf("*.default.example")
    certificates.replace_default(HERE, certificates.prepare(chained(default)))
    (shown,) = certificates.shown(HERE, "b.example")
    assert (shown.fingerprint, shown.is_built_in) == (default.fingerprint, False)
    assert contexts.default_served == 0


def test_counting_begins_anew_and_what_there_is_stays() -> None:
    certificates = make()
    for served in (3, 4):
        contexts = certificates.prepare_listener(https(certificate=chained(leaf("a.example"))))
        contexts.default_served = served
        certificates.open(HERE, contexts)
    certificates.begin_counting_anew()
    counters = TlsCounters()
    certificates.count(counters)
    assert (counters.default_served, counters.expires_at) == (0, int(END.timestamp()))


def test_what_a_certificate_is_for_is_told_though_it_may_not_be_served() -> None:
    certificates = make()
    assert certificates.names_of(chained(expired("old.example"))) == ("old.example",)


def test_a_listener_begins_with_the_blank_that_there_is_for_its_address() -> None:
    from sozutw.transport.tls.contexts import blank

    certificates, mine = make(), blank()
    asked: list[InetAddress] = []

    def give(address: InetAddress) -> object:
        asked.append(address)
        return mine

    certificates.blank_for = give
    contexts = certificates.prepare_listener(https())
    assert contexts.context is mine
    assert asked == [HERE]
    assert make().prepare_listener(https()).context is not mine
