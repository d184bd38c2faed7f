"""Strict settings from layers of YAML or JSON: every mistake at once, every value with its origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trifacet.core.errors import error, nearest
from trifacet.core.files import parse_yaml, yaml_reason

Settings = TypeVar("Settings", bound=BaseModel)
Check = Callable[[Any], str | None]  # a value -> what is wrong with it, or None


@dataclass(frozen=True)
class Layer:
    """Settings from one place: `origin` names it (a file, `--set`), `content` is a nested mapping."""

    origin: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved(Generic[Settings]):
    """Checked settings, and where each value came from: `origins["optim.lr"]` is `default`, a file or `--set`."""

    settings: Settings
    origins: dict[str, str]


def read_layer(path: Path) -> Layer:
    """The mapping in a YAML or JSON file (JSON is YAML). Raises ConfigError TRI102."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error("TRI102", "no such file", where=str(path)) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise error("TRI102", "cannot be read", where=str(path), got=yaml_reason(problem)) from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise error("TRI102", "must hold keys and values", where=str(path), got=type(content).__name__)
    return Layer(str(path), content)


def set_layer(assignments: Sequence[str]) -> Layer:
    """The layer of `--set a.b=value` options; values are read as YAML. Raises ConfigError TRI104."""
    content: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise error("TRI104", "must look like key.subkey=value", where="--set", got=f"'{assignment}'")
        try:
            value = parse_yaml(text)
        except yaml.YAMLError:
            raise error("TRI104", "the value is not valid YAML", where="--set", got=f"'{assignment}'") from None
        *parents, last = key.strip().split(".")
        inner = content
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise error("TRI104", f"'{parent}' is set twice", where="--set", got=f"'{assignment}'")
        inner[last] = value
    return Layer("--set", content)


def resolve(
    kind: type[Settings],
    layers: Sequence[Layer],
    *,
    checks: Mapping[str, Check] | None = None,
    what: str = "the recipe",
) -> Resolved[Settings]:
    """Settings of `kind` from its defaults overlaid with `layers`, later ones first in say.

    checks: extra tests by dotted key, for names that only a room knows. what: as a message calls it.

    Raises:
        ConfigError: TRI101, every mistake of all layers in one message.
    """
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _overlay(merged, layer.content, origin=layer.origin, origins=origins)
    mistakes: list[str] = []
    settings: Settings | None = None
    try:
        settings = kind.model_validate(merged)
    except ValidationError as problem:
        mistakes = [_explain(kind, told, origins=origins) for told in _by_key(problem.errors())]
    for key, check in (checks or {}).items():
        value = _look_up(settings.model_dump(by_alias=True) if settings else merged, key)
        is_named = any(mistake.startswith((f"{key}:", f"{key} (")) for mistake in mistakes)
        if value is not None and not is_named and (wrong := check(value)):
            mistakes.append(f"{_placed(key, origins)}: {wrong}")
    if mistakes or settings is None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise error("TRI101", f"{count} in {what}:\n  " + "\n  ".join(mistakes) + "\n", do="Correct each line.")
    every = {key: origins.get(key, "default") for key in flatten(settings.model_dump(mode="json", by_alias=True))}
    return Resolved(settings, every)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys; lists and empty mappings are values."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def choices(kind: type[BaseModel], prefix: str = "") -> dict[str, tuple[str, ...]]:
    """The values that a key may hold, by dotted key, of the keys that hold one of a few."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in kind.model_fields.items():
        key, inner = f"{prefix}{field.alias or name}", field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= choices(inner, f"{key}.")
        elif get_origin(inner) is Literal:
            found[key] = tuple(map(str, get_args(inner)))
    return found


def keys_called(name: str, keys: Sequence[str]) -> list[str]:
    """The dotted keys that are `name` or end in it: `epochs` -> [`train.epochs`]."""
    return [key for key in keys if key == name or key.endswith(f".{name}")]


def describe(kind: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """What each key means, by dotted key, from the descriptions of the model's fields."""
    told: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        key, inner = f"{prefix}{field.alias or name}", field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            told |= describe(inner, f"{key}.")
        else:
            told[key] = field.description or ""
    return told


