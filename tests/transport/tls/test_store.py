import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sozutw.transport.tls.certificates import LoadedCertificate
from sozutw.transport.tls.store import CertificateStore, asked_name
from sozutw.wire.tls import covers


def certificate(
    fingerprint: str, *names: str, expires_at: float = 100.0, kind: str = "ECDSA"
) -> LoadedCertificate:
    return LoadedCertificate(fingerprint, names, expires_at, kind, leaf="", key="")


def found(store: CertificateStore, name: str) -> list[str]:
    return [one.fingerprint for one in store.find(name)]


def test_a_name_is_found_whole_before_it_is_found_as_a_wildcard() -> None:
    store = CertificateStore()
    store.add(certificate("exact", "a.example.com"))
    store.add(certificate("wild", "*.example.com"))
    assert found(store, "a.example.com") == ["exact"]
    assert found(store, "b.example.com") == ["wild"]


def test_a_wildcard_stands_for_exactly_one_label() -> None:
    store = CertificateStore()
    store.add(certificate("wild", "*.example.com"))
    for name in ("example.com", "a.b.example.com", "com", ""):
        assert found(store, name) == []


def test_of_several_one_of_each_kind_is_found_that_which_expires_last() -> None:
    store = CertificateStore()
    store.add(certificate("old", "a.example", expires_at=1))
    store.add(certificate("new", "a.example", expires_at=3))
    store.add(certificate("middle", "a.example", expires_at=2))
    assert found(store, "a.example") == ["new"]
    store.add(certificate("rsa", "a.example", expires_at=1, kind="RSA"))
    store.add(certificate("rsa-new", "a.example", expires_at=4, kind="RSA"))
    assert found(store, "a.example") == ["rsa-new", "new"]
    store.remove("new")
    assert found(store, "a.example") == ["rsa-new", "middle"]


def test_a_known_one_stays_as_it_is() -> None:
    store = CertificateStore()
    store.add(certificate("one", "a.example"))
    store.add(certificate("one", "b.example"))
    assert found(store, "b.example") == []
    assert len(store) == 1
    assert "one" in store


def test_removing_what_is_not_there_says_so() -> None:
    store = CertificateStore()
    assert not store.remove("one")
    store.add(certificate("one", "a.example"))
    assert store.remove("one")
    assert not store.remove("one")
    assert found(store, "a.example") == []
    assert len(store) == 0


def test_a_replacement_is_in_place_even_if_there_was_nothing_to_replace() -> None:
    store = CertificateStore()
    assert not store.replace(certificate("one", "a.example"), "none")
    assert store.replace(certificate("two", "a.example", expires_at=1), "one")
    assert found(store, "a.example") == ["two"]
    assert store.replace(certificate("two", "a.example", expires_at=2), "two")
    assert store.min_expires_at() == 2
    assert found(store, "a.example") == ["two"]


def test_the_first_to_expire_is_known_after_each_change() -> None:
    store = CertificateStore()
    assert store.min_expires_at() is None
    for at in (5, 3, 4):
        store.add(certificate(f"f{at}", "a.example", expires_at=at))
    assert store.min_expires_at() == 3
    store.remove("f3")
    assert store.min_expires_at() == 4
    store.remove("f4")
    store.remove("f5")
    assert store.min_expires_at() is None


def test_a_certificate_that_is_renewed_for_ever_leaves_nothing_behind() -> None:
    store = CertificateStore()
    store.add(certificate("first", "z.example", expires_at=0))
    store.add(certificate("f0", "a.example", expires_at=1))
    for at in range(1000):
        store.replace(certificate(f"f{at + 1}", "a.example", expires_at=at + 2), f"f{at}")
        store.check_invariants()
    assert found(store, "a.example") == ["f1000"]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (b"a.example", "a.example"),
        (b"A.ExAmple", "a.example"),
        (b"a.example.", "a.example"),
        (b"localhost", "localhost"),
        (b"my_host.example", "my_host.example"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"1.example", "1.example"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (None, ""),
        (b"", ""),
        (b".", ""),
        (b"a..example", ""),
        (b".example", ""),
        (b"a.example..", ""),
        (b"a.example:443", ""),
        (b"127.0.0.1", ""),
        (b"::1", ""),
        (b"[::1]", ""),
        (b"*.example", ""),
        (b"a b.example", ""),
        (b"a\x00.example", ""),
        ("bücher.example".encode(), ""),
        (b"-a.example", ""),
        (b"a" * 64 + b".example", ""),
        (b"a." * 127 + b"a", ""),
        (b"a" * 255, ""),
        (b"a\n", ""),
        (b"1\n", ""),
    ],
)
def test_a_name_is_asked_for_or_nothing_is(told: bytes | None, name: str) -> None:
    assert asked_name(told) == name


@given(st.binary(max_size=300) | st.text("a-_.1", max_size=300).map(str.encode))
def test_whatever_is_told_a_name_or_nothing_comes_of_it(told: bytes) -> None:
    name = asked_name(told)
    assert name == name.lower()
    assert asked_name(name.encode()) == name


NAMES = ("a.x", "b.x", "*.x", "x", "*.a.x", "c.a.x")
FINGERPRINTS = st.integers(0, 11).map(str)


class StoreModel(RuleBasedStateMachine):
    """The store against a plain list, searched from one end to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.store = CertificateStore()
        self.known: dict[str, LoadedCertificate] = {}

    made = st.builds(
        lambda fingerprint, names, expires_at, kind: certificate(
            fingerprint, *names, expires_at=expires_at, kind=kind
        ),
        FINGERPRINTS,
        st.lists(st.sampled_from(NAMES), max_size=4),
        st.integers(1, 5),
        st.sampled_from(("RSA", "ECDSA", "EdDSA")),
    )

    @rule(one=made)
    def add(self, one: LoadedCertificate) -> None:
        self.store.add(one)
        self.known.setdefault(one.fingerprint, one)

    @rule(fingerprint=FINGERPRINTS)
    def remove(self, fingerprint: str) -> None:
        assert self.store.remove(fingerprint) == (self.known.pop(fingerprint, None) is not None)

    @rule(one=made, old=FINGERPRINTS)
    def replace(self, one: LoadedCertificate, old: str) -> None:
        self.store.replace(one, old)
        self.known.pop(old, None)
        self.known.setdefault(one.fingerprint, one)

    @rule(name=st.sampled_from(("a.x", "b.x", "x", "z.x", "c.a.x", "d.a.x", "q")))
    def find(self, name: str) -> None:
        exact = [one for one in self.known.values() if name in one.names]
        fitting = exact or [one for one in self.known.values() if covers(one.names, name)]
        best: dict[str, LoadedCertificate] = {}
        for one in sorted(fitting, key=lambda one: (-one.expires_at, one.fingerprint)):
            best.setdefault(one.kind, one)
        assert list(self.store.find(name)) == list(best.values())

    @rule()
    def ask_for_the_first_expiry(self) -> None:
        expected = min((one.expires_at for one in self.known.values()), default=None)
        assert self.store.min_expires_at() == expected

    @invariant()
    def sound(self) -> None:
        self.store.check_invariants()
        assert len(self.store) == len(self.known)


TestStoreModel = StoreModel.TestCase
