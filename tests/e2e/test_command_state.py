"""`sozutw state`, `reload`, `apply` and `diff` on a proxy that runs."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commanded import Asked, Commanded
from tests.e2e.harness import connect
from tests.e2e.stage import SECONDS_MAX

FRESH = """
[clusters.three]
protocol = "http"
frontends = [{{ address = "{http}", hostname = "three.test" }}]
backends = [{{ address = "{a}", backend_id = "three-1" }}]
"""


@pytest.fixture
def original(commanded: Commanded) -> Iterator[str]:
    """Give the text of the configuration, and have it hold again afterwards."""
    text = commanded.config.read_text(encoding="utf-8")
    yield text
    commanded.config.write_text(text, encoding="utf-8")
    result = commanded.asked().call("reload")
    assert result.exit_code == 0, result.output


def fresh(commanded: Commanded) -> str:
    return FRESH.format(http=commanded.http, a=commanded.echoes[0])


def written(commanded: Commanded, name: str, text: str) -> Path:
    path = commanded.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a state file."""
    return [json.loads(part) for part in path.read_text().split("\0") if part.strip()]


# State files.


def test_a_state_is_saved_and_loaded(commanded: Commanded, asked: Asked, original: str) -> None:
    path = commanded.folder / "state.json"
    asked.done("cluster add -i kept --load-balancing-policy random")
    asked.done(f"frontend http add -a {commanded.http} --hostname kept.test id kept")
    asked.done(f"backend add -i kept --backend-id k -a {commanded.echoes[0]}")
    asked.done(f"state save -f {path}", f"Success: Saved 15 config messages to {path}\n")
    assert len(records(path)) == 15
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE KEY" in path.read_text()
    asked.done(f"frontend http remove -a {commanded.http} --hostname kept.test id kept")
    asked.done("cluster remove -i kept")
    assert commanded.answers(host="kept.test") == 404
    result = asked.call(f"state load --file {path}")
    assert result.exit_code == 0, result.output
    if not asked.is_json:
        assert result.stdout.startswith(f"Success: Successfully loaded state from path {path}, ")
        assert " 0 errors" in result.stdout
    assert commanded.answers(host="kept.test") == "a"
    path.unlink()


def test_a_state_without_keys_has_none(commanded: Commanded, asked: Asked) -> None:
    path = commanded.folder / "state.json"
    result = asked.call(f"state save --without-keys --file {path}")
    assert result.exit_code == 0, result.output
    assert "PRIVATE KEY" not in path.read_text()
    assert "CERTIFICATE" not in path.read_text()
    assert len(records(path)) == 12
    path.unlink()


def test_a_path_is_seen_from_where_the_command_is_called(
    commanded: Commanded, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = commanded.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    monkeypatch.chdir(elsewhere)
    path = elsewhere / "here.json"
    asked.done("state save -f here.json", f"Success: Saved 12 config messages to {path}\n")
    path.unlink()


def test_what_cannot_be_saved_or_loaded_is_refused(commanded: Commanded, asked: Asked) -> None:
    nowhere = "/nowhere/state.json"
    text = f"Request failed: Cannot create file at path {nowhere}: No such file or directory"
    asked.refused(f"state save -f {nowhere}", 1, text)
    text = f"Request failed: Cannot find file at path {nowhere}"
    asked.refused(f"state load -f {nowhere}", 1, text)
    open_to_all = written(commanded, "open.json", "")
    open_to_all.chmod(0o644)
    text = (
        f"Request failed: {open_to_all} may be read by others (mode 0644) and may hold private "
        f"keys; chmod 600 {open_to_all} is meant"
    )
    asked.refused(f"state load -f {open_to_all}", 1, text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense\0", "record 1"),
        ('{"id":"1","version":0,"content":{"request_type":{"ADD_CLUSTER":{}}}}\0', "record 1"),
        ('{"id":"1","content":', "record 1"),
    ],
)
def test_a_state_file_that_is_none_changes_nothing(
    commanded: Commanded, asked: Asked, content: str, told: str
) -> None:
    path = written(commanded, "broken.json", content)
    path.chmod(0o600)
    result = asked.call(f"state load -f {path}")
    assert result.exit_code == 1, result.output
    assert told in result.output
    assert "nothing of it is applied" in result.output
    assert "internal error" not in result.output


def test_requests_are_counted(asked: Asked) -> None:
    def count() -> int:
        told = asked.told("state stats")
        if asked.is_json:
            return int(told["REQUEST_COUNTS"]["map"].get("AddCluster", 0))
        assert told[0].split() == ["REQUEST", "COUNT"]
        return int(dict(line.split() for line in told[1:]).get("AddCluster", 0))

    before = count()
    asked.done("cluster add -i counted --load-balancing-policy random")
    assert count() == before + 1
    asked.done("cluster remove -i counted")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("state save", "Missing option '-f' / '--file'."),
        ("state load -f ''", "Invalid value for '-f' / '--file': '': the path of a file is meant"),
        ("apply", "Missing argument 'FILE'."),
        ("diff", "Missing argument 'FILE'."),
        ("reload nonsense", "Got unexpected extra argument (nonsense)"),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    asked.misused(words, text)


