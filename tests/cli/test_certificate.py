"""`certificate`: files are read here, texts are sent; fingerprints are computed here."""

from pathlib import Path

import pytest

from sozutw.cli.certificate import named
from sozutw.config.pem import fingerprint_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.transport.tls import selfsigned
from tests.cli.scripted import LOOPBACK, answered, asked, call, content

AT = ["-a", "127.0.0.1:8080"]
HELD = selfsigned.make(("a.example", "b.example"), 1_800_000_000.0)
OTHER = selfsigned.make(("root.example",), 1_800_000_000.0)
PRINT = fingerprint_of(HELD.certificate)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return paths of a certificate, its key, a chain, and all in one."""
    texts = {
        "own.crt": HELD.certificate,
        "own.key": HELD.key,
        "chain.pem": OTHER.certificate + HELD.certificate,
        "full.pem": HELD.certificate + OTHER.certificate,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, newline="")
    return {name: str(tmp_path / name) for name in texts}


def sent(**fields: object) -> pb.CertificateAndKey:
    made = pb.CertificateAndKey(certificate=HELD.certificate, key=HELD.key)
    made.MergeFrom(pb.CertificateAndKey(**fields))  # type: ignore[arg-type]
    return made


def added(**fields: object) -> pb.Request:
    made = pb.AddCertificate(address=LOOPBACK, certificate=sent(**fields))
    return pb.Request(add_certificate=made)


def test_the_texts_are_sent(tmp_path: Path, files: dict[str, str]) -> None:
    words = ["--certificate", files["own.crt"], "--key", files["own.key"]]
    assert asked(tmp_path, "certificate", "add", *AT, *words) == added()
    chain = [OTHER.certificate.strip(), HELD.certificate.strip()]
    words += ["--certificate-chain", files["chain.pem"], "--tls-versions", "TLS_V13"]
    request = asked(tmp_path, "certificate", "add", *AT, *words)
    assert request == added(certificate_chain=chain, versions=[pb.TLS_V1_3])


def test_a_file_with_the_whole_chain_is_enough(tmp_path: Path, files: dict[str, str]) -> None:
    words = ["--certificate", files["full.pem"], "--key", files["own.key"]]
    request = asked(tmp_path, "certificate", "add", *AT, *words)
    assert request == added(certificate_chain=[OTHER.certificate.strip()])


def test_what_is_removed_is_told_by_its_fingerprint(tmp_path: Path, files: dict[str, str]) -> None:
    removed = pb.RemoveCertificate(address=LOOPBACK, fingerprint=PRINT)
    for words in (
        ["--certificate", files["own.crt"]],
        ["-f", PRINT],
        ["--fingerprint", ":".join(PRINT[at : at + 2] for at in range(0, 64, 2)).upper()],
    ):
        request = asked(tmp_path, "certificate", "remove", *AT, *words)
        assert request == pb.Request(remove_certificate=removed)


def test_one_is_put_in_the_place_of_another(tmp_path: Path, files: dict[str, str]) -> None:
    words = ["--new-certificate", files["own.crt"], "--new-key", files["own.key"]]
    replaced = pb.ReplaceCertificate(
        address=LOOPBACK, new_certificate=sent(), old_fingerprint="00ff"
    )
    request = asked(tmp_path, "certificate", "replace", *AT, *words, "-f", "00ff")
    assert request == pb.Request(replace_certificate=replaced)
    words += ["--new-certificate-chain", files["chain.pem"], "--tls-versions", "TLS_V12"]
    words += ["--old-certificate", files["full.pem"]]
    request = asked(tmp_path, "certificate", "replace", *AT, *words)
    assert request.replace_certificate.old_fingerprint == PRINT
    assert len(request.replace_certificate.new_certificate.certificate_chain) == 2
    assert list(request.replace_certificate.new_certificate.versions) == [pb.TLS_V1_2]


@pytest.mark.parametrize(
    ("words", "verb", "filters"),
    [
        ([], "query_certificates_from_the_state", {}),
        (["-f", "00FF"], "query_certificates_from_the_state", {"fingerprint": "00ff"}),
        (["--domain", "a"], "query_certificates_from_the_state", {"domain": "a"}),
        (["-w"], "query_certificates_from_workers", {}),
        (
            ["--workers", "-d", "a", "--fingerprint", "00"],
            "query_certificates_from_workers",
            {"domain": "a", "fingerprint": "00"},
        ),
    ],
)
def test_they_are_asked_for(
    tmp_path: Path, words: list[str], verb: str, filters: dict[str, str]
) -> None:
    made = pb.QueryCertificatesFilters(**filters)
    assert asked(tmp_path, "certificate", "list", *words) == pb.Request(**{verb: made})  # type: ignore[arg-type]


def test_the_state_is_a_table_with_the_names(tmp_path: Path) -> None:
    held = pb.CertificatesWithFingerprints(
        certs={
            "aa": pb.CertificateAndKey(certificate="?", key=""),
            "bb": sent(names=["given.example"], versions=[pb.TLS_V1_3]),
            PRINT: sent(),
        }
    )
    answer = content(certificates_with_fingerprints=held)
    lines = answered(tmp_path, answer, "certificate", "list").output.splitlines()
    assert lines[0].split() == ["FINGERPRINT", "NAMES", "VERSIONS"]
    told = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert told == {
        "aa": ["-", "-"],
        "bb": ["given.example", "TLS_V1_3"],
        PRINT: ["a.example,", "b.example", "-"],
    }


def test_workers_are_a_table(tmp_path: Path) -> None:
    summaries = [
        pb.CertificateSummary(domain=domain, fingerprint="aa")
        for domain in ("a.example", "b.example")
    ]
    at = pb.CertificatesByAddress(address=LOOPBACK, certificate_summaries=summaries)
    of_worker = pb.ResponseContent(
        certificates_by_address=pb.ListOfCertificatesByAddress(certificates=[at])
    )
    answer = content(worker_responses=pb.WorkerResponses(map={"0": of_worker}))
    assert answered(tmp_path, answer, "certificate", "list", "-w").output == (
        "WORKER  LISTENER        FINGERPRINT  NAMES\n"
        "0       127.0.0.1:8080  aa           a.example, b.example\n"
    )


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        ([], content(certificates_with_fingerprints=pb.CertificatesWithFingerprints())),
        (["-w"], content(worker_responses=pb.WorkerResponses())),
    ],
)
def test_no_certificate_is_said_to_be_none(
    tmp_path: Path, flags: list[str], answer: pb.Response
) -> None:
    result = answered(tmp_path, answer, "certificate", "list", *flags)
    assert result.output == "There is no such certificate.\n"


def test_what_is_no_certificate_is_refused_before_anything_is_sent(
    tmp_path: Path, files: dict[str, str]
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path, told in (
        (files["own.key"], "no certificate in it"),
        ("/nowhere", "No such file"),
        (str(tmp_path), "Is a directory"),
        (str(tmp_path / "binary"), "not UTF-8"),
    ):
        words = ["--certificate", path, "--key", files["own.key"]]
        result = call("certificate", "add", *AT, *words)
        assert result.exit_code == 2
        assert told in result.stderr
        assert path in result.stderr


@pytest.mark.parametrize("words", [[], ["-f", "00", "--certificate", "own.crt"], ["-f", "xy"]])
def test_which_one_to_remove_is_told_in_one_way(words: list[str], files: dict[str, str]) -> None:
    words = [files.get(word, word) for word in words]
    assert call("certificate", "remove", *AT, *words).exit_code == 2


def test_a_message_names_it_by_its_fingerprint() -> None:
    assert named(sent()) == PRINT
    assert named(pb.CertificateAndKey(certificate="?", key="")) == "an unreadable certificate"
