"""`sozutw certificate` on a proxy that runs: what the next handshake is shown."""

import ssl

import pytest

from tests.e2e.certificates import Authority, Issued
from tests.e2e.commanded import REFUSED, Asked, Commanded
from tests.e2e.tls import shown_by, tls_connect, tls_of, trusting

LISTED = "`sozutw certificate list` shows what there is."
LISTENERS = "`sozutw listener list` shows what there is."


def prints(asked: Asked, words: str = "") -> dict[str, str]:
    """Return what is told of the certificates of the main process: names by fingerprints."""
    told = asked.told(f"certificate list {words}")
    if asked.is_json:
        held = told["CERTIFICATES_WITH_FINGERPRINTS"]["certs"]
        return {print_: ", ".join(one["names"]) for print_, one in held.items()}
    if told == ["There is no such certificate."]:
        return {}
    assert told[0].split() == ["FINGERPRINT", "NAMES", "ONLY", "WITH"]
    return dict(line.split(maxsplit=1) for line in told[1:])


def files(commanded: Commanded, issued: Issued, prefix: str = "") -> str:
    """Return the options that name a certificate's files."""
    issued.write(commanded.folder, "given")
    path = f"{commanded.folder}/given"
    return f"--{prefix}certificate {path}.certificate.pem --{prefix}key {path}.key.pem"


def test_a_certificate_comes_is_replaced_and_goes(commanded: Commanded, asked: Asked) -> None:
    default = commanded.certificate.fingerprint
    first = commanded.authority.issue("new.test", "*.new.test")
    second = commanded.authority.issue("new.test")
    assert commanded.shown_for("new.test") == default
    assert prints(asked) == {}

    asked.done(f"certificate add -a {commanded.https} {files(commanded, first)}")
    assert commanded.shown_for("new.test") == first.fingerprint
    assert commanded.shown_for("a.new.test") == first.fingerprint
    assert list(prints(asked)) == [first.fingerprint]
    # A second time is no news.
    asked.done(f"certificate add -a {commanded.https} {files(commanded, first)}")

    words = f"certificate replace -a {commanded.https} {files(commanded, second, 'new-')}"
    asked.done(f"{words} -f {first.fingerprint}")
    assert commanded.shown_for("new.test") == second.fingerprint
    assert commanded.shown_for("a.new.test") == default
    assert list(prints(asked)) == [second.fingerprint]

    (commanded.folder / "old.pem").write_text(second.certificate)
    words = f"certificate replace --address {commanded.https} {files(commanded, first, 'new-')}"
    asked.done(f"{words} --old-certificate {commanded.folder}/old.pem")
    assert commanded.shown_for("new.test") == first.fingerprint

    spelled = bytes.fromhex(first.fingerprint)
    colons = ":".join(f"{octet:02X}" for octet in spelled)
    asked.done(f"certificate remove -a {commanded.https} --fingerprint {colons}")
    assert commanded.shown_for("new.test") == default
    assert prints(asked) == {}


def test_the_chain_is_in_a_file_of_its_own_or_in_the_same(
    commanded: Commanded, asked: Asked
) -> None:
    between = Authority("Between", commanded.authority)
    issued = between.issue("chained.test")
    (commanded.folder / "leaf.pem").write_text(issued.certificate)
    (commanded.folder / "chain.pem").write_text(between.pem)
    (commanded.folder / "both.pem").write_text(issued.certificate + between.pem)
    (commanded.folder / "leaf.key").write_text(issued.key)
    leaf = commanded.folder / "leaf"
    for options in (
        f"--certificate {leaf}.pem --certificate-chain {commanded.folder}/chain.pem",
        f"--certificate {commanded.folder}/both.pem",
    ):
        key = f"--key {commanded.folder}/leaf.key"
        asked.done(f"certificate add --address {commanded.https} {options} {key}")
        # Who trusts the root alone can only verify it with the one between.
        context = trusting(commanded.authority)
        with tls_connect(commanded.tls_port, context, "chained.test") as client:
            assert shown_by(client) == issued.fingerprint
        asked.done(
            f"certificate replace -a {commanded.https} -f {issued.fingerprint} "
            f"{options.replace('--', '--new-')} {key.replace('--', '--new-')}"
        )
        with tls_connect(commanded.tls_port, context, "chained.test") as client:
            assert shown_by(client) == issued.fingerprint
        where = f"--certificate {commanded.folder}/leaf.pem"
        asked.done(f"certificate remove --address {commanded.https} {where}")


def test_a_certificate_of_one_version_is_shown_with_that_alone(
    commanded: Commanded, asked: Asked
) -> None:
    issued = commanded.authority.issue("old.test")
    options = f"{files(commanded, issued)} --tls-versions TLSv1.2"
    result = asked.call(f"certificate add -a {commanded.https} {options}")
    assert result.exit_code == 0, result.output
    context = trusting(None)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with tls_connect(commanded.tls_port, context, "old.test") as client:
        assert (shown_by(client), tls_of(client).version()) == (issued.fingerprint, "TLSv1.2")
    assert list(prints(asked)) == [issued.fingerprint]
    options = f"{files(commanded, issued, 'new-')} --tls-versions TLS_V12,TLS_V13"
    result = asked.call(
        f"certificate replace -a {commanded.https} -f {issued.fingerprint} {options}"
    )
    assert result.exit_code == 0, result.output
    with tls_connect(commanded.tls_port, trusting(None), "old.test") as client:
        assert (shown_by(client), tls_of(client).version()) == (issued.fingerprint, "TLSv1.3")
    asked.done(f"certificate remove -a {commanded.https} -f {issued.fingerprint}")


