import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from sozutw.config.security import CertificateAndKey
from sozutw.transport.tls import binding, certificates
from sozutw.transport.tls.certificates import (
    CertificateError,
    LoadedCertificate,
    authorities,
    check,
    check_authorities,
    load,
    names_in,
)
from tests.fakes import certificates as made
from tests.fakes.certificates import (
    END,
    NOW,
    Issued,
    chained,
    intermediate,
    key,
    leaf,
    root,
    sign,
)


def blocks_of(text: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text.encode()) if text else []


def refusal(held: CertificateAndKey, now: float = NOW) -> str:
    with pytest.raises(CertificateError) as caught:
        load(held, now)
    assert check(held, now) == str(caught.value)
    return str(caught.value)


def openssl_takes(loaded: LoadedCertificate) -> bool:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        with binding.as_file(loaded.leaf + loaded.chain) as path:
            context.use_certificate_chain_file(path)
        with binding.as_file(loaded.key) as path:
            context.use_privatekey_file(path)
        context.check_privatekey()
    except SSL.Error:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "known_as"),
    [("P-256", "ECDSA"), ("P-384", "ECDSA"), ("RSA", "RSA"), ("Ed25519", "EdDSA")],
)
def test_each_kind_of_key_is_taken_and_openssl_takes_it_too(kind: str, known_as: str) -> None:
    one = leaf("a.example", kind=kind)
    loaded = load(one.held(), NOW)
    assert loaded.kind == known_as
    assert loaded.fingerprint == one.fingerprint
    assert loaded.expires_at == made.END.timestamp()
    assert check(one.held(), NOW) is None
    assert openssl_takes(loaded)


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_may_be_written_in_either_way(kind: str, form: PrivateFormat) -> None:
    one = leaf("a.example", kind=kind)
    held = CertificateAndKey(one.pem, one.key_pem(form))
    assert openssl_takes(load(held, NOW))


def test_parameters_and_comments_before_a_key_are_passed_over() -> None:
    one = leaf("a.example")
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = one.key_pem(PrivateFormat.TraditionalOpenSSL)
    loaded = load(CertificateAndKey("# mine\n" + one.pem, f"hello\n{parameters}{key}"), NOW)
    assert loaded.key == key
    assert loaded.leaf == one.pem


def test_one_file_may_hold_all() -> None:
    one = leaf("a.example")
    whole = one.key_pem() + one.pem + intermediate().pem
    loaded = load(CertificateAndKey(whole, whole), NOW)
    assert (loaded.leaf, loaded.chain) == (one.pem, intermediate().pem)
    assert openssl_takes(loaded)


def test_odd_white_space_is_taken_and_put_right() -> None:
    one = leaf("a.example")
    ragged = one.pem.replace("\n", " \r\n  ").replace("  -----", "-----").replace("- \r", "-\r")
    key = one.key_pem().replace("\n", "\r\n")
    loaded = load(CertificateAndKey(ragged, key), NOW)
    assert loaded.leaf == one.pem
    assert openssl_takes(loaded)


def test_texts_that_are_as_they_should_be_are_not_held_twice() -> None:
    above = sign("Above", made.key("P-256", 401), intermediate(), is_authority=True)
    one, other = (sign(name, made.key(), above) for name in ("a.example", "b.example"))
    held = one.held(above.pem, intermediate().pem)
    first, second = load(held, NOW), load(other.held(intermediate().pem, above.pem), NOW)
    assert first.leaf is held.certificate
    assert first.key is held.key
    assert first.chain is second.chain


def test_the_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(load(leaf("a.example").held(), NOW))


# Names.


def test_names_are_those_of_the_extension_in_lower_case() -> None:
    one = leaf("A.Example", "*.B.example", "xn--bcher-kva.example", "192.0.2.1", "2001:DB8::1")
    assert load(one.held(), NOW).names == (
        "a.example",
        "*.b.example",
        "xn--bcher-kva.example",
        "192.0.2.1",
        "2001:db8::1",
    )


def test_the_common_name_counts_only_where_there_is_no_other() -> None:
    alone = sign("Only.Example", made.key(), intermediate())
    assert load(alone.held(), NOW).names == ("only.example",)
    both = sign("cn.example", made.key(), intermediate(), names=("san.example",))
    assert load(both.held(), NOW).names == ("san.example",)


def test_the_operators_names_are_served_instead_of_its_own() -> None:
    assert load(leaf("a.example").held(names=("B.example",)), NOW).names == ("b.example",)


def test_a_certificate_without_any_name_is_taken_as_a_default_one_may_be_so() -> None:
    nameless = x509.Name([])
    one = made.key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(nameless)
        .issuer_name(root().certificate.subject)
        .public_key(one.public_key())
        .serial_number(1)
        .not_valid_before(made.BEGIN)
        .not_valid_after(made.END)
        .sign(root().key, hashes.SHA256())
    )
    assert load(Issued(certificate, one).held(), NOW).names == ()


