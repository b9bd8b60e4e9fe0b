"""
The host names of one listener, by their labels from the right.

A plain child is always preferred, and where there is one nothing falls back to a wildcard
or a regex beside it. So a name that has a node of its own is found by one look-up, and for
any other the deepest node above it decides. All nodes therefore lie in one flat map, by
the part of the name that they stand for (``b"example.com"``), and a change copies the
nodes that it touches: no node holds its children, only their number.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from sozutw.routing.hosts import Segment, SegmentKind
from sozutw.routing.persistent import MapDraft, PersistentMap
from sozutw.routing.rules import Entry, HostRules, RuleKey, compile_regex

T = TypeVar("T")

ROOT: Final = b""


class Node(Generic[T]):
    """What the rules say of one name and of the labels left of it; never changed once frozen."""

    __slots__ = ("children", "regexes", "rules", "wildcard")

    def __init__(self) -> None:
        self.rules: HostRules[T] | None = None
        """For the name itself."""
        self.wildcard: HostRules[T] | None = None
        """For one more label, the last, whatever it is."""
        self.regexes: dict[str, RegexChild[T]] = {}
        """For one more label and all beyond, by the regex's text, in order."""
        self.children = 0
        """How many nodes stand for this name and one more plain label."""

    def copy(self) -> "Node[T]":
        """Another with the same contents, that may be changed."""
        node: Node[T] = Node()
        node.rules = self.rules
        node.wildcard = self.wildcard
        node.regexes = self.regexes.copy()
        node.children = self.children
        return node

    def is_empty(self) -> bool:
        """Whether nothing needs it."""
        return not (self.rules or self.wildcard or self.regexes or self.children)


class RegexChild(Generic[T]):
    """A label that is matched by a regex, and what may stand left of it."""

    __slots__ = ("matches", "tree")

    def __init__(self, matches: Callable[[bytes], object | None], tree: "HostTree[T]") -> None:
        self.matches = matches
        self.tree = tree


