"""What `--over KEY=VALUES` means: `log:1e-5..1e-3` and `0..0.4` are ranges, `a|b` are choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from trifacet.core.config import flatten, set_layer
from trifacet.core.errors import error, nearest
from trifacet.core.recipe import Recipe

Number = Literal["whole", "real"]
NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"  # no dot at its end: 0...5 goes from 0 to .5
RANGE = re.compile(rf"(log:)?({NUMBER})\.\.({NUMBER})")
UNSCORED = {  # sections that change nothing of what a search scores by
    "decide": "trials are scored by the most probable class, before any rule or view",
    "track": "it changes no score",
    "report": "it changes no score",
}
TASK = ("schema", "label_schema", "model.tasks")  # the second is the first as the code calls it


@dataclass(frozen=True)
class Axis:
    """One setting that is searched: a range of whole or real numbers, ends included, or choices as `--set` reads them.

    text: as it was asked for.
    """

    key: str
    text: str
    number: Number | None = None
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def ends(self) -> tuple[str, ...]:
        """The values to look at before anything is trained: all choices, or both ends of the range."""
        return self.choices or (self.value_text(self.low), self.value_text(self.high))

    def value_text(self, value: float) -> str:
        """A number of the range as a recipe has it: reals with four digits that count, never beyond an end."""
        if self.number == "whole":
            return str(int(value))
        return repr(min(max(float(f"{value:.4g}"), self.low), self.high))


def parse_axes(over: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of `--over` options. Raises ConfigError TRI104."""
    axes = tuple(map(_parse, over))
    keys = [axis.key for axis in axes]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise error("TRI104", f"'{twice[0]}' is searched twice", where="--over")
    return axes


def _parse(text: str) -> Axis:
    key, equals, said = (part.strip() for part in text.partition("="))
    if not equals or not key or not said:
        raise _wrong("must look like KEY=LOW..HIGH, KEY=log:LOW..HIGH or KEY=A|B", text)
    if why := UNSCORED.get(key.partition(".")[0]):
        raise error("TRI104", f"'{key}' cannot be searched: {why}", where="--over")
    found = RANGE.fullmatch(said)
    _check_task(key, [] if found else said.split("|"))
    if found is None:
        choices = tuple(choice.strip() for choice in said.split("|"))
        if len(choices) < 2 or len(set(choices)) < len(choices) or "" in choices:
            raise _wrong("needs a range LOW..HIGH, or two or more different choices A|B", text)
        return Axis(key, text, choices=choices)
    number, (low, high), is_log = number_of(key), (float(n) for n in found.groups()[1:]), bool(found[1])
    if number is None:
        known = flatten(Recipe().model_dump(mode="json", by_alias=True))
        if key not in known and (near := nearest(key, list(known))):
            raise error("TRI104", f"no setting '{key}'. Did you mean '{near}'?", where="--over")
        raise error("TRI104", f"'{key}' is no number, so it has no range: give choices, A|B", where="--over", got=said)
    if low >= high:
        raise _wrong("a range goes from its lower to its higher end", text)
    if is_log and low <= 0:
        raise _wrong("a range on a log scale begins above 0", text)
    if number == "whole" and (low != int(low) or high != int(high)):
        raise error("TRI104", f"'{key}' is a whole number, and so are the ends of its range", where="--over", got=said)
    return Axis(key, text, number=number, low=low, high=high, is_log=is_log)


def _check_task(key: str, choices: Sequence[str]) -> None:
    """Refuses what a search would win by with an easier task, inside a mapping too: `model={tasks: [mask]}|{}`."""
    for name in (key, *(name for choice in choices for name in flatten(set_layer([f"{key}={choice}"]).content))):
        if f"{name}.".startswith(tuple(f"{part}." for part in TASK)):
            raise error("TRI104", f"'{name}' cannot be searched: it changes what is scored", where="--over")


def _wrong(what: str, text: str) -> Exception:
    return error("TRI104", what, where="--over", got=f"'{text}'")


def number_of(key: str) -> Number | None:
    """Whether the setting of this dotted key holds real numbers, whole ones, or (None) no number at all."""
    kind: Any = Recipe
    for part in key.split("."):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = fields[part].annotation if part in fields else None
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
    plain = set(_plain_types(kind))
    return "real" if float in plain else "whole" if int in plain else None


def _plain_types(kind: Any) -> list[Any]:
    """The types that an annotation stands for, its unions and constraints taken apart."""
    if get_origin(kind) is Annotated:
        return _plain_types(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [plain for one in get_args(kind) for plain in _plain_types(one)]
    return [kind]
