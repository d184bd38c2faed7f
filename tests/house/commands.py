"""The commands as one types them, and whether a line of a page is one of them."""

from __future__ import annotations

import shlex

import click
import typer.main

from trifacet.cli.main import app


def commands() -> list[tuple[str, click.Command]]:
    """Every command and group, by the words one types."""
    found, waiting = [], [("trifacet", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        found.append((name, command))
        waiting += [(f"{name} {key}", below) for key, below in getattr(command, "commands", {}).items()]
    return sorted(found, key=lambda pair: pair[0])


def fault(line: str) -> str:
    """What is wrong with a command line that a page shows: no such command, no such option; "" where all exist."""
    known = dict(commands())
    words = shlex.split(line, comments=True)
    name = words.pop(0)
    while words and f"{name} {words[0]}" in known:
        name = f"{name} {words.pop(0)}"
    command = known[name]
    if words and getattr(command, "commands", None) and words[0][0] not in "-[" and words[0] != "COMMAND":
        return f"no command '{name} {words[0]}'"
    options = {text for param in command.params for text in param.opts} | {"--help", "-h"}
    options |= {text for param in known["trifacet"].params for text in param.opts if len(name.split()) == 1}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in options]
    return f"{name} has no {', '.join(unknown)}" if unknown else ""
