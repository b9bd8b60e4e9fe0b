"""Which certificate a client is served, for what it may then ask, and what it shows itself."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority, Issued
from tests.e2e.harness import Peer, ReservedPort
from tests.e2e.stage import SECONDS_MAX
from tests.e2e.tls import TlsStage, program, shown_by, tls_of, trusting

ROOT = Authority()
BELOW_ECDSA = Authority("Intermediate for ECDSA", ROOT)
BELOW_RSA = Authority("Intermediate for RSA", ROOT)

SERVED = {
    "exact": ROOT.issue("exact.example", "also.example"),
    "wild": ROOT.issue("*.wild.example"),
    "nested": ROOT.issue("one.wild.example"),
    "short": ROOT.issue("renewed.example", to_days=5),
    "long": ROOT.issue("renewed.example", to_days=50),
    "ecdsa": BELOW_ECDSA.issue("both.example"),
    "rsa": BELOW_RSA.issue("both.example", kind="rsa"),
}


def rule(host: str, keys: str) -> str:
    return f'hostname = "{host}", {keys}'


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStage]:
    folder = tmp_path_factory.mktemp("certificates")
    # A rule that leads a host on is one for each certificate; where two share a host, the method
    # tells them apart.
    rules = [
        rule("exact.example", SERVED["exact"].write(folder, "exact")),
        rule("*.wild.example", SERVED["wild"].write(folder, "wild")),
        rule("one.wild.example", SERVED["nested"].write(folder, "nested")),
        rule("renewed.example", SERVED["short"].write(folder, "short")),
        rule("renewed.example", SERVED["long"].write(folder, "long")) + ', method = "PUT"',
        rule("both.example", SERVED["ecdsa"].write(folder, "ecdsa")),
        rule("both.example", SERVED["rsa"].write(folder, "rsa")) + ', method = "PUT"',
    ]
    with TlsStage(folder, rules=rules, authority=ROOT) as stage:
        yield stage


@pytest.fixture
def stage(proxy: TlsStage) -> Iterator[TlsStage]:
    yield proxy
    proxy.clear()


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("exact.example", "exact"),
        ("also.example", "exact"),
        ("EXACT.Example", "exact"),
        ("any.wild.example", "wild"),
        ("one.wild.example", "nested"),
        ("renewed.example", "long"),
    ],
)
def test_a_client_is_served_the_certificate_of_its_name(
    stage: TlsStage, asked: str, served: str
) -> None:
    client = stage.tls_client(server_name=asked)
    assert shown_by(client) == SERVED[served].fingerprint
    assert stage.ask_status(client, asked.lower()) == 200


@pytest.mark.parametrize("asked", ["unknown.example", "a.b.wild.example", "wild.example", None])
def test_a_client_of_another_name_or_none_is_served_the_default(
    stage: TlsStage, asked: str | None
) -> None:
    client = stage.tls_client(trusting(None), asked)
    assert shown_by(client) == stage.certificate.fingerprint
    assert stage.ask_status(client) == 200


@pytest.mark.parametrize(("kind", "ciphers"), [("ecdsa", "ECDHE+aECDSA"), ("rsa", "ECDHE+aRSA")])
def test_of_two_kinds_a_client_is_served_the_one_that_it_can_use(
    stage: TlsStage, kind: str, ciphers: str
) -> None:
    context = trusting(ROOT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    client = stage.tls_client(context, "both.example")
    # It is verified against the root alone, so the intermediate came along.
    assert shown_by(client) == SERVED[kind].fingerprint


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("ecdsa", "ecdsa_secp256r1_sha256"), ("rsa", "rsa_pss_rsae_sha256")]
)
def test_each_kind_has_its_own_chain_and_no_other(
    stage: TlsStage, tmp_path: Path, kind: str, algorithm: str
) -> None:
    where = f"127.0.0.1:{stage.tls_port}"
    command = [program("openssl"), "s_client", "-connect", where, "-servername", "both.example"]
    command += [
        "-tls1_3",
        "-sigalgs",
        algorithm,
        "-showcerts",
        "-CAfile",
        stage.folder / "root.pem",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
    )
    assert "Verification: OK" in done.stdout, done.stdout
    shown = done.stdout.split("-----BEGIN CERTIFICATE-----")[1:]
    above = BELOW_ECDSA if kind == "ecdsa" else BELOW_RSA
    sent = [text.partition("-----END")[0].split() for text in shown]
    wanted = [
        text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0].split()
        for text in (SERVED[kind].certificate, above.pem)
    ]
    # s_client repeats the leaf at its end.
    assert sent[:2] == wanted
    assert all(one == wanted[0] for one in sent[2:])


def test_the_next_expiry_is_told(stage: TlsStage) -> None:
    told = stage.tls_counters()["tls.cert.min_expires_at_seconds"]
    assert told == int(SERVED["short"].parsed.not_valid_after_utc.timestamp())
    assert told > datetime.now(UTC).timestamp()


# Strict SNI.


@pytest.mark.parametrize(
    ("asked", "host", "status"),
    [
        ("exact.example", "also.example", 200),
        ("exact.example", "exact.example:8443", 200),
        ("exact.example", "localhost", 421),
        ("exact.example", "any.wild.example", 421),
        ("any.wild.example", "other.wild.example", 200),
        ("any.wild.example", "a.b.wild.example", 421),
        ("unknown.example", "unknown.example", 200),
        ("unknown.example", "exact.example", 421),
        (None, "localhost", 200),
        (None, "exact.example", 421),
    ],
)
def test_a_request_must_be_for_a_host_of_the_served_certificate(
    stage: TlsStage, asked: str | None, host: str, status: int
) -> None:
    before = stage.counters()["proxy"]["http.sni_authority_mismatch"]
    assert stage.ask_status(stage.tls_client(trusting(None), asked), host) == status
    after = stage.counters()["proxy"]["http.sni_authority_mismatch"]
    assert after - before == (status == 421)


# Other listeners: each has its own certificate and its own demands.


def listener(port: ReservedPort, *lines: str) -> str:
    head = f'[[listeners]]\nprotocol = "https"\naddress = "{port}"\nalpn_protocols = ["http/1.1"]'
    return "\n".join([head, *lines])


CLIENTS = Authority("Clients")
ALICE = CLIENTS.issue("alice", is_client=True)
EVE = Authority("Others").issue("eve", is_client=True)


class Doors:
    """A proxy with a listener for each way to ask clients for a certificate, and two more."""

    NAMES = ("none", "optional", "require", "lax", "bare")

    def __init__(self, folder: Path) -> None:
        self.ports = {name: ReservedPort() for name in self.NAMES}
        authorities = folder / "clients.pem"
        authorities.write_text(CLIENTS.pem, encoding="ascii")
        own = ROOT.issue("localhost").write(folder, "door").replace(", ", "\n")
        asks = f'client_ca = "{authorities}"'
        parts = [
            listener(self.ports["none"], own),
            listener(self.ports["optional"], own, asks, 'client_auth = "optional"'),
            listener(self.ports["require"], own, asks, 'client_auth = "require"'),
            listener(self.ports["lax"], own, "strict_sni_binding = false"),
            listener(self.ports["bare"]),
        ]
        rules = ",\n".join(
            f'{{ address = "{port}", hostname = "*", position = "PRE" }}'
            for port in self.ports.values()
        )
        self.stage = TlsStage(folder, authority=ROOT, more="\n".join(parts), echoes=rules)

    def knock(self, name: str, shows: Issued | None, version: str = "TLSv1_3") -> Peer:
        context = trusting(ROOT)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        if shows is not None:
            shows.load_into(context, self.stage.folder)
        return self.stage.tls_client(context, port=self.ports[name].port)

    def close(self) -> None:
        for port in self.ports.values():
            port.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    house = Doors(tmp_path_factory.mktemp("doors"))
    with house.stage:
        yield house
    house.close()


@pytest.fixture
def doors(house: Doors) -> Iterator[Doors]:
    yield house
    house.stage.clear()


FORGED = 'X-Forwarded-Client-Cert: Hash=00;Subject="CN=root"\r\n'


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("door", ["optional", "require"])
def test_a_client_that_is_known_is_told_to_the_backend(
    doors: Doors, door: str, version: str
) -> None:
    client = doors.knock(door, ALICE, version)
    path = f"/echo/{door}/{version}"
    fields = doors.stage.ask_echo(client, path, more=FORGED)
    assert fields["x-forwarded-client-cert"] == f'Hash={ALICE.fingerprint};Subject="CN=alice"'
    record = doors.stage.record_of(path)
    assert record["tls_client_subject"] == "CN=alice"
    assert record["tls_client_fingerprint"] == ALICE.fingerprint


@pytest.mark.parametrize(("door", "shows"), [("none", None), ("none", ALICE), ("optional", None)])
def test_a_client_that_shows_nothing_has_nothing_told_of_it(
    doors: Doors, door: str, shows: Issued | None
) -> None:
    fields = doors.stage.ask_echo(doors.knock(door, shows), more=FORGED)
    assert "x-forwarded-client-cert" not in fields


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    ("door", "shows"), [("require", None), ("require", EVE), ("optional", EVE)]
)
def test_a_client_that_is_not_known_is_refused(
    doors: Doors, door: str, shows: Issued | None, version: str
) -> None:
    before = doors.stage.failures()
    with pytest.raises(ssl.SSLError, match="ALERT"):
        # With TLS 1.3 a client hears of it only when it reads.
        doors.knock(door, shows, version).receive(SECONDS_MAX)
    doors.stage.clear()
    assert doors.stage.failures() == before + 1


def test_no_session_leads_past_the_demand_for_a_certificate(doors: Doors) -> None:
    context = trusting(ROOT)
    session = None
    for door in ("none", "none", "require"):
        client = doors.stage.tls_client(context, session=session, port=doors.ports[door].port)
        if door == "require":
            assert not tls_of(client).session_reused
            with pytest.raises(ssl.SSLError, match="ALERT"):
                doors.stage.ask_status(client)
        else:
            assert doors.stage.ask_status(client) == 200
            session = tls_of(client).session


def test_a_listener_may_take_any_host(doors: Doors) -> None:
    client = doors.knock("lax", None)
    assert doors.stage.ask_status(client, "elsewhere.example") == 200


def test_a_listener_without_certificates_serves_one_of_its_own(doors: Doors) -> None:
    stage = doors.stage
    before = stage.tls_counters().get("tls.default_cert_used", 0)
    for name in ("localhost", None):
        client = stage.tls_client(trusting(None), name, port=doors.ports["bare"].port)
        der = tls_of(client).getpeercert(binary_form=True)
        assert der is not None
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            stage.tls_client(port=doors.ports["bare"].port)
    assert stage.tls_counters()["tls.default_cert_used"] >= before + 4


# Files that change.


def test_a_certificate_that_is_renewed_on_the_disk_is_served_without_a_reload(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    old, new, wrong = (ROOT.issue("renewed.example") for _ in range(3))
    keys = old.write(folder, "renewed")
    watched = "watch_certificates = true"
    with TlsStage(
        tmp_path, listener=watched, rules=[rule("renewed.example", keys)], authority=ROOT
    ) as stage:
        kept = stage.tls_client(server_name="renewed.example")
        assert shown_by(kept) == old.fingerprint
        assert stage.ask_status(kept, "renewed.example") == 200
        new.write(folder, "renewed")
        stage.wait_for_certificate(new.fingerprint, "renewed.example")
        # Those who are connected have not noticed.
        assert stage.ask_status(kept, "renewed.example") == 200
        # The listener's own is watched as well.
        other = ROOT.issue("localhost")
        other.write(tmp_path, "localhost")
        stage.wait_for_certificate(other.fingerprint)
        # A key that does not fit changes nothing, and is told by name.
        broken = folder / "fresh.pem"
        broken.write_text(wrong.key, encoding="ascii")
        os.replace(broken, folder / "renewed.key.pem")
        stage.process.wait_for_text("renewed.certificate.pem holds now cannot be served")
        stage.process.wait_for_text("the key does not belong to it")
        stage.wait_for_certificate(new.fingerprint, "renewed.example")
        # Once both fit, they are served.
        wrong.write(folder, "renewed")
        stage.wait_for_certificate(wrong.fingerprint, "renewed.example")
