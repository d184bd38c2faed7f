"""How a command shows its help and meets what it does not know: typer's commands, made plainer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from trifacet.core.errors import error

if TYPE_CHECKING:
    import typer

TAKES = {"Path": "PATH", "str": "TEXT", "int": "N", "float": "SHARE", "list[str]": "TEXT"}


def _plain(params: list[Any]) -> list[Any]:
    """The parameters, so that help shows PATH instead of `<path>`, nothing beside a flag, an argument's name once."""
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = _nothing
        elif param.metavar is None:
            param.metavar = "" if param.is_flag else TAKES[param.bare_type()]
    return params


def _nothing(ctx: Any) -> str:  # noqa: ARG001  (typer gives it)
    return ""


class Command(TyperCommand):
    """A command with plain help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters as help shows them."""
        return _plain(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in its usage: RUN, not {RUN}."""
        pieces = [piece.strip("{}").replace("...}...", "...") for piece in super().collect_usage_pieces(ctx)]
        return [piece.removesuffix("...") if "..." in piece[:-3] else piece for piece in pieces]  # RUN ... DATA


class Group(TyperGroup):
    """A group of commands with plain help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters as help shows them."""
        return _plain(super().get_params(ctx))


class TrainCommand(Command):
    """`train`, which tells how a setting is changed and where the data go to somebody who guessed otherwise."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The arguments left over: none. Raises ConfigError TRI104."""
        words = list(args)
        ctx.allow_extra_args = True
        try:
            left = super().parse_args(ctx, args)
        except Exception as problem:  # by shape, not by class: typer brings click's classes of its own
            option = getattr(problem, "option_name", "") if hasattr(problem, "possibilities") else ""
            if option and (hint := _setting(option, words)):
                raise error("TRI104", f"{option} is no option", do=f"It is a setting: {hint}.") from None
            raise
        if left:
            do = "" if ctx.params.get("data") else f"Did you mean `--data {left[0]}`?"
            raise error("TRI104", f"'{' '.join(left)}' is more than the one recipe that train takes", do=do)
        return left


def _setting(option: str, words: Sequence[str]) -> str:
    """How to change the setting that an unknown option is called after, in words; "" where there is none."""
    from trifacet.core.config import describe, keys_called
    from trifacet.core.recipe import Recipe

    found = keys_called(option.lstrip("-").replace("-", "_"), list(describe(Recipe)))
    value = "VALUE"
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(f"{option}="):
            value = word.partition("=")[2]
        elif word == option and after and not after.startswith("-"):
            value = after
    return " or ".join(f"`--set {key}={value}`" for key in found)


class QueueCommand(Command):
    """`queue`, whose `--then` takes a whole command: all words after it are that command's."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The arguments left over: none."""
        if "--then" in args and len(after := args[args.index("--then") + 1 :]) > 1:
            args = [*args[: len(args) - len(after)], shlex.join(after)]
        return super().parse_args(ctx, args)
