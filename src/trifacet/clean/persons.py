"""What cannot be of one person: photos in several splits, several genders or ages."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import polars as pl

from trifacet.core.decisions import PERSON, YEARS
from trifacet.core.findings import Finding
from trifacet.core.manifest import Manifest
from trifacet.measure.people import OF_A_PERSON

# Share of the people up to which several values of one person are taken for mistakes. Where more have them (photos
# that were taken over years), they are counted and nobody is asked about them.
MOST_MIXED = 0.1


def divided(manifest: Manifest) -> list[Finding]:
    """People with photos in several splits, told of the first photo of each."""
    splits, first = defaultdict(set), dict[str, str]()
    rows = manifest.table.select("person_id", "photo_id", "split").iter_rows()
    for person, photo, split in rows:
        if person and split is not None:
            splits[person].add(split)
            first.setdefault(person, photo)
    return [
        Finding(first[person], "divided", 0.0, detail=f"person {person} in {', '.join(sorted(found))}")
        for person, found in splits.items()
        if len(found) > 1
    ]


def several_values(manifest: Manifest) -> dict[tuple[str, str], Counter[Any]]:
    """(person, attribute) -> how many photos have each value, where a person has several of what one has once."""
    names = [name for name in manifest.schema.names if name in OF_A_PERSON]
    age = manifest.schema.age
    if age is not None and manifest.table[YEARS].count():
        names = [YEARS if name == age.name else name for name in names]
    found = {}
    for name in names:
        known = manifest.table.select(PERSON, name).filter(pl.col(PERSON).fill_null("") != "").drop_nulls()
        several = known.filter(pl.col(name).n_unique().over(PERSON) > 1)
        for (person,), part in several.group_by(PERSON, maintain_order=True):
            found[str(person), name] = Counter(part[name].to_list())
    return found


def mixed(manifest: Manifest) -> list[Finding]:
    """People with several genders or ages, told of the first photo whose value the fewest of theirs have."""
    found, people = several_values(manifest), manifest.table[PERSON].n_unique()
    shares = Counter(name for _, name in found)
    made = []
    for (person, name), counts in found.items():
        (most, _), *_, (least, _) = counts.most_common()
        own = manifest.table.filter(pl.col(PERSON) == person)
        one, two = (own.filter(pl.col(name) == value)["photo_id"][0] for value in (least, most))
        values = [(f"{value:g}" if name == YEARS else value, n) for value, n in counts.most_common()]
        told = ", ".join(f"{value} in {n}" for value, n in values)
        is_issue = shares[name] <= MOST_MIXED * people or shares[name] == 1
        made.append(Finding(one, "mixed", 0.0, is_issue, name, two, f"{person} is {told} photos"))
    return made
