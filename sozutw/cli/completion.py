"""`sozutw completion`: what a shell needs to complete our words."""

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from sozutw.cli.commands import Group, examples

VARIABLE: Final = "_SOZUTW_COMPLETE"
"""By this the shell's script asks us."""

HOW_TO_INSTALL: Final = {
    "bash": "sozutw completion bash > ~/.local/share/bash-completion/completions/sozutw",
    "zsh": "sozutw completion zsh > ~/.zfunc/_sozutw   # with fpath+=~/.zfunc before compinit",
    "fish": "sozutw completion fish > ~/.config/fish/completions/sozutw.fish",
}


@click.group(cls=Group)
def completion() -> None:
    """Print what makes a shell complete the commands and options of sozutw."""


def script(shell: str, root: click.Command) -> str:
    """Return the script for a shell, with how to install it in its first lines."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    made = kind(root, {}, "sozutw", VARIABLE)
    # Not made.source(): for bash that starts bash, to look at its version.
    text = ShellComplete.source(made).strip()
    how = f"# To install it:\n#   {HOW_TO_INSTALL[shell]}\n"
    if text.startswith("#compdef"):
        # zsh looks for this in the first line.
        first, _, rest = text.partition("\n")
        return f"{first}\n{how}{rest}"
    return how + text


def _add(shell: str) -> None:
    @completion.command(
        shell,
        help=f"Print the script for {shell}.\n\n\b\nTo install it:\n  {HOW_TO_INSTALL[shell]}",
        short_help=f"Print the script for {shell}.",
        epilog=examples(f"sozutw completion {shell}"),
    )
    @click.pass_context
    def print_script(ctx: click.Context) -> None:
        click.echo(script(shell, ctx.find_root().command))


for _shell in HOW_TO_INSTALL:
    _add(_shell)
