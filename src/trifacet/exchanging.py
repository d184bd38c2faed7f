"""Rulings to and from other tools' files, the known corrections, and stores put back from their backups."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trifacet.clean.exchange.cvat import annotated
from trifacet.clean.exchange.fiftyone import dataset_metadata, samples
from trifacet.clean.exchange.forms import (
    AUTO,
    CLASSES,
    CSV,
    CVAT,
    FIFTYONE,
    LABEL_STUDIO,
    file_of,
    form_of,
    read_form,
)
from trifacet.clean.exchange.known import Known, known_corrections
from trifacet.clean.exchange.label_studio import LOCAL, labelling_config, tasks
from trifacet.clean.exchange.meaning import read_names
from trifacet.clean.exchange.rulings import Author, Ruled, rulings_of
from trifacet.clean.exchange.said import Names, Problem
from trifacet.clean.exchange.sheets import Sheet, sheets_of
from trifacet.clean.restoring import restore as restore
from trifacet.clean.store import Store, open_store, standing
from trifacet.core.decisions import Decision, Source, check_new_decisions, read_decisions, replay, write_decisions
from trifacet.core.errors import count_text, error, pick
from trifacet.core.files import (
    atomic_folder,
    check_suffix,
    keep_inputs,
    sha256_file,
    sha256_json,
    write_json,
    write_text,
)
from trifacet.core.findings import read_findings
from trifacet.core.manifest import Manifest
from trifacet.core.schema import LabelSchema
from trifacet.core.tables import check_place
from trifacet.opening import Progress, open_data, quiet
from trifacet.ruling import decisions_of, is_store

BATCH = "import "  # what the stroke of imported rulings begins with


@dataclass(frozen=True)
class ImportAs:
    """How a foreign file is read. form: `auto` or one of FORMS. maps: as `--map` takes them.

    who, certainty, source: of rulings whose file does not tell; who "" is the file's name. is_confirming: rulings that
    agree with the given label are kept, too.
    """

    form: str = AUTO
    maps: Sequence[str] = ()
    who: str = ""
    certainty: str = ""
    source: Source = "human"
    is_confirming: bool = False


@dataclass(frozen=True)
class Imported:
    """What an import added, what of it was there already or left alone, and what is worth knowing.

    n_agreed: values that are the given labels. n_there: rulings that an earlier import added. n_own: rulings about
    things that their author has ruled on in the store by hand, which stand.
    """

    form: str
    decisions: tuple[Decision, ...]
    n_agreed: int
    n_there: int
    n_own: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ExportAs:
    """How rulings are written.

    is_all: photos that nobody ruled on, too. images: what Label Studio's addresses begin with, before the path below
    the photo root.
    """

    form: str = LABEL_STUDIO
    is_all: bool = False
    images: str = LOCAL


@dataclass(frozen=True)
class Exported:
    """How many photos and rulings were written, and the decisions that the form cannot say.

    n_differing: labels that reviewers see differently, which are not written but by Label Studio's form.
    """

    n_photos: int
    n_rulings: int
    unsaid: tuple[Decision, ...]
    n_differing: int


def import_rulings(
    file: Path, data: Manifest | Path, *, out: Path, how: ImportAs | None = None, progress: Progress = quiet
) -> Imported:
    """Rulings of another tool's file to a store, or to a new CSV; the file is taken whole or not at all.

    What is in the store already is not added again, and nothing takes the place of what its author ruled there by hand.

    Raises:
        StoreError: TRI702 to TRI704, TRI706, TRI708 to TRI710. ConfigError: TRI100, TRI104.
    """
    how, is_csv = how or ImportAs(), out.suffix.lower() == ".csv"
    if is_csv:
        check_new_decisions(out, file, data if isinstance(data, Path) else None)
    keep_inputs(out, file, data)
    source = file_of(file)
    form = form_of(source, how.form)
    manifest = open_data(data, progress=progress)
    names = read_names(how.maps, schema=manifest.schema, is_numbered=how.form == CLASSES)
    there = open_store(out).events() if not is_csv and out.exists() else []
    how = replace(how, form=form, who=how.who or source.name)
    found = _ruled(source, manifest, how=how, names=names, others=standing(there))
    _refuse(found.problems, where=source, out=out)
    stroke = BATCH + _fingerprint(source, how=how, names=names)
    told = [d.model_copy(update={"number": 0, "at": "", "batch": f"{stroke} {d.who}"}) for d in found.decisions]
    if is_csv:
        write_decisions(out, told)
        return Imported(form, tuple(told), found.n_agreed, 0, 0, found.notes)
    store = open_store(out, about={"schema": manifest.schema.fingerprint})
    added, n_there, n_own = _added(store, told, stroke=stroke)
    return Imported(form, tuple(added), found.n_agreed, n_there, n_own, found.notes)


def _fingerprint(source: Path, *, how: ImportAs, names: Names) -> str:
    """12 hex digits of a file and of how it is read: the same import has the same."""
    wishes = [how.form, how.who, how.certainty, how.source, how.is_confirming]
    maps = [dict(names.called), {key: dict(table) for key, table in names.means.items()}]
    return sha256_json([sha256_file(source), wishes, maps])[:12]


def _ruled(source: Path, manifest: Manifest, *, how: ImportAs, names: Names, others: Iterable[Decision]) -> Ruled:
    if how.form == CSV:
        return _of_csv(source, manifest, author=Author(how.who, how.certainty))
    told = read_form(source, how.form, names=names)
    author = Author(how.who, how.certainty, reason=f"imported from {source.name}", source=how.source)
    return rulings_of(told, manifest, names=names, author=author, is_confirming=how.is_confirming, others=others)


def _of_csv(source: Path, manifest: Manifest, *, author: Author) -> Ruled:
    """Decisions as they stand in a CSV; of one with events taken back those that are left."""
    told = read_decisions(source)
    told = standing(told) if any(d.undo_of for d in told) else told
    made = [
        d.model_copy(update={"who": d.who or author.who, "certainty": d.certainty or author.certainty}) for d in told
    ]
    problems = []
    for who in dict.fromkeys(d.who for d in made):  # each author's by themselves: others may say otherwise
        refused = replay(manifest, [d for d in made if d.who == who]).refused
        problems += [Problem(f"{r.decision.attribute} of {who}", r.decision.subject, r.why) for r in refused]
    return Ruled(tuple(made), problems=tuple(problems))


def _refuse(problems: Sequence[Problem], *, where: Path, out: Path) -> None:
    """Refuses a file that is partly wrong; all that is wrong goes to a CSV beside `out`. Raises StoreError TRI709."""
    if not problems:
        return
    rest = out.with_suffix(".problems.csv")
    check_place(rest, ".csv", kind="problems")
    text = io.StringIO()
    rows = [(p.place, p.path, p.why) for p in problems]
    csv.writer(text, lineterminator="\n").writerows([("place", "photo", "problem"), *rows])
    write_text(rest, text.getvalue())
    first = "; ".join(": ".join(filter(None, row)) for row in rows[:5])
    do = f"Nothing was imported. Correct them, or say what they mean with --map; all of them stand in {rest}."
    what = f"{count_text(len(rows), 'thing')} in it cannot be imported"
    raise error("TRI709", what, where=where, got=first, do=do)


def _added(store: Store, told: Sequence[Decision], *, stroke: str) -> tuple[list[Decision], int, int]:
    """What is new to the store, added at one stroke; how many were there; how many their author ruled on by hand.

    The same import adds nothing a second time, whatever happened between.
    """
    about: dict[tuple[str, str, str], list[Decision]] = {}
    events = store.events()
    if any(event.batch.startswith(stroke) for event in events):
        return [], len(told), 0
    for event in events:
        about.setdefault((event.subject, event.attribute, event.who), []).append(event)
    new, n_there, n_own = [], 0, 0
    for one in told:
        before = about.get((one.subject, one.attribute, one.who), [])
        if before and before[-1].new == one.new:
            n_there += 1
        elif any(not event.batch.startswith(BATCH) for event in before):
            n_own += 1
        else:
            new.append(one)
    if new:
        store.add(new)
    return new, n_there, n_own


def export_form(
    rulings: Path,
    data: Manifest | Path,
    *,
    out: Path,
    how: ExportAs | None = None,
    findings: Path | None = None,
    progress: Progress = quiet,
) -> Exported:
    """Writes rulings (a store or a CSV) in another tool's form: a file for Label Studio or CVAT, a folder for FiftyOne.

    Label Studio is told what each reviewer says, the others what counts. Beside Label Studio's tasks stands the
    labelling interface that they need.

    Raises:
        StoreError: TRI700, TRI702 to TRI704. ConfigError: TRI100, TRI104. RunError: TRI402.
    """
    how = how or ExportAs()
    pick(dict.fromkeys((LABEL_STUDIO, FIFTYONE, CVAT)), how.form, what="form")
    _check_new(out, how.form)
    manifest = open_data(data, progress=progress)
    each = standing(open_store(rulings).events()) if how.form == LABEL_STUDIO and is_store(rulings) else None
    told, differing = decisions_of(rulings) if each is None else (each, ())
    seen = read_findings(findings, photo_ids=manifest.photo_ids) if findings else None
    made = sheets_of(manifest, told, findings=seen, is_all=how.is_all)
    _write(made.sheets, manifest.schema, out=out, how=how)
    n_rulings = sum(len(sheet.rulings) for sheet in made.sheets)
    return Exported(len(made.sheets), n_rulings, made.unsaid, len(differing))


def _config_path(out: Path) -> Path:
    return out.with_suffix(".config.xml")


def _check_new(out: Path, form: str) -> None:
    """Refuses a place where something is, or that ends otherwise. Raises ConfigError TRI104."""
    if form == FIFTYONE:
        return  # the folder refuses by itself
    check_suffix(out, {LABEL_STUDIO: ".json", CVAT: ".xml"}[form], what="the file")
    for there in (out, *([_config_path(out)] if form == LABEL_STUDIO else ())):
        if there.exists():
            raise error("TRI104", "something is there already", where="--out", got=f"'{there}'", do="Name a new file.")


def _write(sheets: Sequence[Sheet], schema: LabelSchema, *, out: Path, how: ExportAs) -> None:
    if how.form == LABEL_STUDIO:
        write_text(out, _listed(tasks(sheets, schema, prefix=how.images)) + "\n")
        write_text(_config_path(out), labelling_config(schema))
    elif how.form == CVAT:
        write_text(out, annotated(sheets, schema, name=out.stem))
    else:
        with atomic_folder(out) as folder:
            write_json(folder / "metadata.json", dataset_metadata(out.name, schema))
            write_text(folder / "samples.json", f'{{"samples": {_listed(samples(sheets, schema))}}}\n')


def _listed(items: Sequence[Any]) -> str:
    """A JSON list, an item a line."""
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items) + "\n]"


def write_known(data: Manifest | Path, out: Path, *, certainty: str, progress: Progress = quiet) -> Known:
    """Writes the known corrections of the original dataset that are about this data, as a CSV for `apply`.

    Raises:
        StoreError: TRI712. ConfigError: TRI100, TRI104.
    """
    check_new_decisions(out, data if isinstance(data, Path) else None)
    found = known_corrections(open_data(data, progress=progress), certainty=certainty)
    write_decisions(out, found.decisions)
    return found