def test_certificates_are_found_by_name_and_fingerprint(commanded: Commanded, asked: Asked) -> None:
    one, two = (commanded.authority.issue(name) for name in ("a.test", "b.test"))
    for issued in (one, two):
        asked.done(f"certificate add -a {commanded.https} {files(commanded, issued)}")
    assert prints(asked).keys() == {one.fingerprint, two.fingerprint}
    assert prints(asked, "-d a.test").keys() == {one.fingerprint}
    assert prints(asked, "--domain nix.test") == {}
    assert prints(asked, f"-f {two.fingerprint}").keys() == {two.fingerprint}
    assert prints(asked, f"--fingerprint {'0' * 64}") == {}
    told = str(asked.told("certificate list -w"))
    assert one.fingerprint in told
    assert two.fingerprint in told
    told = str(asked.told("certificate list --workers -d b.test"))
    assert one.fingerprint not in told
    assert two.fingerprint in told
    for issued in (one, two):
        asked.done(f"certificate remove -a {commanded.https} -f {issued.fingerprint}")


# What is refused.


def test_a_listener_without_tls_takes_no_certificate(commanded: Commanded, asked: Asked) -> None:
    options = files(commanded, commanded.authority.issue("x.test"))
    text = f"{REFUSED}the listener at {commanded.http} speaks no TLS; name another"
    asked.refused(f"certificate add -a {commanded.http} {options}", 1, text, LISTENERS)
    text = f"{REFUSED}there is no listener at {commanded.spare}; add it first"
    asked.refused(f"certificate add -a {commanded.spare} {options}", 1, text, LISTENERS)


def test_a_fingerprint_that_nobody_has_is_refused(commanded: Commanded, asked: Asked) -> None:
    nobody = "0" * 64
    text = (
        f"{REFUSED}the listener at {commanded.https} has no certificate with fingerprint {nobody}"
    )
    asked.refused(f"certificate remove -a {commanded.https} -f {nobody}", 1, text, LISTED)
    options = files(commanded, commanded.authority.issue("x.test"), "new-")
    words = f"certificate replace -a {commanded.https} -f {nobody} {options}"
    asked.refused(words, 1, text, LISTED)
    assert commanded.shown_for("x.test") == commanded.certificate.fingerprint
    meant = "the 64 hexadecimal digits of a certificate's SHA-256 are meant"
    short = f'{REFUSED}fingerprint is "00"; {meant}'
    asked.refused(f"certificate remove -a {commanded.https} -f 00", 1, short)


def test_a_key_that_is_not_the_certificates_is_refused(commanded: Commanded, asked: Asked) -> None:
    one, two = (commanded.authority.issue("x.test") for _ in range(2))
    options = files(commanded, one._replace(key=two.key))
    result = asked.call(f"certificate add -a {commanded.https} {options}")
    assert result.exit_code == 1
    assert "the certificate is not taken: " in result.output
    options = files(commanded, one._replace(key="nothing"))
    text = f"{REFUSED}the certificate is not taken: there is no private key in its key file"
    asked.refused(f"certificate add -a {commanded.https} {options}", 1, text)


def test_a_certificate_that_has_expired_is_refused(commanded: Commanded, asked: Asked) -> None:
    options = files(commanded, commanded.authority.issue("x.test", to_days=-1))
    result = asked.call(f"certificate add -a {commanded.https} {options}")
    assert result.exit_code == 1, result.output
    assert "expired" in result.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("certificate list -f xyz", "Invalid value for '-f' / '--fingerprint': 'xyz': hexadecimal"),
        ("certificate add -a [::1]:1", "Missing option '--certificate'."),
        (
            "certificate add -a [::1]:1 --certificate /nowhere/x.pem --key /nowhere/x.key",
            "Invalid value for '--certificate': '/nowhere/x.pem': it cannot be read: No such file",
        ),
        (
            "certificate remove -a [::1]:1",
            "One of --certificate FILE and -f HEX is meant: which certificate.",
        ),
        ("certificate replace -a [::1]:1 -f 00", "Missing option '--new-certificate'."),
        (
            "certificate replace -a [::1]:1 -f 00 --new-certificate-chain /nowhere/chain.pem",
            "Invalid value for '--new-certificate-chain': '/nowhere/chain.pem': it cannot be read",
        ),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    asked.misused(words, text)


def test_a_file_without_a_certificate_is_told(commanded: Commanded, asked: Asked) -> None:
    words = f"certificate add -a {commanded.https} --certificate {commanded.config} --key x"
    asked.misused(words, f"'{commanded.config}': there is no certificate in it")
