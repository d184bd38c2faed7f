"""What a foreign file says of photos, before anybody knows which photos it means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trifacet.core.decisions import USE, YEARS, Source
from trifacet.core.errors import error, nearest
from trifacet.core.schema import LabelSchema

CLASS = "class"  # the key of a text that names a joint class, or numbers it
PATH, WHO, REASON, CERTAINTY = "path", "who", "reason", "certainty"
NOTHING = "none"  # the word for no value, in forms that cannot leave one empty


@dataclass(frozen=True)
class Said:
    """One text about one photo. key: an attribute, `age_years`, `use` or `class`. place: where it stands, for people.

    path: the photo as the file names it; "" for who, reason and certainty where the file does not tell.
    """

    place: str
    path: str
    key: str
    text: str
    who: str = ""
    reason: str = ""
    certainty: str = ""
    source: Source | None = None


@dataclass(frozen=True)
class Problem:
    """What of a file cannot be imported: where it stands, the photo as the file names it, and why."""

    place: str
    path: str
    why: str


@dataclass(frozen=True)
class Told:
    """All that a file says, the parts of it that cannot be read, and what was passed over."""

    said: tuple[Said, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """What a file calls things: `called` our key -> its name, `means` key -> its word -> our value.

    is_numbered: numbers in `class` are the schema's joint ids (else they are refused: orders of classes differ).
    """

    schema: LabelSchema
    called: Mapping[str, str] = field(default_factory=dict)
    means: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_numbered: bool = False

    def of(self, key: str) -> str:
        """What the file calls this key: as it was told, else the key itself."""
        return self.called.get(key, key)

    def key(self, name: str) -> str:
        """The label that the file calls `name`; "" where it is none of ours."""
        return self._keys.get(name, "")

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {self.of(key): key for key in reversed(label_keys(self.schema))}


def label_keys(schema: LabelSchema) -> tuple[str, ...]:
    """What a file can say about a photo: the attributes, years, use, and the joint class."""
    return (*schema.names, YEARS, USE, CLASS)


def read_document(path: Path) -> Any:
    """What a JSON file holds. Raises StoreError TRI708."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:  # nested deeper than any tool writes: RecursionError
        raise error("TRI708", "cannot be read as JSON", where=path, got=str(problem)) from problem


def nothing_said(path: Path, names: Sequence[str], *, schema: LabelSchema) -> Exception:
    """The error for a file in which nothing is called as labels are here. TRI708."""
    near = next((hit for name in names if (hit := nearest(name, label_keys(schema)))), "")
    hint = f"--map {near or schema.names[0]}={names[0]}, say." if names else "Check that it is the file you meant."
    got = f"{', '.join(sorted(set(names))[:10])}" if names else "no labels at all"
    return error("TRI708", "nothing in it is called as the labels are here", where=path, got=got, do=hint)
