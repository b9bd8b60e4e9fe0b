"""What a process begins with that takes over."""

from sozutw.process.upgrade.inheritance import Inheritance


def test_nobody_waits_for_it_unless_somebody_says_so() -> None:
    inheritance = Inheritance([])
    inheritance.ready()
    inheritance.served()
    assert inheritance.sockets == {}
