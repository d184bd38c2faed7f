"""Texts of a table or of folder names -> classes of the schema and ages in years. Nothing is guessed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from trifacet.core.errors import error, nearest, pick
from trifacet.core.schema import Attribute, LabelSchema
from trifacet.data.sources.entries import BadLabel, Reading

JOINT = "class"  # the key of a column that holds joint names (or joint ids, when told that they are the schema's)


class _Unclear(Exception):
    """A text that is no label, with the fields of a BadLabel that do not depend on its place."""

    def __init__(self, reason: str, *, is_mappable: bool = True, near: str = "", do: str = "") -> None:
        super().__init__(reason)
        self.reason, self.is_mappable, self.near, self.do = reason, is_mappable, near, do


@dataclass(frozen=True)
class _Meaning:
    """What one text says: class name per attribute, and the age in years."""

    classes: Mapping[str, str | None]
    years: float | None = None


def age_key(schema: LabelSchema) -> str:
    """The key under which a source gives ages: the age attribute's name, or `age` where the schema has none."""
    return schema.age.name if schema.age else "age"


def label_keys(schema: LabelSchema) -> tuple[str, ...]:
    """What a source can say about a photo's labels: the attributes, the age and the joint class."""
    return tuple(dict.fromkeys((*schema.names, age_key(schema), JOINT)))


def check_value_maps(reading: Reading) -> None:
    """Refuses maps of values that name what the schema does not have. Raises ConfigError TRI100."""
    known = dict.fromkeys(label_keys(reading.schema))
    for key, table in reading.values.items():
        pick(known, key, what="attribute", where="--map-values")
        for text, target in table.items():
            try:
                _meaning(key, target, schema=reading.schema, is_ans_truth=False)
            except _Unclear as problem:
                what = f"{key} '{target}' {problem.reason}"
                raise error("TRI104", what, where=f"--map-values {key}:{text}", do="Map to a class.") from None


def read_labels(
    cells: Mapping[str, Sequence[str | None]], paths: Sequence[str], *, where: Callable[[int], str], reading: Reading
) -> tuple[pl.DataFrame, list[BadLabel]]:
    """Columns age_years and one per attribute (null where not known), a row per cell, and the labels that are bad.

    `cells` maps label_keys() to texts, None or "" for not known; `where(i)` names the place of row i.
    """
    schema = reading.schema
    columns: dict[str, list[str | None]] = {name: [None] * len(paths) for name in schema.names}
    years: list[float | None] = [None] * len(paths)
    bad: list[tuple[int, BadLabel]] = []
    for key in (JOINT, *(k for k in cells if k != JOINT)):  # an attribute's own column has the last word
        texts = cells.get(key)
        if texts is None:
            continue
        meanings = _meanings(key, texts, reading=reading)
        for i, text in enumerate(texts):
            meaning = meanings[_clean(text)]
            if isinstance(meaning, _Unclear):
                bad.append((i, BadLabel(paths[i], where(i), key, _clean(text), **vars(meaning))))
                continue
            for name, value in meaning.classes.items():
                columns[name][i] = value
            years[i] = meaning.years if meaning.years is not None else years[i]
    series = [pl.Series("age_years", years, dtype=pl.Float32)]
    series += [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]
    return pl.DataFrame(series), [b for _, b in sorted(bad, key=lambda one: one[0])]


def _clean(text: str | None) -> str:
    return (text or "").strip()


def _meanings(key: str, texts: Sequence[str | None], *, reading: Reading) -> dict[str, _Meaning | _Unclear]:
    """What each distinct text of one column means: there are few, so each is read once."""
    table = {_clean(text): value for text, value in reading.values.get(key, {}).items()}
    distinct = {_clean(text) for text in texts}
    found: dict[str, _Meaning | _Unclear] = {}
    for text in distinct:
        try:
            found[text] = _meaning(key, table.get(text, text), schema=reading.schema, is_ans_truth=reading.is_ans_truth)
        except _Unclear as problem:
            found[text] = problem
    age = reading.schema.age
    if age and key == age.name and not table:
        ids = {str(i) for i in range(len(age.classes))}
        if (said := distinct - {""}) and said <= {*ids, *(f"{i}.0" for i in ids)}:
            found.update(dict.fromkeys(said, _Unclear("is the number of a class, as all in this column, not of years")))
    return found