# Configuration files.


def reload(asked: Asked, words: str, count: int, more: str = "") -> None:
    """Demand a reload that changes so many objects."""
    result = asked.call(words)
    assert result.exit_code == 0, result.output
    if asked.is_json:
        told = json.loads(result.stdout)
        # As with Sōzu there is no more to a plain reload; ours, with --keep, tells what changed.
        assert told == {} if "--keep" not in words else len(told["CHANGES"]["requests"]) == count
        assert result.stderr == (f"Note: {more}\n" if more else "")
    else:
        told = f"Success: Successfully loaded the config: {count} ok, 0 errors"
        assert result.stdout == (f"{told}; {more}\n" if more else f"{told}\n")
        assert result.stderr == ""


def test_a_reload_does_what_differs(commanded: Commanded, asked: Asked, original: str) -> None:
    reload(asked, "reload", 0)
    written(commanded, "sozutw.toml", original + fresh(commanded))
    reload(asked, "reload", 3)
    assert commanded.answers(host="three.test") == "a"
    asked.done("cluster add -i four --load-balancing-policy random")
    written(commanded, "sozutw.toml", original)
    # What neither file has is what somebody added by hand: it stays only if it is kept.
    reload(asked, "reload --keep", 0)
    assert commanded.answers(host="three.test") == "a"
    reload(asked, "reload", 4)
    assert commanded.answers(host="three.test") == 404
    assert "four" not in str(asked.told("cluster list"))


def test_a_reload_of_another_file(commanded: Commanded, asked: Asked, original: str) -> None:
    other = written(commanded, "other.toml", original + fresh(commanded))
    reload(asked, f"reload -f {other}", 3)
    assert commanded.answers(host="three.test") == "a"
    reload(asked, f"reload --keep --file {commanded.config}", 0)
    assert commanded.answers(host="three.test") == "a"


def test_a_reload_tells_what_waits_for_a_start(
    commanded: Commanded, asked: Asked, original: str
) -> None:
    written(commanded, "sozutw.toml", "max_connections = 77\n" + original)
    reload(asked, "reload", 0, "takes effect with the next start: max_connections")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "{path}:1: this is no TOML: Expected '=' after a key in a key/value pair"),
        ('front_timeout = "soon"\n', '{path}:1: front_timeout is "soon"; '),
        (None, "{path}:1: cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(
    commanded: Commanded, asked: Asked, text: str | None, why: str
) -> None:
    path = commanded.folder / "wrong.toml"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    begin = "Request failed: loading static configuration failed: " + why.format(path=path)
    for words in (f"reload -f {path}", f"apply {path}", f"diff {path}", f"apply --keep {path}"):
        result = asked.call(words)
        assert result.exit_code == 1, result.output
        told = json.loads(result.stdout)["error"] if asked.is_json else result.stderr
        assert told.startswith(begin), told
    assert commanded.answers() in ("a", "b")


def test_a_diff_tells_what_apply_does(commanded: Commanded, asked: Asked, original: str) -> None:
    new = written(commanded, "new.toml", original + fresh(commanded))
    expected = [
        "+ cluster three",
        f"+ http frontend {commanded.http} three.test/* to three",
        f"+ backend three/three-1 {commanded.echoes[0]}",
        "3 changes",
    ]
    for words in (f"diff {new}", f"diff --keep {new}", f"apply {new}"):
        assert commanded.answers(host="three.test") == 404
        told = asked.told(words)
        if asked.is_json:
            verbs = [next(iter(one["request_type"])) for one in told["CHANGES"]["requests"]]
            assert sorted(verbs) == ["ADD_BACKEND", "ADD_CLUSTER", "ADD_HTTP_FRONTEND"]
        else:
            assert sorted(told) == sorted(expected)
    assert commanded.answers(host="three.test") == "a"
    nothing = asked.told(f"diff {new}")
    assert nothing == ({"CHANGES": {"requests": []}} if asked.is_json else ["0 changes"])
    told = asked.told(f"diff {commanded.config}")
    if not asked.is_json:
        assert told[-1] == f"{len(told) - 1} changes"
        assert all(line.startswith("- ") for line in told[:-1]), told
    told = asked.told(f"apply --keep {commanded.config}")
    assert told == nothing
    assert commanded.answers(host="three.test") == "a"


def test_what_is_under_way_goes_on_over_a_reload(
    commanded: Commanded, asked: Asked, original: str
) -> None:
    with connect(commanded.port) as client:
        peer = commanded.held(client)
        written(commanded, "sozutw.toml", original + fresh(commanded))
        reload(asked, "reload", 3)
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        assert client.receive_message(SECONDS_MAX)[1] == b"hi"
        peer.close()
