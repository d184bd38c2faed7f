"""What no command may do: change a file that it was given, or a label that nobody ruled on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from trifacet.core.files import sha256_file, sha256_json
from trifacet.core.manifest import Manifest, read_manifest
from trifacet.core.tables import METADATA_KEY

Label = tuple[str, str]  # a photo's id and an attribute, `age_years` among them
Labels = dict[Label, str | float]


class Breach(AssertionError):
    """A file that was given, or a given label, is no longer what it was."""


def hashes_of(root: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its path."""
    return {p.relative_to(root).as_posix(): sha256_file(p) for p in sorted(root.rglob("*")) if p.is_file()}


def check_files(before: Mapping[str, str], root: Path) -> None:
    """Refuses a file below `root` that was changed, deleted or added."""
    after = hashes_of(root)
    if changed := sorted({*before.items()} ^ {*after.items()}):
        raise Breach(f"files that were given are not as they were: {', '.join(dict.fromkeys(n for n, _ in changed))}")


def given_labels(manifest: Manifest) -> Labels:
    """Every label that a photo has."""
    names = [*manifest.schema.names, "age_years"]
    rows = manifest.table.select("photo_id", *names).iter_rows()
    return {(photo, name): value for photo, *values in rows for name, value in zip(names, values, strict=True) if value}


def label_hash(labels: Labels, wanted: Iterable[Label]) -> str:
    """One hash of the labels that are wanted, "" where there is none of them."""
    return sha256_json([[*key, labels.get(key, "")] for key in sorted(wanted)])


def check_labels(given: Labels, made: Manifest, *, is_whole: bool) -> None:
    """Refuses a manifest in which a given label is another one or none.

    is_whole: whether each photo that had a label must be there; else those that are there count.
    """
    there = set(made.photo_ids)
    wanted = [key for key in given if is_whole or key[0] in there]
    found = given_labels(made)
    if label_hash(given, wanted) != label_hash(found, wanted):
        wrong = [
            f"{p} {a}: {given[p, a]} is {found.get((p, a), 'gone')}"
            for p, a in wanted
            if given[p, a] != found.get((p, a))
        ]
        raise Breach(f"{len(wrong)} labels changed that nobody ruled on: {'; '.join(wrong[:3])}")


def manifests_below(out: Path) -> dict[str, Manifest]:
    """Every manifest below a folder, by its path."""
    return {p.relative_to(out).as_posix(): read_manifest(p) for p in sorted(out.rglob("*.parquet")) if _is_manifest(p)}


def _is_manifest(path: Path) -> bool:
    return bool(json.loads(pl.read_parquet_metadata(path).get(METADATA_KEY, "{}")).get("kind") == "manifest")
