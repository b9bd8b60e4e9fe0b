"""The page of the command line is what the commands say."""

import click

from sozutw.cli.commands import CommonOption
from sozutw.cli.main import main
from sozutw.cli.manual import page, tree
from tests.own_coverage import ROOT

DOCUMENT = ROOT / "doc" / "command-line.md"


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "scripts/command-line makes it anew"


def test_every_command_and_option_is_on_it() -> None:
    text = page()
    for name in main.modules:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for context in tree(command, click.Context(main, info_name="sozutw"), name):
            assert f" {context.command_path}\n" in text
            for param in context.command.params:
                if not isinstance(param, CommonOption):
                    spelled = [name for name in param.opts if name.startswith("-")]
                    assert all(name in text for name in spelled), spelled
