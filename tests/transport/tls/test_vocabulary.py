import pytest

from sozutw.transport.tls import vocabulary
from sozutw.transport.tls.vocabulary import (
    has_group,
    has_signature,
    has_suite,
    known_ciphers,
    openssl_cipher,
    openssl_group,
    openssl_signature,
)

SOZUS = {
    "TLS13_AES_256_GCM_SHA384": "TLS_AES_256_GCM_SHA384",
    "TLS13_AES_128_GCM_SHA256": "TLS_AES_128_GCM_SHA256",
    "TLS13_CHACHA20_POLY1305_SHA256": "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
IANAS = {
    "TLS_AES_256_GCM_SHA384": "TLS_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA256": "AES256-SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": "DHE-RSA-AES256-GCM-SHA384",
    "TLS_DHE_RSA_WITH_AES_128_CCM": "DHE-RSA-AES128-CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": "ECDHE-ECDSA-AES128-CCM8",
    "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384": "ECDHE-RSA-CAMELLIA256-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "ecdhe-rsa-aes256-gcm-sha384": "ECDHE-RSA-AES256-GCM-SHA384",
}


@pytest.mark.parametrize(("name", "meant"), [*SOZUS.items(), *IANAS.items()])
def test_a_cipher_is_understood_by_each_of_its_names(name: str, meant: str) -> None:
    assert openssl_cipher(name) == meant
    assert has_suite(meant) or meant in known_ciphers()


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_RC4_128_SHA", "TLS_NULL_WITH_NULL_NULL", "what"])
def test_what_is_unknown_stays_as_it_is_and_the_library_lacks_it(name: str) -> None:
    assert openssl_cipher(name) == name.upper()
    assert name.upper() not in known_ciphers()
    assert not has_suite(name.upper())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("X25519MLKEM768", "X25519MLKEM768"),
        ("x25519", "X25519"),
        ("secp256r1", "P-256"),
        ("P-256", "P-256"),
        ("prime256v1", "P-256"),
        ("SECP384R1", "P-384"),
        ("p-521", "P-521"),
        ("brainpoolP256r1", "brainpoolP256r1"),
    ],
)
def test_a_group_is_understood_by_each_of_its_names(name: str, meant: str) -> None:
    assert openssl_group(name) == meant
    if meant != "X25519MLKEM768":  # that of an older library may lack it
        assert has_group(meant)


@pytest.mark.parametrize("name", ["what", "?X25519", "X25519:P-256", "*X25519", "", "-P-256", "é"])
def test_a_group_is_a_name_and_not_a_list_in_openssls_language(name: str) -> None:
    assert not has_group(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ECDSA_NISTP256_SHA256", "ecdsa_secp256r1_sha256"),
        ("RSA_PSS_SHA512", "rsa_pss_rsae_sha512"),
        ("RSA_PKCS1_SHA384", "rsa_pkcs1_sha384"),
        ("ED25519", "ed25519"),
        ("ecdsa+sha256", "ECDSA+SHA256"),
        ("RSA-PSS+SHA256", "RSA-PSS+SHA256"),
    ],
)
def test_a_signature_algorithm_is_understood_by_each_of_its_names(name: str, meant: str) -> None:
    assert openssl_signature(name) == meant
    assert has_signature(meant)


@pytest.mark.parametrize("name", ["what", "rsa_pkcs1_sha256:ed25519", "?ed25519", ""])
def test_a_signature_algorithm_is_one_name(name: str) -> None:
    assert not has_signature(name)


def test_the_library_has_the_defaults() -> None:
    assert all(has_suite(name) for name in vocabulary.SUITES)
    assert set(vocabulary.CIPHERS) <= known_ciphers()
    assert all(has_group(name) for name in vocabulary.GROUPS[1:])
    assert all(has_signature(name) for name in vocabulary.SIGNATURES)


def test_nothing_without_a_certificate_is_known() -> None:
    assert not [name for name in known_ciphers() if name.startswith(("ADH", "AECDH", "PSK", "SRP"))]
