"""A process becomes the user that its file names, whole and for good, or says why it cannot."""

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sozutw.config.model import Settings
from sozutw.process.configuration import read_configuration
from sozutw.process.host import ProcessHost, Source
from sozutw.process.logs.writers import FileSink, StreamWriter
from sozutw.process.system import privileges
from sozutw.process.system.privileges import (
    Account,
    AccountError,
    account_of,
    become,
    check_may_become,
)
from tests.e2e.harness import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
NOBODY = pwd.getpwnam("nobody")
STRANGER = 3_999_999_999
"""A number that is nobody's."""


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> int:
    """This process is an ordinary user, as far as it is told."""
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: 7)
    return NOBODY.pw_uid


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getegid", lambda: 0)


def test_without_keys_nobody_else_is_meant() -> None:
    assert account_of(None, None) is None


@pytest.mark.usefixtures("root")
def test_a_user_brings_his_group() -> None:
    group = grp.getgrgid(NOBODY.pw_gid)
    expected = Account(NOBODY.pw_uid, NOBODY.pw_gid, "nobody")
    assert account_of("nobody", None) == expected
    assert account_of(NOBODY.pw_uid, None) == expected
    assert account_of("nobody", group.gr_name) == expected
    assert account_of("nobody", 7) == Account(NOBODY.pw_uid, 7, "nobody")
    assert account_of(STRANGER, 7) == Account(STRANGER, 7)
    assert account_of(None, 7) == Account(0, 7, pwd.getpwuid(0).pw_name)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("user", "group", "key", "text"),
    [
        ("no-such-user", None, "user", "user is 'no-such-user'; there is no user of that name"),
        ("no-such-user", 7, "user", "user is 'no-such-user'; there is no user of that name"),
        ("nobody", "no-such-group", "group", "group is 'no-such-group'; there is no group of"),
        (STRANGER, None, "user", "hence no group of his own; add group"),
    ],
)
def test_who_is_unknown_is_refused(
    user: str | int, group: str | int | None, key: str, text: str
) -> None:
    with pytest.raises(AccountError, match=text) as told:
        account_of(user, group)
    assert told.value.key == key


def test_who_is_no_root_may_only_stay_who_he_is(user: int) -> None:
    same = account_of("nobody", None)
    assert same == Account(user, 7, "nobody")
    check_may_become(same)
    become(same)
    with pytest.raises(AccountError, match=f"only root may become another; this is user {user}"):
        check_may_become(Account(0, 7, "root"))
    with pytest.raises(AccountError, match="this is group 7") as told:
        become(Account(user, 8, "nobody"))
    assert told.value.key == "group"


def test_a_file_is_refused_with_the_line_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sozutw.toml"
    path.write_text('log_level = "info"\nuser = "no-such-user"\n')
    (line,) = (text for text in read_configuration(str(path)).lines() if "user" in text)
    assert line == f"{path}:2: user is 'no-such-user'; there is no user of that name here"
    path.write_text('group = "no-such-group"\n')
    assert f"{path}:1: group is" in read_configuration(str(path)).lines()[-1]
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    path.write_text('\n\nuser = "nobody"\n')
    refused = read_configuration(str(path))
    assert refused.config is None
    assert f"{path}:3: user is nobody, and only root may become another" in refused.lines()[-1]
    # A process that runs has become who it is already; who is meant counts for the next start.
    assert read_configuration(str(path), is_running=True).config is not None
    host = ProcessHost(None, Settings(), Any, Source(str(path)))  # type: ignore[arg-type]
    assert host._read(str(path)).config is not None


def in_a_child(code: str) -> Any:
    """Run a piece of code in a process of its own, and return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@as_root
def test_all_of_it_is_given_up_and_in_every_thread() -> None:
    told = in_a_child(
        """
import json, os, threading
from sozutw.process.system.privileges import account_of, become
begin, end = threading.Event(), threading.Event()
def other():
    begin.wait()
    seen.append(os.getresuid())
seen = []
thread = threading.Thread(target=other)
thread.start()
become(account_of("nobody", None))
begin.set()
thread.join()
try:
    os.setuid(0)
except PermissionError:
    seen.append("refused")
lines = open("/proc/self/status").read().splitlines()
caps = [line.split()[1] for line in lines if line.startswith(("CapPrm", "CapEff", "CapAmb"))]
gains = [line.split()[1] for line in lines if line.startswith("NoNewPrivs")]
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), seen, caps, gains]))
"""
    )
    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
    uids, gids, groups, seen, caps, gains = told
    assert gains == ["1"]
    assert uids == [uid] * 3
    assert gids == [gid] * 3
    assert groups == [gid]
    assert seen == [[uid] * 3, "refused"]
    assert {int(text, 16) for text in caps} == {0}


@as_root
def test_a_number_without_a_name_is_in_one_group() -> None:
    told = in_a_child(
        f"""
import json, os
from sozutw.process.system.privileges import account_of, become
become(account_of({STRANGER}, 7))
print(json.dumps([os.getresuid(), os.getgroups()]))
"""
    )
    assert told == [[STRANGER] * 3, [7]]


def test_what_the_kernel_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "_gain_no_more", lambda: None)
    for name in ("initgroups", "setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(OSError, match="cannot become user 65534: Operation not permitted"):
        privileges.become(Account(65534, 65534, "nobody"))


@as_root
def test_a_file_is_given_only_if_it_is_that_file_and_no_other(tmp_path: Path) -> None:
    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid

    def owner_of(path: Path) -> tuple[int, int]:
        about = path.stat()
        return about.st_uid, about.st_gid

    def give(path: Path) -> None:
        writer = StreamWriter(lambda: FileSink(str(path)), lambda _lost: None)
        writer.give_to(uid, gid)  # Nothing is open yet.
        writer.open()
        writer.give_to(uid, gid)
        writer.close()

    plain, secret, hard = (tmp_path / name for name in ("plain", "secret", "hard"))
    give(plain)
    assert owner_of(plain) == (uid, gid)
    secret.write_text("root's")
    link = tmp_path / "link"
    link.symlink_to(secret)
    give(link)
    assert owner_of(secret) == (0, 0)
    hard.hardlink_to(secret)
    give(hard)
    assert owner_of(secret) == (0, 0)
    give(Path("/dev/null"))
    assert owner_of(Path("/dev/null")) == (0, 0)


@as_root
def test_root_follows_no_link_that_another_has_made(tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_text("root's\n")
    link.symlink_to(secret)
    sink = FileSink(str(link))  # Root's own link may lead anywhere.
    sink.send(b"a line\n")
    sink.close()
    os.chown(link, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    with pytest.raises(OSError, match="symbolic links"):
        FileSink(str(link))
    assert secret.read_text() == "root's\na line\n"


def test_whoever_is_no_root_follows_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "log")
    FileSink(str(link)).close()
    assert (tmp_path / "log").exists()
