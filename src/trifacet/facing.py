"""Photos to a manifest with the face of each: what was found, what is wrong with it, and a page to look at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifacet.clean.faces_page import faces_page
from trifacet.clean.page import shown_on_page
from trifacet.clean.quality import face_findings
from trifacet.core.errors import count_text, error, first_few
from trifacet.core.files import check_suffix, keep_inputs, sha256_file, write_text
from trifacet.core.findings import Findings, findings_table, write_findings
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.core.tables import check_place
from trifacet.data.faces import Searched, faces_by_class, find_faces
from trifacet.opening import Progress, open_data, quiet, telling
from trifacet.pages.contact import marked_thumbnail_uri
from trifacet.pixels.decode import Undecodable, decode
from trifacet.pixels.faces import n_faces
from trifacet.pixels.finders import BUILT_IN, N_POINTS, Finder, UnusableAnswer, open_finder


def faces(
    data: Manifest | Path | str,
    out: Path | str | None = None,
    *,
    finder: str = BUILT_IN,
    findings: Path | str | None = None,
    page: Path | str | None = None,
    pictures: bool = True,
    progress: Progress = quiet,
    tell: Callable[[str], None] = quiet,
) -> Manifest:
    """Photos to a manifest with the square around each face and what the face is like, in its `x_face_...` columns.

    Recipes with `data.crop: face` are shown that square, and scores are sliced by the columns. finder: the built-in
    one, or `module:function` of yours, which `open_finder` describes. findings: a table of what is wrong with the
    faces, by default beside `out`. page: HTML with pictures of it. tell: is called with what a person should know.

    Raises:
        ConfigError: TRI100, TRI104, TRI105, TRI125, TRI126. ManifestError: TRI202 to TRI205. MissingExtraError: TRI600.
    """
    places = _places(data, out, findings, page)
    chosen = open_finder(finder)
    searched = find_faces(
        open_data(data, progress=progress), finder=chosen, progress=telling(progress, "finding faces")
    )
    made, found = searched.manifest, _found(searched, data)
    for note in (notes := _notes(searched, finder)):
        tell(note)
    if places.out:
        write_manifest(places.out, made)
    if places.findings:
        write_findings(places.findings, found, stage="faces")
    if places.page:
        shown = _thumbnails(made, shown_on_page(found), finder=chosen) if pictures else None
        title = f"Faces in {count_text(len(data), 'photo') if isinstance(data, Manifest) else data}"
        counts = faces_by_class(made)
        made_page = faces_page(found, made, by_class=counts, finder=finder, thumbnails=shown, title=title, notes=notes)
        write_text(places.page, made_page)
    return made


@dataclass(frozen=True)
class _Places:
    """Where things are written, None for nowhere."""

    out: Path | None
    findings: Path | None
    page: Path | None


def _places(data: object, *given: Path | str | None) -> _Places:
    """Where the manifest, the findings and the page go, refused before anything is looked at. Raises TRI104."""
    out, findings, page = (Path(place) if place else None for place in given)
    if out:
        check_place(out, ".parquet", kind="manifest", inputs=[data])
        findings = findings or out.with_suffix(".findings.parquet")
    if findings:
        check_place(findings, ".parquet", kind="findings", inputs=[data])
    if page:
        check_suffix(page, ".html", what="a page")
        keep_inputs(page, data)
    if out and findings and out.absolute() == findings.absolute():
        raise error("TRI104", "the findings would replace the manifest", where="--findings", got=f"'{findings}'")
    return _Places(out, findings, page)


def _found(searched: Searched, data: object) -> Findings:
    manifest = searched.manifest
    is_file = isinstance(data, str | Path) and Path(data).is_file()
    inputs = {"data": sha256_file(Path(str(data)))} if is_file else {}
    table = findings_table(face_findings(manifest, unusable=searched.unusable))
    return Findings(table, manifest.schema, inputs, manifest.stamps)


def _notes(searched: Searched, finder: str) -> tuple[str, ...]:
    """What a person should know of photos about which a finder of their own gave nonsense."""
    if not searched.unusable:
        return ()
    told = first_few([f"{photo} ({why})" for photo, why in searched.unusable.items()])
    count = (
        "1 photo, which counts" if len(searched.unusable) == 1 else f"{len(searched.unusable):,} photos, which count"
    )
    return (f"{finder} gave no usable answer about {count} as without a face: {told}",)


def _thumbnails(manifest: Manifest, ids: Sequence[str], *, finder: Finder) -> dict[str, str]:
    """Small pictures with the faces drawn on them, which are looked for once more: all points would take much room."""
    paths = dict(zip(manifest.photo_ids, manifest.paths, strict=True))
    made = {}
    for photo in ids:
        try:
            image = decode(paths[photo].read_bytes())
        except (OSError, Undecodable):
            continue  # it was there a moment ago: its tile tells its name
        try:
            faces = finder.find(image)
        except UnusableAnswer:
            faces = []
        boxes = np.array([face.box for face in faces], dtype=np.float32).reshape(-1, 4)
        points = np.array([face.points for face in faces], dtype=np.float32).reshape(-1, N_POINTS, 2)
        made[photo] = marked_thumbnail_uri(image, boxes, points=points, n_strong=n_faces(faces))
    return made
