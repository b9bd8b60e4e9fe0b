"""
From host, path and method to what a rule leads to.

The rules of the PRE list are asked one after another, then those of the host in the TREE,
then the POST list. A Router never changes: a change makes another one, and whoever holds
the old one finds what he found before.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from sozutw.config.model import FrontendRule, Position
from sozutw.routing.hosts import HostTest, compile_host, parse_host
from sozutw.routing.rules import Entry, RuleKey, in_order, rule_key
from sozutw.routing.tree import HostTree, TreeDraft

T = TypeVar("T")


class DuplicateRuleError(ValueError):
    """A rule with the same position, host, path and method is there already."""


class UnknownRuleError(LookupError):
    """No rule has this position, host, path and method."""


class ListedRule(Generic[T]):
    """A rule of the PRE or POST list."""

    __slots__ = ("entry", "is_host")

    def __init__(self, entry: Entry[T]) -> None:
        self.entry = entry
        self.is_host: HostTest | None = compile_host(entry.rule.hostname)
        """None if any host will do."""


_List = dict[RuleKey, ListedRule[T]]


class Router(Generic[T]):
    """
    The rules of one listener and the value of each, which may be anything but None.

    ``Router()`` is the empty one.
    """

    __slots__ = (
        "_buckets",
        "_has_tree",
        "_mask",
        "_post",
        "_post_catch_all",
        "_pre",
        "_pre_catch_all",
        "_serial",
        "_size",
        "_tree",
    )

    def __init__(self) -> None:
        self._pre: _List[T] = {}
        self._post: _List[T] = {}
        self._size = 0
        self._serial = 0
        self._plant(HostTree())

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[tuple[FrontendRule, T]]:
        """Rules and values: those of PRE, of the TREE, of POST, each as they were added."""
        for entries in (_entries(self._pre), in_order(self._tree), _entries(self._post)):
            for entry in entries:
                yield entry.rule, entry.value

    def find(self, host: bytes, target: bytes, method: bytes) -> T | None:
        """
        The value of the rule that wins, None if none matches.

        ``host`` is lower case and without port; ``target`` is path and query as sent.
        """
        # Hot: one frame and 0.3 µs for a host whose only rule is for all paths and methods, and
        # for a list that begins with a rule for everything.
        if self._pre_catch_all is not None:
            return self._pre_catch_all
        if self._pre:
            value = _first(self._pre, host, target, method)
            if value is not None:
                return value
        if self._has_tree:
            node = self._buckets[hash(host) & self._mask].get(host)
            rules = self._tree.find(host) if node is None else node.rules
            if rules is not None:
                value = rules.sole
                if value is not None:
                    return value
                value = rules.find(target, method)
                if value is not None:
                    return value
        if self._post_catch_all is not None:
            return self._post_catch_all
        return _first(self._post, host, target, method) if self._post else None

    def entries_for(self, host: bytes) -> Iterator[Entry[T]]:
        """
        Yield the rules whose host fits, in the order in which they are asked.

        Those of PRE, of the TREE and of POST; ``host`` is as for ``find``. A rule of the TREE
        whose host would fit, but for a plainer one beside it, is not among them.
        """
        yield from _for_host(self._pre, host)
        rules = self._tree.find(host)
        if rules is not None:
            yield from rules.entries.values()
        yield from _for_host(self._post, host)

    def with_rule(self, rule: FrontendRule, value: T) -> "Router[T]":
        """A router with one more rule, the last; or DuplicateRuleError, or BadRuleError."""
        return self.changed(added=((rule, value),))

    def without_rule(self, rule: FrontendRule) -> "Router[T]":
        """A router without that rule, wherever it led to; or UnknownRuleError."""
        return self.changed(removed=(rule,))

    def changed(
        self,
        removed: Iterable[FrontendRule] = (),
        added: Iterable[tuple[FrontendRule, T]] = (),
        revalued: Iterable[tuple[FrontendRule, T]] = (),
    ) -> "Router[T]":
        """
        A router without some rules and then with some more; all of it, or an error.

        Those in ``revalued`` keep their place and get another value. A batch costs far less
        than its changes one by one.
        """
        router: Router[T] = Router()
        router._pre = self._pre.copy()
        router._post = self._post.copy()
        router._size = self._size
        router._serial = self._serial
        draft = self._tree.draft()
        for rule in removed:
            router._remove(draft, rule)
        for rule, value in added:
            router._add(draft, rule, value)
        for rule, value in revalued:
            router._revalue(draft, rule, value)
        router._plant(draft.freeze())
        return router

    def _plant(self, tree: HostTree[T]) -> None:
        self._tree = tree
        self._buckets = tree.nodes.buckets
        self._mask = tree.nodes.mask
        self._has_tree = self._size > len(self._pre) + len(self._post)
        self._pre_catch_all = _catch_all(self._pre)
        self._post_catch_all = _catch_all(self._post)

    def _add(self, draft: TreeDraft[T], rule: FrontendRule, value: T) -> None:
        key = rule_key(rule)
        entry = Entry(rule, value, self._serial)
        if rule.position is Position.TREE:
            entries = draft.entries(parse_host(rule.hostname))
            _refuse_duplicate(key in entries, rule)
            entries[key] = entry
        else:
            listed = self._list(rule.position)
            _refuse_duplicate(key in listed, rule)
            listed[key] = ListedRule(entry)
        self._serial += 1
        self._size += 1

    def _revalue(self, draft: TreeDraft[T], rule: FrontendRule, value: T) -> None:
        key = rule_key(rule)
        if rule.position is Position.TREE:
            entries = draft.entries(parse_host(rule.hostname))
            if key in entries:
                entries[key] = Entry(rule, value, entries[key].serial)
                return
        else:
            listed = self._list(rule.position)
            if key in listed:
                listed[key] = ListedRule(Entry(rule, value, listed[key].entry.serial))
                return
        raise UnknownRuleError(f"there is no such rule: {_described(rule)}")

    def _remove(self, draft: TreeDraft[T], rule: FrontendRule) -> None:
        key = rule_key(rule)
        found: object
        if rule.position is Position.TREE:
            found = draft.entries(parse_host(rule.hostname)).pop(key, None)
        else:
            found = self._list(rule.position).pop(key, None)
        if found is None:
            raise UnknownRuleError(f"there is no such rule: {_described(rule)}")
        self._size -= 1

    def _list(self, position: Position) -> _List[T]:
        assert position is not Position.TREE
        return self._pre if position is Position.PRE else self._post


def _entries(listed: _List[T]) -> Iterator[Entry[T]]:
    return (rule.entry for rule in listed.values())


def _catch_all(listed: _List[T]) -> T | None:
    """Return the value of the first rule if it is for every host, path and method."""
    first = next(iter(listed.values()), None)
    if first is None or first.is_host is not None or not first.entry.is_for_everything():
        return None
    return first.entry.value


def _first(listed: _List[T], host: bytes, target: bytes, method: bytes) -> T | None:
    for rule in listed.values():
        is_host = rule.is_host
        if (is_host is None or is_host(host)) and rule.entry.matches(target, method):
            return rule.entry.value
    return None


def _for_host(listed: _List[T], host: bytes) -> Iterator[Entry[T]]:
    for rule in listed.values():
        if rule.is_host is None or rule.is_host(host):
            yield rule.entry


def _refuse_duplicate(is_there: bool, rule: FrontendRule) -> None:
    if is_there:
        raise DuplicateRuleError(f"this rule is there already: {_described(rule)}")


def _described(rule: FrontendRule) -> str:
    method = rule.method or "any method"
    path = f"{rule.path_type.value} {rule.path!r}"
    return f"{rule.hostname}, {path}, {method}, {rule.position.value}"
