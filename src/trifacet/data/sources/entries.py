"""What a layout says about a folder of photos: the nouns that every layout hands to `ingest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from trifacet.core.catalogue import CATALOGUE
from trifacet.core.errors import ManifestError, error, first_few
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.pixels.scan import Found

REJECT_COLUMNS = ("source", "path", "status", "reason")
N_PASTED = 20  # texts of one attribute in an option that is proposed


@dataclass(frozen=True)
class Reading:
    """How labels are to be read.

    `columns` maps what is wanted (path, person, class, or an attribute such as age) to a table's column; `values` maps
    an attribute to {text in the source: class of the schema}, "" for not known. `photos` is the folder of the photos
    below the source (default: `images` where there is one). `is_ans_truth`: the numbers in `ans` or `class` are the
    schema's joint ids; off by default, because info.csv comes filled with 0.
    """

    schema: LabelSchema = DEFAULT_SCHEMA
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    photos: str = ""
    is_ans_truth: bool = False
    is_following_links: bool = False


@dataclass(frozen=True)
class Labelled:
    """One source, read but not scanned.

    `rows` has the columns path (below `root`, POSIX), person_id, age_years, one per attribute, label_source and x_NAME;
    its order is the manifest's. `missing` gives (path, reason) of label rows that cannot have a photo. `tables` are the
    files the labels came from.
    """

    layout: str
    root: Path
    found: tuple[Found, ...]
    rows: pl.DataFrame
    why_extra: str
    missing: tuple[tuple[str, str], ...] = ()
    tables: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class IngestError(ManifestError):
    """A folder that gives no manifest; `rejects` (source, path, status, reason) tells of every file and row."""

    def __init__(
        self, code: str, what: str, *, rejects: pl.DataFrame, where: str = "", got: str = "", do: str = ""
    ) -> None:
        super().__init__(code, what, where=where, got=got, do=do or CATALOGUE[code].remedy)
        self.rejects = rejects


@dataclass(frozen=True)
class BadLabel:
    """A text that is no label: its photo or folder, where it stands, what is said of it and what helps.

    `key` is what the text should say (an attribute or `class`); `reason` goes on after the text, as in "is not one of
    male, female". Where `is_mappable`, --map-values can give the text a meaning; `near` is what it looks like.
    """

    path: str
    where: str
    key: str
    text: str
    reason: str
    is_mappable: bool = True
    near: str = ""
    do: str = ""


def reject_rows(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    """A table of rejects from (source, path, status, reason)."""
    return pl.DataFrame(rows, schema=dict.fromkeys(REJECT_COLUMNS, pl.String), orient="row")


def refuse_bad_labels(bad: Sequence[BadLabel], *, where: Path) -> None:
    """Raises IngestError TRI224 when there is any bad label: each text once, with how often; its rejects hold all."""
    if not bad:
        return
    once = list({(b.where, b.key): b for b in reversed(bad)}.values())[::-1]  # a person's seven photos say it once
    count = "1 label cannot" if len(once) == 1 else f"{len(once):,} labels cannot"
    rejects = reject_rows([("", b.path, "bad_label", f"{b.where}: {b.key} '{b.text}' {b.reason}") for b in once])
    kinds: dict[tuple[str, str], list[BadLabel]] = {}
    for b in once:
        kinds.setdefault((b.key, b.reason), []).append(b)
    got = "; ".join(_told(alike) for alike in kinds.values())
    raise IngestError("TRI224", f"{count} be understood", rejects=rejects, where=str(where), got=got, do=_remedy(once))


def _told(alike: Sequence[BadLabel]) -> str:
    """Texts of one column with one fault: a lone one with its place, several with their counts."""
    first = alike[0]
    if len(alike) == 1:
        return f"{first.where}: {first.key} '{first.text}' {first.reason}"
    times = Counter(b.text for b in alike).most_common()
    texts = first_few([f"'{text}' ({'once' if n == 1 else f'{n:,} times'})" for text, n in times])
    return f"{first.key} {texts}, first in {first.where}: {first.reason.removeprefix('is ')}"


def _remedy(bad: Sequence[BadLabel]) -> str:
    texts: dict[str, list[str]] = {}
    for b in bad:
        if b.is_mappable and not set(",=") & set(b.text):  # these part the pairs of the option
            texts.setdefault(b.key, []).append(b.text)
    single = len({(b.key, b.text) for b in bad}) == 1
    parts = [f"Did you mean '{bad[0].near}'?"] if single and bad[0].near else []
    parts += dict.fromkeys(b.do for b in bad if b.do)
    if texts:
        how = "Correct it, or say what it means" if single else "Correct them, or say what they mean"
        parts.append(f"{how}: {map_options({key: [f'{text}=CLASS' for text in said] for key, said in texts.items()})}")
    return " ".join(parts)


def map_options(pairs: Mapping[str, Sequence[str]]) -> str:
    """The options that give texts a meaning, quoted for a shell: `--map-values 'mask:ok=CLASS,under nose=CLASS'`."""
    few = {key: ",".join(list(dict.fromkeys(said))[:N_PASTED]) for key, said in pairs.items()}
    quoted = ["'" + f"{key}:{said}".replace("'", "'\\''") + "'" for key, said in few.items()]
    return " ".join(f"--map-values {one}" for one in quoted)


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """{wanted: column} from texts such as `path=img_path,age=age`. Raises ConfigError TRI104."""
    return {wanted: column for text in texts for wanted, column in _pairs(text, where="--map")}


def parse_values(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """{attribute: {text: class}} from texts such as `mask:0=not_worn,1=incorrect`. Raises ConfigError TRI104."""
    table: dict[str, dict[str, str]] = {}
    for text in texts:
        key, colon, pairs = text.partition(":")
        if not colon:
            raise error("TRI104", "takes ATTRIBUTE:TEXT=CLASS,...", where="--map-values", got=f"'{text}'")
        table.setdefault(key.strip(), {}).update(_pairs(pairs, where=f"--map-values {key}"))
    return table


def _pairs(text: str, *, where: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise error("TRI104", "takes pairs NAME=VALUE, with commas between", where=where, got=f"'{text}'")
    return [(key.strip(), value.strip()) for key, _, value in pairs]
