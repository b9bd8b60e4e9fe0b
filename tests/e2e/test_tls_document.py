"""The examples of doc/tls.md do what the page says."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.harness import BIN, ROOT, Process, ReservedPort, start
from tests.e2e.tls import Answering, EchoServer, program

PAGE = (ROOT / "doc" / "tls.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Site:
    """The first example, as it is, but for its ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plain, self.tls = ReservedPort(), ReservedPort()
        self.server = EchoServer(Answering)
        self.ports = {
            "8080": str(self.plain.port),
            "8443": str(self.tls.port),
            "8000": str(self.server.server_port),
        }
        self.shell(examples("sh")[0])
        path = folder / "my.toml"
        path.write_text(self.here(examples("toml")[0]), encoding="utf-8")
        self.process: Process = start(path)

    def here(self, text: str) -> str:
        """Return the text with the ports of this run."""
        return re.sub(r"\b(8080|8443|8000)\b", lambda found: self.ports[found[0]], text)

    def shell(self, text: str) -> str:
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder)},
        )
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program("openssl")
    program("curl")
    site = Site(tmp_path_factory.mktemp("page"))
    with site.server, site.process:
        site.process.wait_for_port(site.tls.port)
        yield site
        assert site.process.stop() == 0
    site.plain.close()
    site.tls.close()


TRANSCRIPT = re.findall(r"^\$ (curl -s .*)\n(.*)\n", examples("console")[0], re.MULTILINE)


def test_there_are_examples_to_try() -> None:
    assert len(TRANSCRIPT) == 4


@pytest.mark.parametrize(("command", "answer"), TRANSCRIPT)
def test_a_command_is_answered_as_the_page_says(site: Site, command: str, answer: str) -> None:
    assert site.shell(site.here(command)).strip() == site.here(answer)


def test_a_key_that_does_not_fit_is_told_as_the_page_says(site: Site, tmp_path: Path) -> None:
    other = Authority().issue("localhost")
    (tmp_path / "other.key").write_text(other.key, encoding="ascii")
    (tmp_path / "localhost.crt").write_bytes((site.folder / "localhost.crt").read_bytes())
    (tmp_path / "wrong.toml").write_text(
        '[[listeners]]\nprotocol = "https"\naddress = "127.0.0.1:8443"\n'
        'certificate = "localhost.crt"\nkey = "other.key"\nalpn_protocols = ["http/1.1"]\n'
    )
    command, told = next(
        text.removeprefix("$ ").splitlines()
        for text in examples("console")
        if "config check" in text
    )
    done = subprocess.run(
        [BIN / "sozutw", *shlex.split(command)[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert told in done.stdout + done.stderr


@pytest.mark.parametrize("text", examples("toml")[1:])
def test_the_other_files_are_taken(tmp_path: Path, text: str) -> None:
    authority = Authority()
    for stem in ("example", "wild"):
        issued = authority.issue(f"{stem}.example.com")
        (tmp_path / f"{stem}.crt").write_text(issued.certificate, encoding="ascii")
        (tmp_path / f"{stem}.key").write_text(issued.key, encoding="ascii")
    for name in ("clients.pem", "internal.pem"):
        (tmp_path / name).write_text(authority.pem, encoding="ascii")
    listener = '[[listeners]]\nprotocol = "https"\naddress = "0.0.0.0:8443"\n'
    cluster = '[clusters.x]\nprotocol = "http"\nbackends = [{ address = "127.0.0.1:8000" }]\n'
    if "[[listeners]]" not in text:
        text = f"{listener}{'' if '[clusters' in text else cluster}{text}"
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [BIN / "sozutw", "config", "check", "-c", tmp_path / "my.toml"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