# Chains.

TOP = sign("Top", made.key("P-256", 101), is_authority=True)
MIDDLE = sign("Middle", made.key("P-256", 102), TOP, is_authority=True)
LOW = sign("Low", made.key("P-256", 103), MIDDLE, is_authority=True)
LEAF = sign("leaf.example", made.key("P-256", 104), LOW, names=("leaf.example",))
STRANGER = sign("Stranger", made.key("P-256", 105), TOP, is_authority=True)
IMPOSTOR = sign("Low", made.key("P-256", 106), MIDDLE, is_authority=True)


@given(st.permutations([LEAF, MIDDLE, LOW, TOP, STRANGER, IMPOSTOR]), st.integers(0, 6))
def test_a_chain_is_put_in_order_whatever_order_it_came_in(order: list[Issued], cut: int) -> None:
    beside = "".join(one.pem for one in order[:cut])
    others = tuple(one.pem for one in order[cut:])
    held = CertificateAndKey(LEAF.pem + beside, LEAF.key_pem(), others)
    assert blocks_of(load(held, NOW).chain) == [LOW.certificate, MIDDLE.certificate]


def test_a_chain_goes_as_far_as_it_goes() -> None:
    assert load(LEAF.held(MIDDLE.pem, TOP.pem), NOW).chain == ""
    assert blocks_of(load(LEAF.held(LOW.pem, TOP.pem), NOW).chain) == [LOW.certificate]
    assert load(LEAF.held(), NOW).chain == ""


def test_two_who_signed_each_other_make_no_endless_chain() -> None:
    first_key, second_key = made.key("P-256", 201), made.key("P-256", 202)
    first = sign("First", first_key, Issued(sign("Second", second_key).certificate, second_key))
    second = sign("Second", second_key, first, is_authority=True)
    one = sign("a.example", made.key(), second, names=("a.example",))
    chain = blocks_of(load(one.held(first.pem, second.pem), NOW).chain)
    assert chain == [second.certificate, first.certificate]
    # Nor does one of them follow itself.
    assert blocks_of(load(first.held(first.pem, second.pem), NOW).chain) == [second.certificate]


def test_a_self_signed_certificate_has_no_chain() -> None:
    alone = sign("a.example", made.key(), names=("a.example",))
    assert load(alone.held(root().pem, alone.pem), NOW).chain == ""


# Refusals.


def test_what_expired_is_refused_with_the_day() -> None:
    assert refusal(made.expired("a.example").held()) == "it expired on 2026-01-02"
    one = leaf("a.example", end=datetime.fromtimestamp(NOW, UTC))
    assert refusal(one.held(), NOW) == "it expired on 2026-06-01"
    assert check(one.held(), NOW - 1) is None


def test_a_value_is_read_once_and_judged_by_each_moment() -> None:
    held = chained(leaf("once.example"))
    assert load(held, NOW) is load(held, NOW + 1)
    assert load(replace(held), NOW) is load(held, NOW)
    with pytest.raises(CertificateError, match="it expired"):
        load(held, END.timestamp() + 1)


def test_whoever_does_not_judge_the_time_takes_what_expired() -> None:
    held = chained(made.expired("old.example"))
    assert load(held, None).names == ("old.example",)
    with pytest.raises(CertificateError, match="it expired"):
        load(held, NOW)


def test_what_is_not_valid_yet_is_refused_with_the_day() -> None:
    begin = datetime(2027, 3, 4, tzinfo=UTC)
    one = sign("a.example", made.key(), intermediate(), begin=begin)
    assert refusal(one.held()) == "it is not valid before 2027-03-04, and today is 2026-06-01"
    assert check(one.held(), begin.timestamp()) is None


@pytest.mark.parametrize("other", ["P-256", "RSA", "Ed25519"])
def test_a_key_of_something_else_is_refused(other: str) -> None:
    for kind in ("P-256", "RSA"):
        one = leaf("a.example", kind=kind)
        key = leaf("b.example", kind=other, serial=77).key_pem()
        assert refusal(CertificateAndKey(one.pem, key)) == "the key does not belong to it"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused(form: PrivateFormat) -> None:
    one = leaf("a.example")
    held = CertificateAndKey(one.pem, one.key_pem(form, b"secret"))
    assert refusal(held) == "its key is encrypted; it must be stored without a passphrase"


