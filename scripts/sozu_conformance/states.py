"""State files, exchanged: what Sōzu saved is loaded by sozutw, and the other way round."""

from collections.abc import Iterator
from pathlib import Path

from binary import Binary
from place import SOZUTW, Place, Proxy
from play import Client
from step import Get, Look, Shows

LOOKS: tuple[Look, ...] = (
    Get("shop.example", 200, "shop-1"),
    Get("shop.example", 200, "shop-1", listener="https"),
    Get("blog.example", 200, "blog-1", path="/posts"),
    Get("blog.example", 404),
    Shows("shop.example", "shop"),
)


def exchange(binary: Binary, place: Place) -> Iterator[str]:
    """Say what is not as it was after a state has gone from the one to the other."""
    configuration = place.write_configurations()
    empty = place.folder / "empty.toml"
    ways = (("Sōzu", binary.path, "sozutw", SOZUTW), ("sozutw", SOZUTW, "Sōzu", binary.path))
    for of, writer, to, reader in ways:
        print(f"a state of {of} for {to}", flush=True)
        path = place.folder / f"state of {of}.json"
        with Proxy(place, writer, configuration) as proxy:
            yield from _asked(binary, place, configuration, f"state save --file '{path}'")
            path.chmod(0o600)  # Sōzu lets everybody read the keys in it; sozutw refuses that.
            yield from _seen(place, of)
            proxy.kill()
        with Proxy(place, reader, empty):
            yield from _asked(binary, place, empty, f"state load --file '{path}'", "0 errors")
            yield from _seen(place, to)


def _asked(
    binary: Binary, place: Place, configuration: Path, words: str, has: str = "Success: "
) -> Iterator[str]:
    done = Client(binary, place, configuration).run(words)
    if done.status or has not in done.out:
        yield f"{words}: exit status {done.status}: {done.out}{done.err}"


def _seen(place: Place, by: str) -> Iterator[str]:
    for look in LOOKS:
        text = look.differs(place)
        if text:
            yield f"state of {by}: {text}"
