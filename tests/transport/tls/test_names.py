import pytest
from OpenSSL import SSL

from sozutw.config.security import TlsOptions
from sozutw.transport.tls import vocabulary
from sozutw.transport.tls.library import TICKETS
from sozutw.transport.tls.names import TlsOptionError, check_options, spoken


def told(options: TlsOptions) -> list[str]:
    """What a context offers that was told so."""
    context = SSL.Context(SSL.TLS_METHOD)
    spoken(options).tell(context)
    return SSL.Connection(context, None).get_cipher_list()


def test_the_defaults_are_strong_and_without_a_warning() -> None:
    whole = spoken(TlsOptions())
    assert whole.warnings == ()
    assert (whole.version_min, whole.version_max) == (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
    assert whole.groups.endswith("X25519:P-256:P-384")
    assert told(TlsOptions()) == [*vocabulary.SUITES, *vocabulary.CIPHERS]
    assert spoken(TlsOptions(tls_versions=())) == whole


@pytest.mark.parametrize("name", ["TLS_V12", "TLSv1.2", "TLSv1_2", "tls_v12"])
def test_one_version_can_be_spoken_alone(name: str) -> None:
    whole = spoken(TlsOptions(tls_versions=(name,)))
    assert whole.version_min == whole.version_max == SSL.TLS1_2_VERSION


@pytest.mark.parametrize("name", ["SSL_V2", "SSL_V3", "TLSv1", "TLS_V1_0", "TLS_V11", "TLSv1.1"])
def test_a_version_that_is_too_old_is_warned_about_and_left_out(name: str) -> None:
    whole = spoken(TlsOptions(tls_versions=(name, "TLS_V13")))
    assert whole.version_min == SSL.TLS1_3_VERSION
    assert name in whole.warnings[0]
    errors, _ = check_options(TlsOptions(tls_versions=(name,)))
    assert errors == ["tls_versions: no version is left; TLS_V12 or TLS_V13 is meant"]


def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(TlsOptionError, match="TLS_V14 is no version"):
        spoken(TlsOptions(tls_versions=("TLS_V14", "TLS_V13")))


def test_ciphers_of_both_versions_may_stand_in_either_list_by_any_name() -> None:
    options = TlsOptions(
        cipher_list=("TLS13_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        cipher_suites=("TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    )
    assert told(options) == [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ]
    assert spoken(options).warnings == ()


def test_a_list_in_one_text_is_understood_and_nothing_is_told_twice() -> None:
    options = TlsOptions(
        cipher_list=("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256: AES128-SHA",),
        groups_list=("x25519:X25519", "secp256r1", "P-256"),
    )
    assert spoken(options).ciphers == "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA"
    assert spoken(options).groups == "X25519:P-256"


def test_suites_alone_leave_the_ciphers_of_tls_1_2_as_they_are() -> None:
    options = TlsOptions(cipher_suites=("TLS_CHACHA20_POLY1305_SHA256",))
    assert told(options) == ["TLS_CHACHA20_POLY1305_SHA256", *vocabulary.CIPHERS]


def test_names_that_the_library_lacks_are_left_out_by_name() -> None:
    options = TlsOptions(
        cipher_list=("TLS13_AES_128_GCM_SHA256", "AES128-SHA", "HIGH", "RC4-SHA"),
        groups_list=("x25519", "curve9000"),
        signature_algorithms=("ED25519", "ROT13"),
    )
    warnings = spoken(options).warnings
    assert [w.split(" lacks ")[1].split(",")[0] for w in warnings] == [
        "HIGH",
        "RC4-SHA",
        "curve9000",
        "ROT13",
    ]
    assert spoken(options).groups == "X25519"
    assert spoken(options).signatures == "ed25519"


def test_a_list_of_which_nothing_is_known_is_an_error() -> None:
    options = TlsOptions(cipher_list=("A",), groups_list=("B",), signature_algorithms=("C",))
    errors, warnings = check_options(options)
    assert [error.split(":")[0] for error in errors] == [
        "cipher_list",
        "groups_list",
        "signature_algorithms",
    ]
    assert len(warnings) == 3
    with pytest.raises(TlsOptionError, match="groups_list"):
        spoken(options)


def test_a_list_without_ciphers_of_tls_1_2_leaves_that_out_rather_than_adding_any() -> None:
    options = TlsOptions(cipher_list=("TLS13_AES_128_GCM_SHA256",))
    whole = spoken(options)
    assert whole.version_min == SSL.TLS1_3_VERSION
    assert whole.warnings
    errors, _ = check_options(
        TlsOptions(tls_versions=("TLS_V12",), cipher_list=("TLS13_AES_128_GCM_SHA256",))
    )
    assert errors == ["cipher_list: there is none of TLS 1.2 in it"]


def test_a_list_without_suites_of_tls_1_3_leaves_those_as_they_are_with_a_warning() -> None:
    whole = spoken(TlsOptions(cipher_list=("ECDHE-RSA-AES128-GCM-SHA256",)))
    assert whole.suites.split(":") == list(vocabulary.SUITES)
    assert whole.version_max == SSL.TLS1_3_VERSION
    assert "TLS 1.3" in whole.warnings[0]
    only_old = TlsOptions(tls_versions=("TLS_V12",), cipher_list=("ECDHE-RSA-AES128-GCM-SHA256",))
    assert spoken(only_old).warnings == ()


def test_another_number_of_tickets_is_warned_about() -> None:
    assert spoken(TlsOptions(send_tls13_tickets=TICKETS)).warnings == ()
    (warning,) = spoken(TlsOptions(send_tls13_tickets=TICKETS + 1)).warnings
    assert warning.startswith(f"send_tls13_tickets = {TICKETS + 1}")
