"""Rulings of people: read from a store or a CSV, and replayed onto a new manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from trifacet.clean.desk import Desk
from trifacet.clean.persons import several_values
from trifacet.clean.store import Outcome, open_store, outcome
from trifacet.clean.team import Agreement, agreements
from trifacet.core.decisions import (
    Decision,
    Refused,
    check_new_decisions,
    read_decisions,
    refuse,
    replay,
    write_decisions,
)
from trifacet.core.errors import error, first_few
from trifacet.core.files import sha256_file, sha256_json, write_text
from trifacet.core.findings import read_findings
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.core.tables import check_place
from trifacet.opening import Progress, open_data, quiet

_SQLITE = b"SQLite format 3\0"  # the first bytes of a store. Source: sqlite.org/fileformat2.html, 1.3.1


@dataclass(frozen=True)
class Applied:
    """What applying decisions made: the manifest, the changes (a table), and what was refused or is not agreed on.

    n_so_already: decisions that had been applied before. mixed: people who have several genders or ages since.
    """

    manifest: Manifest
    changes: pl.DataFrame
    refused: tuple[Refused, ...]
    disagreements: tuple[tuple[Decision, ...], ...]
    n_so_already: int = 0
    mixed: tuple[str, ...] = ()


def is_store(path: Path) -> bool:
    """Whether a file is a store, as its first bytes tell."""
    if not path.is_file():
        return False
    with path.open("rb") as content:
        return content.read(len(_SQLITE)) == _SQLITE


def decisions_of(path: Path) -> tuple[list[Decision], tuple[tuple[Decision, ...], ...]]:
    """What counts of the rulings at `path`, a store or a CSV, and what its reviewers see differently.

    Raises:
        StoreError: TRI702, TRI703, TRI704.
    """
    if not path.is_file():
        raise error("TRI702", "no such file", where=path, do="Check the path.")
    events = open_store(path).events() if is_store(path) else read_decisions(path)
    if not all(event.number for event in events):
        return events, ()  # a list that somebody wrote: one row after another
    found = outcome(events)  # of a CSV, too, that was exported: what was taken back or is not agreed on has no say
    return list(found.decisions), found.disagreements


def apply(
    data: Manifest | Path | str,
    decisions: Path | str,
    *,
    out: Path | str | None = None,
    skip: bool = False,
    progress: Progress = quiet,
) -> Applied:
    """Photos and what people ruled about them (a store, or a CSV) to a new manifest; beside it what changed, as CSV.

    skip: leave out decisions that do not fit, which are told; else one of them stops it all. Photos are never touched.

    Raises:
        StoreError: TRI701 to TRI704. ManifestError: TRI200, TRI201. ConfigError: TRI104.
    """
    data = data if isinstance(data, Manifest) else Path(data)
    rulings, out = Path(decisions), Path(out) if out else None
    if out is not None:
        check_place(out, ".parquet", kind="manifest", inputs=[data, rulings])
        check_place(changes_path(out), ".csv", kind="changes", inputs=[data, rulings])
    told, disagreements = decisions_of(rulings)
    made = replay(before := open_data(data, progress=progress), told)
    if not skip:
        refuse(made.refused, n_decisions=len(told), where=rulings)
    inputs = {"decisions": sha256_json([decision.model_dump() for decision in told])}
    if isinstance(data, Path) and data.is_file():
        inputs["data"] = sha256_file(data)
    manifest = replace(made.manifest, inputs=inputs)
    if out is not None:
        write_manifest(out, manifest)
        write_text(changes_path(out), made.changes.write_csv())
    since = several_values(manifest).keys() - several_values(before).keys()
    mixed = tuple(sorted({person for person, _ in since}))
    return Applied(manifest, made.changes, made.refused, disagreements, made.n_so_already, mixed)


def changes_path(manifest: Path) -> Path:
    """Where the table of what changed lies, beside the new manifest."""
    return manifest.with_suffix(".changes.csv")


def export_rulings(store: Path, out: Path, *, is_all: bool) -> Outcome:
    """Writes what counts of a store's rulings as CSV, or every event. Raises StoreError TRI702, TRI703; TRI104."""
    check_new_decisions(out, store)
    if not store.is_file():
        raise error("TRI703", "no such file", where=store)
    events = open_store(store).events()
    found = outcome(events)
    told = replace(found, decisions=tuple(events)) if is_all else found
    write_decisions(out, told.decisions)
    return told


def agreement(store: Path) -> list[Agreement]:
    """How the reviewers of a store agree, an attribute after another. Raises StoreError TRI703."""
    if not store.is_file():
        raise error("TRI703", "no such file", where=store)
    return agreements(open_store(store).events())


def back_up(store: Path, out: Path) -> None:
    """Copies a store to a new file. Raises StoreError TRI703; ConfigError TRI104."""
    if not store.is_file():
        raise error("TRI703", "no such file", where=store)
    open_store(store).back_up(out)


def require_review() -> None:
    """Refuses to serve where the extra [review] is absent. Raises MissingExtraError TRI600."""
    absent = [package for package in ("fastapi", "uvicorn") if find_spec(package) is None]
    if absent:
        do = "Install it with `pip install 'trifacet[review]'`; `trifacet doctor` shows what is there."
        raise error("TRI600", "this needs the extra [review]", got=f"no {', '.join(absent)}", do=do)


def open_desk(
    data: Path, rulings: Path, *, findings: Path | None, is_following_links: bool = False, progress: Progress = quiet
) -> Desk:
    """The desk of a dataset, its rulings in the store at `rulings`, made where none is there.

    is_following_links: show photos, too, that are links which leave their folder.

    Raises:
        ManifestError: TRI202, TRI203. StoreError: TRI700, TRI703, TRI704, TRI706, TRI713. MachineError: TRI901.
    """
    manifest = open_data(data, progress=progress)
    found = read_findings(findings, photo_ids=manifest.photo_ids) if findings else None
    store = open_store(rulings, about={"schema": manifest.schema.fingerprint})
    desk = Desk(manifest, store, findings=found, is_following_links=is_following_links)
    if desk.board.last and not desk.board.trail:
        got = f"rulings about {first_few([event.subject for event in store.events()], 2)}"
        raise error("TRI706", "none of its rulings is about these photos", where=rulings, got=got)
    return desk
