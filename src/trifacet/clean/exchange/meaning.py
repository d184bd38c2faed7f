"""What a word of a foreign file means in the schema. Nothing is guessed: what is not known is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trifacet.clean.exchange.said import CERTAINTY, CLASS, NOTHING, PATH, REASON, WHO, Names, label_keys
from trifacet.core.decisions import USE, USES, YEARS, why_no_value
from trifacet.core.errors import error, nearest
from trifacet.core.files import parse_yaml, yaml_reason
from trifacet.core.schema import LabelSchema


class UnclearError(ValueError):
    """A word that means nothing in the schema, and why."""


def meaning(key: str, text: str, *, names: Names) -> dict[str, str]:
    """What a text about `key` says: attribute -> value, "" for none; nothing where the text is empty.

    Years given where the age class is expected are years. Raises UnclearError.
    """
    schema, text = names.schema, text.strip()
    text = names.means.get(key, {}).get(text, text)
    if not text:
        return {}
    if key == CLASS:
        return _joint(text, schema, is_numbered=names.is_numbered)
    if schema.age is not None and key == schema.age.name and _number(text) is not None:
        key = YEARS
    if key == YEARS:
        years = _number(text)
        text = text if years is None else f"{years:g}"
    else:
        words = USES[1:] if key == USE else schema.attribute(key).classes
        known = {word.lower(): word for word in words}
        text = known.get(text.lower(), "" if text.lower() == NOTHING else text)
    if why := why_no_value(key, text, schema=schema):
        near = nearest(text.lower(), [c.lower() for a in schema.attributes if a.name == key for c in a.classes])
        raise UnclearError(f"{why}. Did you mean '{near}'?" if near else why)
    return {key: text}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _joint(text: str, schema: LabelSchema, *, is_numbered: bool) -> dict[str, str]:
    joint = {name.lower().replace("/", "_"): i for i, name in enumerate(schema.joint_names)}
    known = joint.get(text.lower().replace("/", "_"))
    if known is None:
        number = _number(text)
        if number is None:
            raise UnclearError(f"'{text}' is no class, such as {schema.joint_names[0]}")
        if not is_numbered:
            raise UnclearError(f"'{text}' is a number, and orders of classes differ (--form classes: the schema's own)")
        if number != int(number) or not 0 <= number < schema.n_joint:
            raise UnclearError(f"class {text} lies outside 0..{schema.n_joint - 1}")
        known = int(number)
    row = schema.decode([known])[0].tolist()
    return {a.name: a.classes[c] for a, c in zip(schema.attributes, row, strict=True)}


def read_names(words: Sequence[str], *, schema: LabelSchema, is_numbered: bool = False) -> Names:
    """What `--map` tells: `KEY=NAME`, `KEY:WORD=VALUE`, or a YAML file of the same (`values:` holds the words).

    Raises:
        StoreError: TRI710, not such a pair, a key that is none, or a value that the schema does not have.
    """
    called: dict[str, str] = {}
    means: dict[str, dict[str, str]] = {}
    for word in words:
        if "=" not in word and word.lower().endswith((".yaml", ".yml", ".json")):
            more, values = _from_file(Path(word))
            called |= more
            for key, table in values.items():
                means.setdefault(key, {}).update(table)
            continue
        left, is_pair, right = word.partition("=")
        if not is_pair:
            raise error("TRI710", "takes KEY=NAME, KEY:WORD=VALUE, or a YAML file", where="--map", got=f"'{word}'")
        key, is_value, text = left.partition(":")
        if is_value:
            means.setdefault(key.strip(), {})[text.strip()] = right.strip()
        else:
            called[key.strip()] = right.strip()
    _check(called, means, schema=schema)
    return Names(schema, called, means, is_numbered=is_numbered)


def _from_file(path: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    try:
        content: Any = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise error("TRI710", "cannot be read as YAML", where=path, got=yaml_reason(problem)) from problem
    content = {} if content is None else content
    values = content.pop("values", {}) if isinstance(content, dict) else None
    texts = [*content.values()] if isinstance(content, dict) else []
    is_nested = any(isinstance(text, dict | list) for text in texts)
    if not isinstance(values, dict) or not all(isinstance(t, dict) for t in values.values()) or is_nested:
        raise error("TRI710", "must hold KEY: NAME, and values: {KEY: {WORD: VALUE}}", where=path)
    called = {str(key): str(name) for key, name in content.items()}
    return called, {str(k): {str(w): "" if v is None else str(v) for w, v in t.items()} for k, t in values.items()}


def _check(called: Mapping[str, str], means: Mapping[str, Mapping[str, str]], *, schema: LabelSchema) -> None:
    """Refuses keys and values that are none. Raises StoreError TRI710."""
    labels = label_keys(schema)
    for keys, known in ((called, (PATH, WHO, REASON, CERTAINTY, *labels)), (means, labels)):
        for key in keys:
            if key not in known:
                near = nearest(key, known)
                do = f"Did you mean '{near}'?" if near else f"Known: {', '.join(known)}."
                raise error("TRI710", f"there is no '{key}' to map", where="--map", do=do)
    for key, table in means.items():
        for word, value in table.items():
            try:
                meaning(key, value, names=Names(schema, is_numbered=True))
            except UnclearError as problem:
                raise error("TRI710", str(problem), where=f"--map {key}:{word}") from None
