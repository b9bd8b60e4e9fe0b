"""Signals around a fork, in a small program: what is done here cannot be undone in a process."""

import subprocess
import sys

from tests.e2e.harness import ROOT

PROGRAM = """
import os, select, signal, sys, traceback
sys.path[:0] = {path!r}
from sozutw.process.zygote.fork_signals import ForkSignals
TERM, INT, CHLD = signal.SIGTERM, signal.SIGINT, signal.SIGCHLD
signal.pthread_sigmask(signal.SIG_BLOCK, [TERM, signal.SIGUSR2])
descriptors = len(os.listdir("/proc/self/fd"))
with ForkSignals() as signals:
    def fork(child):
        with signals.held():
            pid = os.fork()
            if not pid:
                try:
                    child()
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(0)
        assert select.select([signals.wake], [], [], 20)[0], "the end of a child was not heard"
        signals.heard()
        assert not select.select([signals.wake], [], [], 0)[0]
        signals.heard()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
{rest}
assert len(os.listdir("/proc/self/fd")) == descriptors
"""


def run(rest: str) -> None:
    program = PROGRAM.format(path=[str(ROOT), *filter(None, sys.path)], rest=rest)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_ends_a_process_is_ignored_and_nothing_stays_held_back() -> None:
    run("""
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    for number in (TERM, INT, signal.SIGHUP, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    with signals.held():
        os.kill(os.getpid(), TERM)
        assert signal.sigpending() == {TERM}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
""")


def test_a_child_answers_again_but_not_to_ctrl_c() -> None:
    run("""
    def child():
        signals.forget()
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        for number in (TERM, signal.SIGHUP, signal.SIGUSR1, CHLD):
            assert signal.getsignal(number) == signal.SIG_DFL
        os.kill(os.getpid(), INT)
        os._exit(7)
    assert fork(child) == 7
""")


def test_a_signal_that_comes_before_a_child_can_answer_is_not_lost() -> None:
    run("""
    def child():
        os.kill(os.getpid(), TERM)
        signals.forget()
        os._exit(7)
    assert fork(child) == -TERM
""")