def test_what_is_no_certificate_or_no_key_is_refused() -> None:
    one = leaf("a.example")
    empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert refusal(CertificateAndKey("", one.key_pem())) == "there is no certificate in it"
    assert refusal(CertificateAndKey(one.key_pem(), "")) == "there is no certificate in it"
    assert refusal(CertificateAndKey(empty, one.key_pem())).startswith("it cannot be read: ")
    assert refusal(CertificateAndKey(one.pem, "")) == "there is no private key in its key file"
    assert refusal(CertificateAndKey(one.pem, one.pem)) == "there is no private key in its key file"
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    said = refusal(CertificateAndKey(one.pem, broken))
    assert said == "its key cannot be read, though it says PRIVATE KEY"
    assert refusal(one.held(empty)).startswith("it cannot be read: ")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("RSA-1024", "its RSA key has 1024 bits"), ("secp256k1", "no use for its curve, secp256k1")],
)
def test_a_key_that_openssl_or_tls_refuses_is_refused(kind: str, reason: str) -> None:
    assert reason in refusal(leaf("a.example", kind=kind).held())


def test_what_neither_of_us_knows_how_to_use_is_refused_by_kind() -> None:
    from cryptography.hazmat.primitives.asymmetric import x448

    one = x448.X448PrivateKey.generate()
    odd = (
        x509.CertificateBuilder()
        .subject_name(made.name("odd"))
        .issuer_name(root().certificate.subject)
        .public_key(one.public_key())
        .serial_number(1)
        .not_valid_before(made.BEGIN)
        .not_valid_after(made.END)
        .sign(root().key, hashes.SHA256())
    )
    assert "neither of RSA, ECDSA nor EdDSA" in refusal(Issued(odd, one).held())


def test_a_signature_that_is_not_safe_is_refused_but_that_on_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # SHA-1 can no longer be signed with; a digest that can be stands for it.
    monkeypatch.setattr(certificates, "_UNSAFE", (hashes.SHA384,))
    weak = sign("a.example", made.key(), intermediate(), digest=hashes.SHA384())
    assert refusal(weak.held()) == "it is signed with SHA384, which is not safe"
    above = sign("Weak", made.key("P-256", 301), root(), is_authority=True, digest=hashes.SHA384())
    below = sign("a.example", made.key(), above)
    assert refusal(below.held(above.pem)) == "it is signed with SHA384, which is not safe"
    assert check(below.held(), NOW) is None
    alone = sign("a.example", made.key(), digest=hashes.SHA384())
    assert check(alone.held(), NOW) is None


def test_sha_1_and_md5_are_not_safe() -> None:
    assert certificates._UNSAFE == (hashes.MD5, hashes.SHA1)


def test_a_certificate_whose_names_cannot_be_read_is_refused() -> None:
    one = made.key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(made.name("a.example"))
        .issuer_name(root().certificate.subject)
        .public_key(one.public_key())
        .serial_number(1)
        .not_valid_before(made.BEGIN)
        .not_valid_after(made.END)
        .add_extension(
            x509.UnrecognizedExtension(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"nonsense"),
            False,
        )
        .sign(root().key, hashes.SHA256())
    )
    assert refusal(Issued(certificate, one).held()).startswith("it cannot be read: ")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_no_cut_or_scratched_file_is_more_than_a_refusal() -> None:
    chance = random.Random(7)
    whole = leaf("a.example").pem
    key = leaf("a.example").key_pem()
    for _ in range(300):
        text = list(whole)
        for _ in range(chance.randrange(1, 4)):
            text[chance.randrange(28, len(text) - 26)] = chance.choice("AZaz09+/=\n-")
        check(CertificateAndKey("".join(text), key), NOW)
        check(CertificateAndKey(whole[: chance.randrange(len(whole))], key), NOW)
        check(CertificateAndKey(whole, key[: chance.randrange(len(key))]), NOW)


# Authorities.


def test_authorities_are_all_that_stand_in_the_text() -> None:
    assert authorities(root().pem + "\n" + intermediate().pem) == [
        root().certificate,
        intermediate().certificate,
    ]
    assert check_authorities(root().pem) is None


def test_authorities_that_are_none_or_unreadable_are_refused() -> None:
    assert check_authorities("") == "there is no certificate in it"
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    reason = check_authorities(root().pem + broken)
    assert reason is not None
    assert reason.startswith("it cannot be read: ")


def test_an_intermediate_that_openssl_would_refuse_is_refused() -> None:
    weak = sign("weak", key("RSA-1024"), root(), is_authority=True)
    under = sign("a.example", key(), weak, names=("a.example",))
    with pytest.raises(CertificateError, match="1024 bits"):
        load(under.held(weak.pem), NOW)


def test_what_a_certificate_is_for_is_told_whether_or_not_it_is_good() -> None:
    good = chained(leaf("A.example"))
    assert names_in(good) == ("a.example",)
    load(good, NOW)
    assert names_in(good) == ("a.example",)
    assert names_in(leaf("a.example").held(names=("B.example",))) == ("b.example",)
    assert names_in(chained(made.expired("old.example"))) == ("old.example",)
    for bad in ("", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
        assert names_in(CertificateAndKey(bad, "")) == ()
