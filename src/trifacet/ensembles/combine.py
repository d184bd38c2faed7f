"""Predictions of parts of the task to predictions of the whole: mask, gender and age from one file each, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trifacet.core.errors import error
from trifacet.core.manifest import merged_stamps
from trifacet.core.predictions import DecisionRule, Predictions
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.ensembles.pool import aligned, answered, first_errors, pooled


def combine(tables: Mapping[str, Predictions]) -> Predictions:
    """Predictions by name to one: the mean of those of the same attributes, then the product over the others.

    Attributes stand in the order mask, gender, age where they are these, else in the order they come. The rules of
    parts that one file alone answers are kept; where several do, the most probable class decides.

    Raises:
        ConfigError: TRI104, fewer than two. PredictionsError: TRI301 same attributes of other classes, TRI340 other
            photos, TRI341 an attribute that two parts answer, or years that differ.
    """
    if len(tables) < 2:
        raise error("TRI104", "two predictions or more are needed", got=f"{len(tables)}")
    groups: dict[frozenset[str], dict[str, Predictions]] = {}
    for name, table in tables.items():
        groups.setdefault(frozenset(table.schema.names), {})[name] = table
    _require_apart(groups)
    parts = {next(iter(group)): _mean(group) for group in groups.values()}
    made = next(iter(parts.values())) if len(parts) == 1 else _product(parts)
    runs = [table.made_by.get("run", name) for name, table in tables.items()]
    hashes = [what for table in tables.values() for key, what in table.made_by.items() if key.startswith("weights")]
    about = {"run": " + ".join(runs), **{f"weights_{i}": what for i, what in enumerate(hashes)}}
    return replace(made, made_by=about)


def _require_apart(groups: Mapping[frozenset[str], Mapping[str, Predictions]]) -> None:
    seen: dict[str, str] = {}
    for names, group in groups.items():
        where = next(iter(group))
        for name in sorted(names):
            if name in seen:
                raise error("TRI341", f"'{name}' is answered by two parts", where=where, got=f"also by {seen[name]}")
            seen[name] = where


def _mean(group: Mapping[str, Predictions]) -> Predictions:
    if len(group) == 1:
        return next(iter(group.values()))
    made = answered(pooled(group), np.full(len(group), 1 / len(group)))
    rules = [table.decision for table in group.values() if table.decision is not None]
    priors = rules[0].priors if rules else {}
    return made.with_decision(DecisionRule(label_schema=made.schema, priors=priors))


def _product(parts: Mapping[str, Predictions]) -> Predictions:
    tables = aligned(parts)
    schema, joint = _whole([table.schema for table in tables]), np.ones(1)
    for table in tables:
        own = table.schema.names
        axes = [own.index(name) + 1 for name in schema.names if name in own]
        sizes = [size if name in own else 1 for name, size in zip(schema.names, schema.sizes, strict=True)]
        cube = table.probs.reshape(len(table), *table.schema.sizes).transpose(0, *axes)
        joint = joint * cube.reshape(len(table), *sizes)
    errors = first_errors(tables)
    probs = joint.reshape(len(errors), -1).astype(np.float32)
    probs[[e is not None for e in errors]] = np.nan
    rules = [table.decision for table in tables if table.decision is not None]
    return Predictions(
        ids=tables[0].ids,
        probs=probs,
        age_probs=next((table.age_probs for table in tables if table.schema.age is not None), None),
        errors=errors,
        schema=schema,
        decision=_merged(rules, schema),
        stamps=merged_stamps(*(table.stamps for table in tables)),
    )


def _whole(schemas: Sequence[LabelSchema]) -> LabelSchema:
    attributes = [attribute for schema in schemas for attribute in schema.attributes]
    usual = DEFAULT_SCHEMA.names
    if {a.name for a in attributes} <= set(usual):
        attributes.sort(key=lambda a: usual.index(a.name))
    years = next((schema.years for schema in schemas if schema.age is not None), schemas[0].years)
    return LabelSchema(attributes=tuple(attributes), years=years)


def _merged(rules: Sequence[DecisionRule], schema: LabelSchema) -> DecisionRule:
    """The parts' rules as one: each speaks of its own attributes alone."""

    def union(name: str) -> dict[str, Any]:
        return {key: value for rule in rules for key, value in getattr(rule, name).items()}

    fitted = [rule for rule in rules if rule.n_photos]
    return DecisionRule(
        label_schema=schema,
        temperature=union("temperature"),
        tau=union("tau"),
        priors=union("priors"),
        bias=union("bias"),
        fitted_on=" + ".join(dict.fromkeys(rule.fitted_on for rule in fitted)) or "nothing",
        n_photos=min((rule.n_photos for rule in fitted), default=0),
    )
