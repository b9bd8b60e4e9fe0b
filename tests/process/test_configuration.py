"""A file is judged whole, and never with a traceback."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sozutw.config.security import EXPIRED
from sozutw.control.checks import check_certificate
from sozutw.process.configuration import read_configuration
from sozutw.transport.tls.selfsigned import make

GOOD = """
[[listeners]]
protocol = "http"
address = "127.0.0.1:8080"

[clusters.site]
protocol = "http"
frontends = [{ address = "127.0.0.1:8080", hostname = "localhost" }]
backends = [{ address = "127.0.0.1:8000" }]
"""


TLS = """
[[listeners]]
protocol = "https"
address = "127.0.0.1:8443"
certificate = "own.pem"
key = "own.key"
"""


def hold(folder: Path, *, days: int = 90, began_days_ago: int = 0) -> None:
    """Put a certificate and its key beside the file."""
    held = make(["a.example"], time.time() - began_days_ago * 86_400, days)
    (folder / "own.pem").write_text(held.certificate)
    (folder / "own.key").write_text(held.key)


def write(folder: Path, text: str) -> str:
    path = folder / "sozutw.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_good_file_is_a_configuration(tmp_path: Path) -> None:
    verdict = read_configuration(write(tmp_path, GOOD))
    assert verdict.lines() == []
    assert verdict.config is not None
    assert [str(listener.address) for listener in verdict.config.listeners] == ["127.0.0.1:8080"]


def test_all_errors_are_told_with_their_lines(tmp_path: Path) -> None:
    bad = GOOD.replace('hostname = "localhost"', 'hostnme = "localhost"').replace(
        ":8000", ":800000"
    )
    path = write(tmp_path, bad)
    verdict = read_configuration(path)
    assert verdict.config is None
    lines = [line.split(": ")[0] for line in verdict.lines()]
    assert f"{path}:8" in lines
    assert f"{path}:9" in lines


def test_what_is_not_served_yet_may_be_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + '[[listeners]]\nprotocol = "tcp"\naddress = "127.0.0.1:9"\n')
    assert read_configuration(path).config is None
    verdict = read_configuration(path, skip_unsupported=True)
    assert verdict.config is not None
    assert len(verdict.config.listeners) == 1
    assert all("warning" in line for line in verdict.lines())
    assert verdict.lines()


def test_templates_are_read_from_beside_the_file(tmp_path: Path) -> None:
    text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    (tmp_path / "404.http").write_text(text, encoding="utf-8")
    path = write(tmp_path, GOOD.replace(':8080"\n', ':8080"\nanswer_404 = "404.http"\n', 1))
    verdict = read_configuration(path)
    assert verdict.lines() == []
    assert verdict.config is not None
    (listener,) = verdict.config.listeners
    assert listener.answers["404"].split() == text.split()


def test_a_template_that_no_client_could_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "404.http").write_text("not found, sorry", encoding="utf-8")
    path = write(tmp_path, GOOD.replace(':8080"\n', ':8080"\nanswer_404 = "404.http"\n', 1))
    (line,) = read_configuration(path).lines()
    assert line.startswith(f"{path}:5: ")
    assert "404" in line


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.toml")
    verdict = read_configuration(path)
    assert verdict.config is None
    assert verdict.lines() == [f"{path}:1: cannot be read: No such file or directory"]


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# \xe9\n")
    assert read_configuration(str(path)).lines() == [
        f"{path}:1: cannot be read: byte 2 is not UTF-8"
    ]


def test_more_connections_than_descriptors_are_refused_in_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    path = write(tmp_path, "\nmax_connections = 9000\n" + GOOD)
    verdict = read_configuration(path)
    assert verdict.config is None
    assert verdict.lines()[-1].startswith(f"{path}:2: max_connections = 9000 needs 18965 ")


def test_a_file_without_listeners_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    verdict = read_configuration(path)
    assert verdict.config is not None
    assert verdict.lines() == [f"{path}:1: warning: there is no listener, so nothing is served"]


def test_a_listener_of_tls_is_served_with_its_certificate(tmp_path: Path) -> None:
    hold(tmp_path)
    verdict = read_configuration(write(tmp_path, TLS))
    assert verdict.lines() == []
    assert verdict.config is not None
    (listener,) = verdict.config.https_listeners
    assert listener.certificate is not None
    assert listener.certificate.certificate == (tmp_path / "own.pem").read_text()


def test_every_certificate_that_cannot_be_used_is_told_with_its_reason(tmp_path: Path) -> None:
    hold(tmp_path)
    other = make(["b.example"], time.time())
    (tmp_path / "other.key").write_text(other.key)
    (tmp_path / "broken.pem").write_text(other.certificate.replace("M", "N", 1))
    text = TLS.replace("own.key", "other.key") + TLS.replace(":8443", ":9443").replace(
        "own.pem", "broken.pem"
    )
    path = write(tmp_path, text + TLS.replace(":8443", ":9444").replace("own.pem", "absent.pem"))
    verdict = read_configuration(path)
    assert verdict.config is None
    first, second, third = verdict.lines()
    assert first.startswith(
        f'{path}:5: certificate = "own.pem" with key = "other.key" cannot be used: '
    )
    assert "key does not belong" in first
    assert second.startswith(f'{path}:11: certificate = "broken.pem" with key = "own.key" cannot')
    assert third == (
        f'{path}:17: certificate = "absent.pem" cannot be read: No such file or directory'
    )


def test_a_certificate_that_has_expired_is_refused_or_left_out(tmp_path: Path) -> None:
    hold(tmp_path, days=30, began_days_ago=31)
    path = write(tmp_path, TLS)
    verdict = read_configuration(path)
    assert verdict.config is None
    (line,) = verdict.lines()
    assert line.startswith(
        f'{path}:5: certificate = "own.pem" with key = "own.key" cannot be used: {EXPIRED} on 20'
    )
    verdict = read_configuration(path, skip_unsupported=True)
    assert verdict.config is not None
    assert verdict.config.https_listeners[0].certificate is None
    assert f"{EXPIRED} on 20" in "".join(verdict.lines())
    assert "; it is left out" in "".join(verdict.lines())


def test_only_time_makes_a_certificate_expire() -> None:
    held = make(["a.example"], time.time() + 7 * 86_400)
    reason = check_certificate(held)
    assert reason is not None
    assert not reason.startswith(EXPIRED)


def test_authorities_are_judged(tmp_path: Path) -> None:
    hold(tmp_path)
    broken = (tmp_path / "own.pem").read_text().replace("M", "N", 1)
    (tmp_path / "ca.pem").write_text(broken)
    text = TLS + 'client_auth = "require"\nclient_ca = "ca.pem"\n'
    (line,) = read_configuration(write(tmp_path, text)).lines()
    assert ':8: client_ca = "ca.pem" cannot be used: ' in line
    (tmp_path / "ca.pem").write_text((tmp_path / "own.pem").read_text())
    assert read_configuration(write(tmp_path, text)).lines() == []


def test_what_the_library_cannot_speak_is_told_in_the_line_of_its_key(tmp_path: Path) -> None:
    hold(tmp_path)
    text = TLS + 'groups_list = ["x25519", "brainpool7"]\ncipher_list = ["NONSENSE"]\n'
    path = write(tmp_path, text)
    verdict = read_configuration(path)
    assert verdict.config is None
    assert [line for line in verdict.lines() if line.startswith(f"{path}:7: warning: ")]
    assert [line for line in verdict.lines() if line.startswith(f"{path}:8: cipher_list")]
    assert "brainpool7" in verdict.lines()[0]


def test_listeners_of_tls_need_descriptors_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    path = write(tmp_path, "max_connections = 9000\n" + GOOD + TLS)
    assert "needs 19866 " in read_configuration(path).lines()[-1]


def test_a_plain_proxy_does_without_a_tls_library(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom sozutw.process.configuration import read_configuration\n"
        f"assert read_configuration({write(tmp_path, GOOD)!r}).config\n"
        "assert 'OpenSSL' not in sys.modules and 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
