"""Mistakes put into labels that are taken to be right, as annotators make them: what finding them is measured on.

A mistake is about what a person would rule on: gender and age of a person or of a photo, the mask of a photo. Each kind
puts its mistakes into every attribute at once, in places of their own.

Source: Northcutt, Jiang and Chuang 2021 (class-conditional noise); Xia et al. 2020 (instance-dependent noise).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions
from trifacet.core.schema import MISSING, FloatArray, IntArray
from trifacet.measure.people import OF_A_PERSON

Bools = npt.NDArray[np.bool_]

GROSS_YEARS = 20  # a gross mistake about an age is at least so far away
CARELESS = 0.5  # share of wrong labels among those of a careless annotator
SWAPPED = ("incorrect", "not_worn")  # the mask classes that are mistaken for each other


@dataclass(frozen=True)
class Mistaken:
    """A manifest with mistakes, and where: of each attribute, (N,) whether a photo's label differs from the true one.

    off_years: (N,) whether the age in years was moved, which may leave it in its class.
    """

    manifest: Manifest
    wrong: Mapping[str, Bools]
    off_years: Bools


@dataclass(frozen=True)
class Facts:
    """What mistakes are made from: (N, attributes) class ids, (N,) years, (N,) the number of each photo's person.

    doubt: (N,) of each attribute, one less the probability that a model gives the true class; other: (N,) the likeliest
    other class. Both are for mistakes that are likelier where a photo is hard.
    """

    manifest: Manifest
    classes: IntArray
    years: FloatArray
    person: IntArray
    doubt: Mapping[str, FloatArray]
    other: Mapping[str, IntArray]


def facts_of(manifest: Manifest, told: Predictions | None = None) -> Facts:
    """The facts of a labelled manifest; told: answers about these photos by models that did not see their people."""
    classes, doubt, other = manifest.classes, {}, {}
    if (classes == MISSING).any():
        raise ValueError("every photo needs every label")
    for i, name in enumerate(manifest.schema.names if told is not None else ()):
        probs = np.array(told.marginals[name], dtype=float) if told is not None else np.empty((0, 0))
        rows = np.arange(len(probs))
        doubt[name] = 1 - probs[rows, classes[:, i]]
        probs[rows, classes[:, i]] = -1
        other[name] = probs.argmax(axis=1)
    person = np.unique(np.asarray(manifest.groups, dtype=object), return_inverse=True)[1].astype(np.int64)
    return Facts(manifest, classes, np.asarray(manifest.ages, dtype=float), person, doubt, other)


Kind = Callable[[Facts, float, np.random.Generator], tuple[IntArray, FloatArray]]  # -> classes and years with mistakes


def symmetric(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Photos at random get any other class."""
    classes, years = facts.classes.copy(), facts.years.copy()
    for i, attribute in enumerate(facts.manifest.schema.attributes):
        rows = _some(len(classes), rate, rng=rng)
        step = rng.integers(1, len(attribute.classes), len(rows))
        classes[rows, i] = (classes[rows, i] + step) % len(attribute.classes)
        _age(facts, years, rows, classes[rows, i], rng=rng) if attribute.edges else None
    return classes, years


