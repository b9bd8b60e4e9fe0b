"""Which subcommands Sōzu's program has, by its own help."""

import re
import subprocess
from collections.abc import Iterator

from binary import Binary

_COMMANDS = re.compile(r"^Commands:\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^  (\S+)", re.MULTILINE)


def leaves(binary: Binary, words: str = "") -> Iterator[str]:
    """Yield the words of each subcommand that has none below it, ``help`` aside."""
    done = subprocess.run(
        [binary.path, *words.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found = _COMMANDS.search(done.stdout)
    names = [name for name in _NAME.findall(found.group(1)) if name != "help"] if found else []
    # What stands below a command's own arguments, as `frontend http add … id`, is part of it.
    if not names or re.search(r"^Usage: .*<(?!COMMAND>)", done.stdout, re.MULTILINE):
        yield words
        return
    for name in names:
        yield from leaves(binary, f"{words} {name}".strip())