def _overlay(merged: dict[str, Any], content: Mapping[str, Any], *, origin: str, origins: dict[str, str]) -> None:
    def lay(into: dict[str, Any], values: Mapping[str, Any], *, prefix: str) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping) and isinstance(into.get(key, {}), dict):
                lay(into.setdefault(key, {}), value, prefix=f"{prefix}{key}.")
            else:
                into[key] = value
            origins[f"{prefix}{key}"] = origin

    lay(merged, content, prefix="")


def _look_up(content: Mapping[str, Any], key: str) -> Any:
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _placed(key: str, origins: Mapping[str, str]) -> str:
    above = key  # an item of a list comes from where the list does
    while above not in origins and "." in above:
        above = above.rpartition(".")[0]
    return f"{key} ({origins[above]})" if above in origins else key


def _by_key(problems: Sequence[ErrorDetails]) -> list[list[ErrorDetails]]:
    """The problems of each key together: where a key takes one of several kinds, pydantic has a problem for each kind.

    Of those the kind that was meant is that which reading got furthest with: `{mask: balancd}` is no wrong word.
    """
    found: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for problem in problems:
        found.setdefault(_key(problem), []).append(problem)
    deeper = {key[:n] for key in found for n in range(len(key))}
    return [told for key, told in found.items() if key not in deeper or not _is_kind(told[0]["loc"][-1:])]


def _key(problem: ErrorDetails) -> tuple[str, ...]:
    """The key of a problem, without the kinds of value that pydantic names between its parts."""
    loc = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return tuple(map(str, loc))
    return tuple(str(part) for part in loc if not _is_kind((part,)))


def _is_kind(parts: tuple[int | str, ...]) -> bool:
    kinds = r"constrained-\w+|bool|float|int|str|.*\[.*\]"
    return any(isinstance(part, str) and re.fullmatch(kinds, part) is not None for part in parts)


def _explain(kind: type[BaseModel], problems: Sequence[ErrorDetails], *, origins: Mapping[str, str]) -> str:
    """One mistake in words, with the nearest key where a key is unknown."""
    problem, parts = problems[0], _key(problems[0])
    key, got = ".".join(parts), problem["input"]
    if problem["type"] == "extra_forbidden":
        near = nearest(parts[-1], _keys_beside(kind, parts[:-1]))
        other: str | None = getattr(kind, "other_names", {}).get(parts[-1])
        elsewhere = [other] if other else keys_called(parts[-1], list(describe(kind)))
        meant = " or ".join(f"'{k}'" for k in elsewhere) or (f"'{near}'" if near else "")
        return f"{_placed(key, origins)}: no such key." + (f" Did you mean {meant}?" if meant else "")
    first, *more = (
        each["msg"]
        .removeprefix("Value error, ")
        .replace("Input should be", "must be")
        .replace("a valid tuple", "a list")
        for each in problems
    )
    message = ", or ".join([first, *(each.removeprefix("must be ") for each in more)])
    if not parts:  # settings that contradict each other: the message names them
        return f"{message}."
    if ", got " in first:
        return f"{_placed(key, origins)}: {message}" + "." * (message[-1] not in ".?")
    words = [problem["ctx"]["expected"] for problem in problems if problem["type"] == "literal_error"]
    near = _nearest_word(got, words[0]) if words and isinstance(got, str) else None
    return f"{_placed(key, origins)}: {message}, got {got!r}." + (f" Did you mean '{near}'?" if near else "")


def _nearest_word(got: str, expected: str) -> str | None:
    """The word that `got` is nearest to, or the longest that it holds: `CosineAnnealingLR` is cosine."""
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    held = [word for word in words if len(word) > 3 and word.replace("_", "") in got.lower()]
    return nearest(got, words) or max(held, key=len, default=None)


def _keys_beside(kind: type[BaseModel], parents: Sequence[str]) -> list[str]:
    model: Any = kind
    for parent in parents:
        field = getattr(model, "model_fields", {}).get(parent)
        model = field.annotation if field else None
    return list(getattr(model, "model_fields", {}))
