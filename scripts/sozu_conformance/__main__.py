"""
Have Sōzu's own program drive sozutw: each of its subcommands, with and without ``--json``.

``scripts/conformance sozu`` starts it. The exit status is 0 if all is as ``steps.py`` expects, 1
if something is not, and 3 if there is no such program or something else is missing.
"""

import sys
from collections import Counter

from binary import Binary, NoBinaryError, find_binary
from place import GaveUpError, Place
from play import Result, play
from states import exchange
from steps import LEFT_OUT, PLAYS
from tree import leaves


def main() -> int:
    """Play everything, and tell what came of it."""
    try:
        binary = find_binary()
    except NoBinaryError as error:
        print(f"scripts/conformance: {error}", file=sys.stderr)
        return 3
    print(f"{binary.name}: {binary.path}", flush=True)
    try:
        results, wrong = run(binary)
    except GaveUpError as error:
        print(f"scripts/conformance: {error}", file=sys.stderr)
        return 3
    for text in wrong:
        print(f"WRONG {text}")
    summary(results)
    count = len(wrong) + sum(bool(result.wrong) for result in results)
    print(f"{len(results)} commands, {count} wrong" if count else f"{len(results)} commands: good")
    return 1 if count else 0


def run(binary: Binary) -> tuple[list[Result], list[str]]:
    """Return what came of all steps, and what is wrong beside them."""
    results = []
    with Place() as place:
        for is_json in (False, True):
            for steps in PLAYS:
                for result in play(binary, place, steps, is_json=is_json):
                    tell(result)
                    results.append(result)
        wrong = list(exchange(binary, place))
    played = [result.step.words for result in results]
    wrong += [
        f"no step has {leaf!r}"
        for leaf in leaves(binary)
        if leaf.split()[0] not in LEFT_OUT
        and not any(f"{words} ".startswith(f"{leaf} ") for words in played)
    ]
    return results, wrong


def tell(result: Result) -> None:
    """Print one line, and more if it is wrong."""
    word = "WRONG" if result.wrong else "ok   "
    print(f"{word} {result.command}", flush=True)
    if result.step.fault:
        print(f"      Sōzu's own fault: {result.step.fault}")
    for text in result.wrong:
        print("      " + text.replace("\n", "\n      "), flush=True)


def summary(results: list[Result]) -> None:
    """Print a table: how many commands of each group were right and wrong."""
    rows: dict[str, Counter[str]] = {}
    for result in results:
        row = rows.setdefault(result.step.words.split()[0], Counter())
        row["json" if result.is_json else "text"] += 1
        row["wrong"] += bool(result.wrong)
        row["fault"] += bool(result.step.fault)
    print(f"\n{'subcommand':<24}{'text':>6}{'json':>6}{'wrong':>7}  Sōzu's own faults")
    for name, row in sorted(rows.items()):
        print(f"{name:<24}{row['text']:>6}{row['json']:>6}{row['wrong']:>7}{row['fault']:>8}")


if __name__ == "__main__":
    sys.exit(main())
