"""doc/from-sozu.md names what is not served, as doc/configure.md does."""

import re
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "doc"
PAGE = (DOC / "from-sozu.md").read_text(encoding="utf-8")
CONFIGURE = (DOC / "configure.md").read_text(encoding="utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page, as rows of cells; the line below a header is left out."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [
            [cell.strip() for cell in row.strip("|").split(" | ")]
            for row in table.splitlines()
            if not row.startswith("|---")
        ]
        for table in found
    ]


def keys_served(served: str) -> set[str]:
    """The keys of which doc/configure.md says so."""
    keys: set[str] = set()
    for header, *rows in tables(CONFIGURE):
        if "served" in header:
            at = header.index("served") - len(header)
            for row in rows:
                cells = [cell.strip(" |") for cell in row]
                if cells[at] == served:
                    keys |= set(re.findall(r"`([^`]+)`", cells[0]))
    return keys


def keys_told(index: int) -> set[str]:
    """The keys of a table of the section."""
    _header, *rows = tables(PAGE.partition("\n## What is not there yet")[2])[index]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize(("served", "index"), [("no", 0), ("no effect", 1)])
def test_the_page_names_all_that_is_not_served_and_nothing_else(served: str, index: int) -> None:
    assert keys_told(index) == keys_served(served)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        name, _, anchor = target.partition("#")
        text = (DOC / name).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {h.lower().replace(" ", "-").replace("`", "") for h in headings}
        assert not anchor or anchor in anchors, target
