"""Names of folders -> what they say: whole names, or parts of them between `_`, `-`, spaces and `/`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trifacet.core.schema import LabelSchema
from trifacet.data.sources.entries import Reading
from trifacet.data.sources.labels import joint_names, row_of

Texts = Mapping[str, str | None]  # label key -> text

_SETS = {"images", "train", "training", "val", "valid", "validation", "test", "eval"}  # sets, not classes


@dataclass(frozen=True)
class Name:
    """What a folder's name says: a text per attribute, the parts that say nothing, and the attribute said twice.

    Neighbouring unknown parts are one run; `is_set`: the name is that of a set, such as `train`.
    """

    texts: Texts
    runs: tuple[tuple[str, ...], ...] = ()
    clash: str = ""
    is_set: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the name is made of classes alone."""
        return bool(self.texts) and not self.runs and not self.clash


@dataclass(frozen=True)
class _Word:
    """A part of a name: the attribute it tells of, the text to look up, and the class that this comes to."""

    key: str
    text: str
    meaning: str


@dataclass(frozen=True)
class Vocabulary:
    """What names may be made of: `whole` names, and `words` for their parts, both lower-case and with `_`."""

    whole: Mapping[str, Texts]
    words: Mapping[str, _Word]

    def read(self, name: str) -> Name:
        """What a name says, the longest known part first."""
        parts = _parts(name)
        if (said := self.whole.get(name.lower(), self.whole.get("_".join(parts)))) is not None:
            return Name(said)
        texts: dict[str, _Word] = {}
        runs: list[tuple[str, ...]] = []
        clash, at, is_run_open = "", 0, False
        while at < len(parts):
            end = next((e for e in range(len(parts), at, -1) if "_".join(parts[at:e]) in self.words), 0)
            if end:
                word = self.words["_".join(parts[at:end])]
                before = texts.get(word.key)
                if before is None or not before.meaning:
                    texts[word.key] = word
                elif word.meaning not in ("", before.meaning):
                    clash = word.key
            elif parts[at] not in _SETS:
                runs.append(((*runs.pop(), parts[at])) if is_run_open else (parts[at],))
            is_run_open = not end and parts[at] not in _SETS
            at = end or at + 1
        is_set = not texts and not runs
        return Name({key: word.text for key, word in texts.items()}, tuple(runs), clash, is_set)


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[_\-\s/]+", name.lower()) if part]


def vocabulary(reading: Reading, tops: set[str]) -> Vocabulary:
    """What the folders of a source may be called. `tops` are the folders on its top: numbers there may be joint ids.

    A class name that two attributes share says nothing by itself.
    """
    schema = reading.schema
    whole: dict[str, Texts] = dict(joint_names(schema))
    if is_numbered(tops, schema):
        whole |= {top: row_of(schema, int(top)) for top in tops}
    words: dict[str, _Word] = {}
    for attribute in schema.attributes:
        others = {c for a in schema.attributes if a is not attribute for c in a.classes}
        words |= {"_".join(_parts(c)): _Word(attribute.name, c, c) for c in attribute.classes if c not in others}
    for key, table in reading.values.items():
        whole |= {text.lower(): {key: text} for text in table}
        words |= {"_".join(_parts(text)): _Word(key, text, meaning) for text, meaning in table.items()}
    return Vocabulary(whole, words)


def is_numbered(tops: set[str], schema: LabelSchema) -> bool:
    """Whether every one of these folder names is a joint id of the schema."""
    return bool(tops) and all(t.isascii() and t.isdigit() and int(t) < schema.n_joint for t in tops)


def proposed_maps(names: Sequence[Name], schema: LabelSchema) -> dict[str, list[str]]:
    """Pairs `part=CLASS` per attribute that would make these names whole.

    Which attribute a part tells of follows from those that the name does not tell of, in the schema's order; where that
    does not settle it, other names vote, and else it is called ATTRIBUTE.
    """
    votes: dict[str, Counter[str]] = {}
    for name in names:
        open_keys = [key for key in schema.names if key not in name.texts]
        single = [part for run in name.runs for part in run]
        joined = ["_".join(run) for run in name.runs]
        fits = next((texts for texts in (single, joined) if len(texts) == len(open_keys)), None)
        if not open_keys:
            guesses = [(text, f"{schema.names[0]}:") for text in joined]  # a part that can only mean nothing
        elif fits:
            guesses = list(zip(fits, open_keys, strict=True))
        else:
            guesses = [(text, open_keys[0] if len(open_keys) == 1 else "") for text in joined]
        for text, key in guesses:
            votes.setdefault(text, Counter()).update([key] if key else [])
    pairs: dict[str, list[str]] = {}
    for text, keys in sorted(votes.items()):
        key = max(keys, key=lambda k: (keys[k], k)) if keys else "ATTRIBUTE"
        pairs.setdefault(key.rstrip(":"), []).append(f"{text}=" if key.endswith(":") else f"{text}=CLASS")
    return {key: pairs[key] for key in (*schema.names, "ATTRIBUTE") if key in pairs}
