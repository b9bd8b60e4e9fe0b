"""
Who a process is: root while it opens low ports and files, then the user and group of its keys.

Only what is open by then stays open to it. What it opens later (a log's successor, a certificate
that was renewed) must be open to that user.
"""

import grp
import os
import pwd
from typing import Final, NamedTuple

_ROOT: Final = 0
_PR_SET_NO_NEW_PRIVS: Final = 38
"""linux/prctl.h"""


class Account(NamedTuple):
    """A user and a group to become, by their numbers."""

    uid: int
    gid: int
    name: str = ""
    """The user's, for the groups that he is in; empty for a number without a name."""


class AccountError(ValueError):
    """Nobody of that name, or nobody that this process may become; can be shown to an operator."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key
        """The one that is wrong: user or group."""


def account_of(user: str | int | None, group: str | int | None) -> Account | None:
    """
    Return who is meant; None if both are.

    Without a user it is the present one, without a group that of the user. Raises AccountError.
    """
    if user is None and group is None:
        return None
    found = _user(os.geteuid() if user is None else user)
    if found is None and isinstance(user, str):
        raise AccountError("user", f"user is {user!r}; there is no user of that name here")
    uid = os.geteuid() if user is None else user
    name = ""
    if found is not None:
        uid, name = found.pw_uid, found.pw_name
    assert isinstance(uid, int)
    if group is not None:
        return Account(uid, _group(group), name)
    if uid == os.geteuid():
        # Who is so already stays in the group that he was put in.
        return Account(uid, os.getegid(), name)
    if found is None:
        text = f"user {uid} has no name here, hence no group of his own; add group"
        raise AccountError("user", text)
    return Account(uid, found.pw_gid, name)


def check_may_become(account: Account) -> None:
    """Raise AccountError unless this process is so already, or is root and may become anybody."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == _ROOT:
        return
    if account.uid != uid:
        text = f"user is {account.name or account.uid}, and only root may become another; this is"
        raise AccountError("user", f"{text} user {uid}")
    if account.gid != gid:
        text = f"the group is {account.gid}, and only root may become another; this is group {gid}"
        raise AccountError("group", text)


def become(account: Account) -> None:
    """
    Be this user for good, in every thread, with the groups that he is in and no others.

    And no program that is begun from here on may be more than he is (``no_new_privs``), where the
    kernel has that. Raises OSError if he cannot be become.
    """
    if os.geteuid() != _ROOT:
        check_may_become(account)
        _gain_no_more()
        return
    # First, while Python's own files can surely be read; root is given up all the same.
    _gain_no_more()
    _give_root_up(account)


def _give_root_up(account: Account) -> None:
    try:
        if account.name:
            os.initgroups(account.name, account.gid)
        else:
            os.setgroups([account.gid])
        # The group first: once the user is another, he may not change it. And the saved ones too.
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        text = f"this process cannot become user {account.uid}: {error.strerror}"
        raise OSError(error.errno, text) from None
    assert set(os.getresuid()) == {account.uid}
    assert set(os.getresgid()) == {account.gid}


def _gain_no_more() -> None:
    """Let no set-user-ID program, nor one with capabilities of its file, give any of them back."""
    # Python has no call of its own for it.
    import ctypes  # noqa: PLC0415  # where nobody is to be become, nobody needs it

    try:
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return


def _user(user: str | int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return None


def _group(group: str | int) -> int:
    if isinstance(group, int):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        text = f"group is {group!r}; there is no group of that name here"
        raise AccountError("group", text) from None