class HostTree(Generic[T]):
    """Names to HostRules; never changed. ``nodes`` is by name, the root under ``ROOT``."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: PersistentMap[Node[T]] | None = None) -> None:
        self.nodes = PersistentMap[Node[T]]() if nodes is None else nodes

    def __iter__(self) -> Iterator[Entry[T]]:
        """All entries, in no order."""
        for _, node in self.nodes:
            for rules in (node.rules, node.wildcard):
                if rules is not None:
                    yield from rules.entries.values()
            for child in node.regexes.values():
                yield from child.tree

    def is_empty(self) -> bool:
        """Whether it has no name."""
        return not self.nodes

    def find(self, host: bytes) -> HostRules[T] | None:
        """The rules for a host that has at least one label; lower case, without port."""
        node = self.nodes.get(ROOT)
        if node is None:
            return None
        if host[:1] == b"[":
            literal = self.nodes.get(host)
            return None if literal is None else literal.rules
        if host[:1] == b".":
            return None  # An empty label is none.
        # From the right, so that a name with thousands of labels costs no more than the
        # deepest that is configured.
        end = len(host)
        while end >= 0:
            dot = host.rfind(b".", 0, end)
            if dot + 1 == end:
                return None
            child = self.nodes.get(host[dot + 1 :])
            if child is None:
                return _beyond(node, host[dot + 1 : end], host[: max(dot, 0)])
            node = child
            end = dot
        return node.rules

    def draft(self) -> "TreeDraft[T]":
        """Begin a batch of changes; this tree stays as it is."""
        return TreeDraft(self)


def _beyond(node: Node[T], label: bytes, rest: bytes) -> HostRules[T] | None:
    """The rules for a label that is no plain child of the node, with ``rest`` left of it."""
    if not rest and node.wildcard is not None:
        return node.wildcard
    for child in node.regexes.values():
        if child.matches(label):
            if rest:
                return child.tree.find(rest)
            root = child.tree.nodes.get(ROOT)
            assert root is not None, "an empty tree is no child"
            return root.rules
    return None


class TreeDraft(Generic[T]):
    """
    Changes to a HostTree, until ``freeze``; not to be used after it.

    Rules are collected by place and written into nodes once, at the end, so that a thousand
    rules of one host build its HostRules once.
    """

    __slots__ = ("_below", "_nodes", "_owned", "_places")

    def __init__(self, start: HostTree[T]) -> None:
        self._nodes: MapDraft[Node[T]] = start.nodes.draft()
        self._owned: dict[bytes, Node[T]] = {}
        """Nodes that are copies of our own already."""
        self._places: dict[tuple[bytes, bool], dict[RuleKey, Entry[T]]] = {}
        """The rules of a name, or of the wildcard below it (True), as changed so far."""
        self._below: dict[tuple[bytes, str], TreeDraft[T]] = {}
        """What changes left of a regex, by the name right of it and its text."""

    def entries(self, segments: Sequence[Segment]) -> dict[RuleKey, Entry[T]]:
        """The rules for a host pattern, for the caller to change."""
        name = ROOT
        for index, segment in enumerate(segments):
            if segment.kind is SegmentKind.REGEX:
                below = self._draft_below(name, segment.text)
                return below.entries(segments[index + 1 :])
            if segment.kind is SegmentKind.WILDCARD:
                return self._place(name, True)
            label = segment.text.encode()
            name = label + b"." + name if name else label
        return self._place(name, False)

    def freeze(self) -> HostTree[T]:
        """The tree with all changes."""
        for (name, is_wildcard), entries in self._places.items():
            rules = HostRules(entries) if entries else None
            node = self._own(name)
            if is_wildcard:
                node.wildcard = rules
            else:
                node.rules = rules
        for (name, text), draft in self._below.items():
            self._set_below(self._own(name), text, draft.freeze())
        for name in list(self._owned):
            self._prune(name)
        return HostTree(self._nodes.freeze())

    def _place(self, name: bytes, is_wildcard: bool) -> dict[RuleKey, Entry[T]]:
        place = (name, is_wildcard)
        entries = self._places.get(place)
        if entries is None:
            node = self._nodes.get(name)
            rules = None if node is None else node.wildcard if is_wildcard else node.rules
            entries = self._places[place] = {} if rules is None else rules.entries.copy()
        return entries

    def _draft_below(self, name: bytes, text: str) -> "TreeDraft[T]":
        draft = self._below.get((name, text))
        if draft is None:
            node = self._nodes.get(name)
            child = None if node is None else node.regexes.get(text)
            tree = HostTree[T]() if child is None else child.tree
            draft = self._below[name, text] = tree.draft()
        return draft

    def _set_below(self, node: Node[T], text: str, tree: HostTree[T]) -> None:
        child = node.regexes.get(text)
        if tree.is_empty():
            node.regexes.pop(text, None)
        else:
            matches = compile_regex(text, is_whole=True) if child is None else child.matches
            node.regexes[text] = RegexChild(matches, tree)

    def _own(self, name: bytes) -> Node[T]:
        """The node of a name, made if it is missing, with those above it."""
        node = self._owned.get(name)
        if node is None:
            shared = self._nodes.get(name)
            if shared is not None:
                node = shared.copy()
            else:
                node = Node()
                if name != ROOT:
                    self._own(_above(name)).children += 1
            self._owned[name] = node
            self._nodes.put(name, node)
        return node

    def _prune(self, name: bytes) -> None:
        """Take away a node that nothing needs, and those above it that only it needed."""
        node = self._owned.get(name)
        while node is not None and node.is_empty():
            del self._owned[name]
            self._nodes.remove(name)
            if name == ROOT:
                return
            name = _above(name)
            node = self._own(name)
            node.children -= 1
            assert node.children >= 0


def _above(name: bytes) -> bytes:
    return ROOT if name[:1] == b"[" else name.partition(b".")[2]