def _meaning(key: str, text: str, *, schema: LabelSchema, is_ans_truth: bool) -> _Meaning:
    if key == JOINT:
        return _Meaning(_joint(text, schema, is_ans_truth=is_ans_truth))
    if key == age_key(schema):
        return _age(text, schema)
    return _Meaning({key: _class_of(text, schema.attribute(key))})


def _class_of(text: str, attribute: Attribute) -> str | None:
    """The class that a text names, in whatever case; None for "". Raises _Unclear."""
    by_name = {name.lower(): name for name in attribute.classes}
    if {"male", "female"} <= by_name.keys():
        by_name = {"m": by_name["male"], "f": by_name["female"]} | by_name
    if not text or text.lower() in by_name:
        return by_name.get(text.lower())
    if _number(text) is not None:
        raise _Unclear(f"is a number, and orders of classes differ: not one of {', '.join(attribute.classes)}")
    near = nearest(text.lower(), [name.lower() for name in attribute.classes])
    raise _Unclear(f"is not one of {', '.join(attribute.classes)}", near=by_name[near] if near else "")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _age(text: str, schema: LabelSchema) -> _Meaning:
    age = schema.age
    if not text:
        return _Meaning({age.name: None} if age else {})
    years = _number(text)
    if years is None:
        by_name = {name.lower(): name for name in age.classes} if age else {}
        if age and text.lower() in by_name:
            return _Meaning({age.name: by_name[text.lower()]})
        known = f"a number of years{', nor one of ' + ', '.join(age.classes) if age else ''}"
        raise _Unclear(f"is not {known}", do="Write ages as numbers, such as 20 or 20.5.")
    years = float(np.float32(years))  # as the manifest stores it, so that class and age agree at the edge
    first, last = schema.years
    if not first <= years < last + 1:
        do = "Correct the age, or widen the schema's years."
        raise _Unclear(f"lies outside {first}..{last} years", is_mappable=False, do=do)
    return _Meaning({age.name: age.classes[int(age.band([years])[0])]} if age else {}, years)


def _joint(text: str, schema: LabelSchema, *, is_ans_truth: bool) -> Mapping[str, str | None]:
    if not text:
        return dict.fromkeys(schema.names)
    row = joint_names(schema).get(text.lower())
    if row is not None:
        return row
    number = _number(text)
    if number is None:
        near = nearest(text.lower(), list(joint_names(schema))) or ""
        raise _Unclear(f"is no class of the schema, such as {schema.joint_names[0]}", near=near)
    if not is_ans_truth:
        do = "If they are this schema's joint ids, say --truth-in-ans."
        raise _Unclear("is a number, and orders of classes differ", do=do)
    if number != int(number) or not 0 <= number < schema.n_joint:
        do = "Correct it, or give the schema that the numbers were made for."
        raise _Unclear(f"lies outside 0..{schema.n_joint - 1}", is_mappable=False, do=do)
    return row_of(schema, int(number))


def row_of(schema: LabelSchema, joint: int) -> dict[str, str | None]:
    """Class name per attribute of one joint id."""
    ids = schema.decode([joint])[0]
    return {a.name: a.classes[i] for a, i in zip(schema.attributes, ids, strict=True)}


def joint_names(schema: LabelSchema) -> dict[str, dict[str, str | None]]:
    """Lower-case joint names, written with `/` or with `_`, -> class name per attribute."""
    named = {}
    for joint, name in enumerate(schema.joint_names):
        named[name.lower()] = named[name.lower().replace("/", "_")] = row_of(schema, joint)
    return named
