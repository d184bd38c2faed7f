"""Photos to findings: every file's status, copies, quality, faces, and labels that a model does not believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from trifacet.clean.against import OTHER, Seen, copies_across, shift_findings
from trifacet.clean.copies import copy_findings, same_bytes
from trifacet.clean.duplicates import Copies, find_copies
from trifacet.clean.mislabels import label_findings, require_cleanlab
from trifacet.clean.page import audit_page, shown_on_page
from trifacet.clean.persons import divided, mixed
from trifacet.clean.quality import face_findings, quality_findings
from trifacet.core.errors import error, first_few
from trifacet.core.files import atomic_folder, sha256_file, write_text
from trifacet.core.findings import Finding, Findings, findings_table, write_findings
from trifacet.core.folds import OWN_RULE
from trifacet.core.manifest import Manifest, merged_stamps, with_schema
from trifacet.core.predictions import Predictions, read_predictions
from trifacet.core.schema import MISSING, require_same_schema
from trifacet.data.archive import is_archive, unpacked
from trifacet.data.ingest import Source, ingest
from trifacet.data.sources.entries import IngestError
from trifacet.measure.shift import FEW_PEOPLE
from trifacet.opening import TRAINED_ON, Progress, open_data, quiet, telling
from trifacet.pages.contact import thumbnail_uri
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.looks import Looks, look

FINDINGS_NAME, TABLE_NAME, PAGE_NAME = "findings.parquet", "findings.csv", "index.html"


@dataclass(frozen=True)
class Audit:
    """What an audit found: the findings, the files by status of ingest, and what a person should know of it.

    Of a manifest its photos are counted, those that are used and those that were dropped: of them nothing is found.
    """

    findings: Findings
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    folder: Path

    def __repr__(self) -> str:
        return f"Audit({len(self.findings.issues):,} to look at, {len(self.findings):,} findings)"


def audit(
    data: Path | str,
    out: Path | str,
    *,
    other: Path | str | None = None,
    oof: Path | str | None = None,
    pictures: bool = True,
    progress: Progress = quiet,
) -> Audit:
    """A manifest or a folder of photos to findings, in a new folder: findings.parquet, the same as CSV, and a page.

    other: more data, such as the photos a model is tried on: copies between both and shifts are found, too.
    oof: predictions by models that saw none of the people they answer about; with them labels are doubted too. Nothing
    is changed: findings are for a person to rule on.

    Raises:
        ManifestError: TRI202 to TRI205. PredictionsError: TRI301, TRI302. MissingExtraError: TRI600. RunError: TRI402.
    """
    data, out = Path(data), Path(out)
    other, oof = (Path(path) if path else None for path in (other, oof))
    if oof is not None:
        require_cleanlab()
    with atomic_folder(out) as folder:
        manifest, counts, found, notes = _opened(data, progress=progress)
        told, lacking = (None, ()) if oof is None else _answers(manifest, oof)
        notes += lacking
        looks = _looked(manifest, "looking at photos", progress=progress)
        found += [Finding(manifest.photo_ids[i], "changed", 0.0, detail=why) for i, why in looks.failed.items()]
        found += [Finding(manifest.photo_ids[i], "exif", 0.5, detail=", ".join(said)) for i, said in looks.exif.items()]
        found += quality_findings(manifest, looks) + face_findings(manifest)
        found += divided(manifest) + mixed(manifest)
        found += copy_findings(manifest, _copies(manifest, looks, progress=progress))
        if told is not None:
            found += label_findings(*told)
        paths = dict(zip(manifest.photo_ids, manifest.paths, strict=True))
        if other is not None:
            others = open_data(other, progress=progress).where(pl.col("dropped_because").is_null())
            more, said = _against((manifest, looks), others, places=(data, other), progress=progress)
            found, notes = found + more, notes + said
            paths |= {f"{OTHER}{photo}": path for photo, path in zip(others.photo_ids, others.paths, strict=True)}
        given = {"data": data, "other": other, "oof": oof}
        inputs = {name: sha256_file(path) for name, path in given.items() if path and path.is_file()}
        judged = [stamp for stamp in told[1].stamps if stamp != OWN_RULE] if told else []  # nothing here uses a rule
        stamps = merged_stamps(manifest.stamps, judged)
        findings = Findings(findings_table(found), manifest.schema, inputs, stamps)
        write_findings(folder / FINDINGS_NAME, findings)
        write_text(folder / TABLE_NAME, findings.table.write_csv())
        thumbnails = _thumbnails(paths, shown_on_page(findings)) if pictures else None
        title = f"Audit of {data}" + (f" against {other}" if other else "")
        page = audit_page(findings, manifest, counts=counts, thumbnails=thumbnails, title=title, notes=notes)
        write_text(folder / PAGE_NAME, page)
    return Audit(findings, counts, notes, out)


def _opened(data: Path, *, progress: Progress) -> tuple[Manifest, dict[str, int], list[Finding], tuple[str, ...]]:
    """The manifest of the data, its files by status, a finding for each file that is no photo, and notes of ingest."""
    if not (data.is_dir() or is_archive(data)):
        manifest = open_data(data, progress=progress)
        used = manifest.where(pl.col("dropped_because").is_null())
        return used, {"in the manifest": len(used), "dropped": len(manifest) - len(used)}, [], ()
    source = unpacked(Source(data), into=None, progress=progress)
    try:
        made = ingest([source], progress=telling(progress, "reading photos"))
    except IngestError as problem:
        do = "Check the path; `trifacet ingest` writes why each file was left out."
        raise error("TRI205", problem.what, where=data, got=problem.got, do=do) from None
    found = [
        Finding(path, "unusable", 0.0, status != "ignored", detail=f"{status}: {reason}")
        for path, status, reason in made.rejects.select("path", "status", "reason").iter_rows()
    ]
    return made.manifest, made.counts, found, made.notes


def _answers(manifest: Manifest, oof: Path) -> tuple[tuple[Manifest, Predictions], tuple[str, ...]]:
    """The photos with an answer and their answers, row by row; of the labelled ones only those of test may have none.

    A model may answer some of the attributes: labels of the others are left out.
    """
    told = read_predictions(oof)
    if flattering := [stamp for stamp in told.stamps if TRAINED_ON in stamp]:
        do = "Pass the predictions/oof.parquet of `trifacet train --folds`: a model believes the labels it learned."
        raise error("TRI302", "answers about photos that the model learned", where=oof, got=flattering[0], do=do)
    if {*told.schema.names} < {*manifest.schema.names}:
        manifest = with_schema(manifest, manifest.schema.part(told.schema.names))
    require_same_schema(manifest.schema, told.schema, where=str(oof))
    place = {photo: row for row, photo in enumerate(told.ids)}
    has = np.array([photo in place for photo in manifest.photo_ids])
    is_test = (manifest.table["split"] == "test").fill_null(value=False).to_numpy()
    is_lacking = ~has & (manifest.classes != MISSING).any(axis=1)
    if (is_lacking & ~is_test).any():
        lacking = [manifest.photo_ids[i] for i in np.flatnonzero(is_lacking & ~is_test).tolist()]
        do = "Pass the predictions/oof.parquet that `trifacet train --folds` made of this data."
        raise error("TRI302", "photos have no answer", where=oof, got=first_few(lacking), do=do)
    n_test = int(is_lacking.sum())
    notes = (f"{n_test:,} photos of test have no answer: their labels were not looked at",) if n_test else ()
    kept = manifest.where(pl.col("photo_id").is_in(list(told.ids)))
    return (kept, told.rows(np.array([place[i] for i in kept.photo_ids], dtype=np.int64))), notes


def _copies(manifest: Manifest, looks: Looks, *, progress: Progress) -> Copies:
    """Copies by bytes and by pixels, each pair once."""
    read = np.array([i for i in range(len(manifest)) if i not in looks.failed], dtype=np.int64)
    groups = manifest.groups
    told = telling(progress, "comparing photos")
    by_pixels = find_copies(looks.small[read], persons=[groups[i] for i in read], progress=told)
    exact = same_bytes(manifest)
    known = set(zip(exact.first.tolist(), exact.second.tolist(), strict=True))
    first, second = read[by_pixels.first], read[by_pixels.second]
    new = [
        k
        for k, pair in enumerate(
            zip(np.minimum(first, second).tolist(), np.maximum(first, second).tolist(), strict=True)
        )
        if pair not in known
    ]
    return Copies(
        np.concatenate([exact.first, first[new]]),
        np.concatenate([exact.second, second[new]]),
        np.concatenate([exact.likeness, by_pixels.likeness[new]]),
        (*exact.views, *(by_pixels.views[k] for k in new)),
    )


def _looked(manifest: Manifest, what: str, *, progress: Progress) -> Looks:
    return look(manifest.paths, hashes=manifest.table["sha256"].to_list(), progress=telling(progress, what))


def _against(
    seen: Seen, others: Manifest, *, places: tuple[Path, Path], progress: Progress
) -> tuple[list[Finding], tuple[str, ...]]:
    """What other data show of these: photos that stand in both, what differs; and what a person should know of it."""
    where = places[1]
    names = (places[0].name, where.name)
    one, other = names if names[0] != names[1] else map(str, places)
    looks = _looked(others, f"looking at photos of {where.name}", progress=progress)
    found = copies_across(seen, (others, looks), progress=telling(progress, f"comparing with {where.name}"))
    n_people = min(len(set(manifest.groups)) for manifest in (seen[0], others))
    notes = [f"{n_people} people are too few to tell a shift by"] if n_people < FEW_PEOPLE else []
    if looks.failed:
        n, ids = len(looks.failed), [others.photo_ids[i] for i in looks.failed]
        notes.append(f"{n:,} photos of {where} could not be read: {first_few(ids)}")
    return found + shift_findings(seen, (others, looks), names=(one, other)), tuple(notes)


def _thumbnails(paths: Mapping[str, Path], ids: list[str]) -> dict[str, str]:
    found = {}
    for photo in ids:
        try:
            found[photo] = thumbnail_uri(decode(paths[photo].read_bytes()))
        except (KeyError, OSError, Undecodable):
            continue  # a file that is no photo, or no longer one: it is told by its name
    return found