def class_pair(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Photos at random get the class that theirs is mistaken for: the next one in order, a mask its neighbour."""
    classes, years = facts.classes.copy(), facts.years.copy()
    for i, attribute in enumerate(facts.manifest.schema.attributes):
        rows = _some(len(classes), rate, rng=rng)
        classes[rows, i] = _neighbour(classes[rows, i], len(attribute.classes), rng=rng)
        _age(facts, years, rows, classes[rows, i], rng=rng) if attribute.edges else None
    return classes, years


def person(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """People at random get another gender and, other people, a grossly wrong age; of people's masks two are swapped.

    The rate of masks is one of photos.
    """
    classes, years = facts.classes.copy(), facts.years.copy()
    n_people = int(facts.person.max()) + 1
    for i, attribute in enumerate(facts.manifest.schema.attributes):
        if attribute.name not in OF_A_PERSON:
            _swap(facts, classes, column=i, n_photos=round(rate * len(classes)), rng=rng)
            continue
        for who in _some(n_people, rate, rng=rng).tolist():
            rows = np.flatnonzero(facts.person == who)
            if attribute.edges:
                years[rows] = _gross(facts, float(years[rows[0]]), rng=rng)
                classes[rows, i] = attribute.band(years[rows])
            else:
                classes[rows, i] = (classes[rows, i] + rng.integers(1, len(attribute.classes))) % len(attribute.classes)
    return classes, years


def neighbour(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """People at random get an age of a neighbouring class, within GROSS_YEARS of their own; nothing else is wrong."""
    classes, years = facts.classes.copy(), facts.years.copy()
    age = facts.manifest.schema.age
    if age is None:
        return classes, years
    column, grid = facts.manifest.schema.names.index(age.name), facts.manifest.schema.year_grid
    near = {who: years[facts.person == who][0] for who in range(int(facts.person.max()) + 1)}
    may = [
        (who, grid[(np.abs(grid - own) < GROSS_YEARS) & (np.abs(age.band(grid) - age.band(own)) == 1)])
        for who, own in near.items()
    ]
    may = [(who, choices) for who, choices in may if len(choices)]
    for k in rng.permutation(len(may))[: round(rate * len(near))].tolist():
        rows = np.flatnonzero(facts.person == may[k][0])
        years[rows] = rng.choice(may[k][1])
        classes[rows, column] = age.band(years[rows])
    return classes, years


def instance(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Hard photos, and people whose photos are hard, get the class that a model takes them for, if not theirs."""
    classes, years = facts.classes.copy(), facts.years.copy()
    for i, attribute in enumerate(facts.manifest.schema.attributes):
        unit = facts.person if attribute.name in OF_A_PERSON else np.arange(len(classes))
        size = np.bincount(unit)
        weight = np.maximum(np.bincount(unit, weights=facts.doubt[attribute.name]) / size, 0)
        chosen = rng.choice(len(size), round(rate * len(size)), replace=False, p=weight / weight.sum())
        votes = np.zeros((len(size), len(attribute.classes)))
        np.add.at(votes, (unit, facts.other[attribute.name]), 1)
        rows = np.flatnonzero(np.isin(unit, chosen))
        classes[rows, i] = votes.argmax(axis=1)[unit[rows]]
        _age(facts, years, rows, classes[rows, i], rng=rng) if attribute.edges else None
    return classes, years


def careless(facts: Facts, rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """A part of the people went to an annotator who gives half of them another class, as classes are frequent."""
    classes, years = facts.classes.copy(), facts.years.copy()
    theirs = _some(int(facts.person.max()) + 1, rate / CARELESS, rng=rng)
    for i, attribute in enumerate(facts.manifest.schema.attributes):
        unit = facts.person if attribute.name in OF_A_PERSON else np.arange(len(classes))
        units = np.unique(unit[np.isin(facts.person, theirs)])
        share = np.bincount(classes[:, i], minlength=len(attribute.classes)) / len(classes)
        for one in rng.permutation(units)[: round(CARELESS * len(units))].tolist():
            rows = np.flatnonzero(unit == one)
            left = share * (np.arange(len(share)) != classes[rows[0], i])
            classes[rows, i] = rng.choice(len(share), p=left / left.sum())
            _age(facts, years, rows, classes[rows, i], rng=rng) if attribute.edges else None
    return classes, years


KINDS: dict[str, Kind] = {
    "symmetric": symmetric,
    "class_pair": class_pair,
    "person": person,
    "neighbour": neighbour,
    "instance": instance,
    "careless": careless,
}


def put_mistakes(facts: Facts, kind: str, *, rate: float, seed: int) -> Mistaken:
    """The manifest with mistakes of one of KINDS in a share `rate` of what each attribute's labels are about."""
    classes, years = KINDS[kind](facts, rate, np.random.default_rng([seed, 3 + list(KINDS).index(kind)]))
    return mistaken(facts, classes, years)


def together(facts: Facts, kinds: Mapping[str, tuple[str, float]], *, seed: int) -> Mistaken:
    """The manifest with mistakes of a kind and rate of its own in each attribute."""
    classes, years, names = facts.classes.copy(), facts.years.copy(), facts.manifest.schema.names
    for name, (kind, rate) in kinds.items():
        made = put_mistakes(facts, kind, rate=rate, seed=seed).manifest
        classes[:, names.index(name)] = made.classes[:, names.index(name)]
        if facts.manifest.schema.attribute(name).edges:
            years = np.asarray(made.ages, dtype=float)
    return mistaken(facts, classes, years)


def mistaken(facts: Facts, classes: IntArray, years: FloatArray) -> Mistaken:
    """The manifest with these labels in place of its own."""
    manifest = facts.manifest
    names = [pl.Series(a.name, [a.classes[c] for c in classes[:, i]]) for i, a in enumerate(manifest.schema.attributes)]
    ages = pl.Series("age_years", years, dtype=manifest.table.schema["age_years"])
    wrong = {a.name: classes[:, i] != facts.classes[:, i] for i, a in enumerate(manifest.schema.attributes)}
    table = manifest.table.with_columns(*names, ages)
    return Mistaken(replace(manifest, table=table), wrong, ~np.isclose(years, facts.years, equal_nan=True))


def _some(n: int, rate: float, *, rng: np.random.Generator) -> IntArray:
    """A share of n, at random."""
    return rng.permutation(n)[: round(rate * n)].astype(np.int64)


def _neighbour(classes: IntArray, n_classes: int, *, rng: np.random.Generator) -> IntArray:
    """One class up or down, whichever there is."""
    step = np.where(rng.random(len(classes)) < 0.5, -1, 1)
    step = np.where(classes == 0, 1, np.where(classes == n_classes - 1, -1, step))
    return classes + step


def _age(facts: Facts, years: FloatArray, rows: IntArray, bands: IntArray, *, rng: np.random.Generator) -> None:
    """Gives rows the age of somebody who truly is of the band that they got."""
    column = facts.manifest.schema.names.index(facts.manifest.schema.age.name) if facts.manifest.schema.age else 0
    for band in np.unique(bands).tolist():
        own = facts.years[facts.classes[:, column] == band]
        chosen = rows[bands == band]
        # One age a person, where whole people were chosen.
        ages = {who: rng.choice(own) for who in np.unique(facts.person[chosen]).tolist()}
        years[chosen] = [ages[who] for who in facts.person[chosen].tolist()]


def _gross(facts: Facts, own: float, *, rng: np.random.Generator) -> float:
    """An age, any of those at least GROSS_YEARS away with the same chance."""
    known = facts.years[np.isfinite(facts.years)]
    grid = np.arange(known.min(), known.max() + 1)
    return float(rng.choice(grid[np.abs(grid - own) >= GROSS_YEARS]))


def _swap(facts: Facts, classes: IntArray, *, column: int, n_photos: int, rng: np.random.Generator) -> None:
    """Exchanges the classes of two photos, one of each of SWAPPED, of people at random: of about n_photos in all."""
    one, two = (facts.manifest.schema.attributes[column].classes.index(name) for name in SWAPPED)
    done = 0
    for who in rng.permutation(int(facts.person.max()) + 1).tolist():
        if done >= n_photos - 1:
            return
        rows = np.flatnonzero(facts.person == who)
        first, second = rows[facts.classes[rows, column] == one], rows[facts.classes[rows, column] == two]
        if len(first) and len(second):
            classes[first[0], column], classes[second[0], column] = two, one
            done += 2
