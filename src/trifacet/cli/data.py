"""`trifacet ingest`, `split`, `faces` and `cache`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifacet.cli.command import Command, Group
from trifacet.core.errors import error, first_few

if TYPE_CHECKING:
    from trifacet.core.manifest import Manifest
    from trifacet.core.schema import LabelSchema
    from trifacet.data.ingest import Ingested

cache = typer.Typer(
    cls=Group,
    help="Decoded photos kept on disk, so that every epoch and every run reads them at once; "
    "they stay after the photos are deleted.",
)

SchemaOption = Annotated[Path | None, typer.Option("--schema", help="A schema.yaml; default mask x gender x age.")]
EdgesOption = Annotated[str, typer.Option("--age-edges", metavar="A,B", help="Where the age classes are cut: 30,60.")]

ColumnsOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="WANTED=COLUMN,...", help="Columns of a table: path=file,age=years; repeatable."),
]
ValuesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map-values",
        metavar="ATTRIBUTE:TEXT=CLASS,...",
        help="A source's own words, also in parts of folder names: mask:ok=worn,no=not_worn; repeatable.",
    ),
]
UnpackOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where archives are unpacked, each into a folder of its name; default by --out."),
]


def open_schema(path: Path | None, edges: str) -> LabelSchema:
    """The schema that --schema and --age-edges ask for. Raises ConfigError TRI102, TRI103, TRI104."""
    from trifacet.core.schema import DEFAULT_SCHEMA, read_schema, with_age_edges

    schema = read_schema(path) if path else DEFAULT_SCHEMA
    if not edges:
        return schema
    try:
        return with_age_edges(schema, [float(edge) for edge in edges.split(",")])
    except ValueError:
        raise error("TRI104", "takes ages in years, such as 30,60", where="--age-edges", got=f"'{edges}'") from None


def ingest(
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTOS...", help="Folders or archives of photos, or tables that name them; NAME=PATH."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write.")] = Path("manifest.parquet"),
    layout: Annotated[str, typer.Option(metavar="LAYOUT", help="auto, boostcamp, folders or table.")] = "auto",
    rejects: Annotated[Path | None, typer.Option(help="CSV of files left out; default beside the manifest.")] = None,
    schema: SchemaOption = None,
    age_edges: EdgesOption = "",
    columns: ColumnsOption = None,
    values: ValuesOption = None,
    photo_root: Annotated[
        str,
        typer.Option(
            "--photos", help="The photos' folder, relative to the source; to its folder where that is a table."
        ),
    ] = "",
    truth_in_ans: Annotated[
        bool, typer.Option("--truth-in-ans", help="Take info.csv's `ans` as truth; usually it is filled with 0.")
    ] = False,
    unpack: UnpackOption = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Read links that leave the folder.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that read files; default one more than the cores.")
    ] = None,
) -> None:
    """Photos to a checked manifest. Every file ends with exactly one status; nothing is moved or changed.

    Layouts: boostcamp (train.csv with images/ID_GENDER_RACE_AGE/mask1.jpg..., or info.csv with images/), folders (one
    folder a class), table (a CSV or Parquet file). Several sources go into one manifest; NAME=PATH keeps ids apart.
    An archive (.tar.gz, .tar, .tar.bz2, .tar.xz, .zip) is unpacked once; what it must not write is set aside.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.data.sources import Reading
    from trifacet.data.sources.entries import parse_columns, parse_values

    reading = Reading(
        schema=open_schema(schema, age_edges),
        columns=parse_columns(columns or []),
        values=parse_values(values or []),
        photos=photo_root,
        is_ans_truth=truth_in_ans,
        is_following_links=follow_links,
    )
    with render.bars() as bars:
        found = stages.ingest(
            photos,
            out,
            layout=layout,
            reading=reading,
            rejects=rejects,
            unpack=unpack,
            workers=workers,
            progress=bars.told,
        )
    _tell_ingested(found, out, rejects or out.with_suffix(".rejects.csv"))


def split(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest.")],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write.")] = Path("split.parquet"),
    val: Annotated[float, typer.Option(help="Share of the photos for validation.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of the photos kept for the last score.")] = 0.0,
    folds: Annotated[int | None, typer.Option(help="Also number this many folds over train and val.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split.")] = 0,
    allow_leak: Annotated[
        bool,
        typer.Option(
            "--allow-leak", help="Split photos, not people; where that divides somebody, every later score is stamped."
        ),
    ] = False,
) -> None:
    """A manifest to one with train, val and test. No person is divided; the same on every machine.

    Without person ids each photo stands for itself: nobody can tell whom that divides, and every later score says so.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.core.manifest import LEAK
    from trifacet.data.split import thin_classes

    made = stages.split(manifest, out, val=val, test=test, folds=folds, seed=seed, allow_leak=allow_leak)
    rows = []
    for name in ("train", "val", "test"):
        part = made.split(name)
        if len(part):
            rows.append((name, f"{len(part):,}", "unknown" if part.n_persons is None else f"{part.n_persons:,}"))
    render.show(str(out), ("split", "#photos", "#people"), rows)
    idle = ("--allow-leak divided nobody who is known",)
    for note in (*made.stamps, *(idle if allow_leak and LEAK not in made.stamps else ()), *thin_classes(made)):
        render.warn(note)


def faces(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A manifest, or a folder of photos.")],
    out: Annotated[Path, typer.Option("--out", help="The manifest to write.")] = Path("faces.parquet"),
    findings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where findings go; default beside: faces.findings.parquet.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also a page: figures, and the photos to look at.")
    ] = None,
    finder: Annotated[str, typer.Option(metavar="NAME", help="blazeface, or module:function of yours.")] = "blazeface",
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="A page without a pixel of a photo.")] = False,
) -> None:
    """A manifest with the upright square around each photo's face, which a recipe with `data.crop: face` is shown.

    The largest face counts, and what it is like (size, sharpness, pose) stands in columns that scores are sliced by. A
    photo without one keeps its row, and its middle square is shown. Findings (no face, several, cut, small, blurred or
    turned ones) are for `trifacet review`. Needs the extra `faces` (OpenVINO), or --finder.
    """
    from trifacet import stages
    from trifacet.cli import render
    from trifacet.data.faces import faces_by_class

    told: list[str] = []
    with render.bars() as bars:
        made = stages.faces(
            data,
            out,
            finder=finder,
            findings=findings,
            page=page,
            pictures=not no_pictures,
            progress=bars.told,
            tell=told.append,
        )
    columns = ("photos", "#photos", "#one face", "#several", "#none")
    render.show(str(out), columns, [(name, *(f"{n:,}" for n in counts)) for name, *counts in faces_by_class(made)])
    none = made.table.filter(n_faces=0)["photo_id"].to_list()
    if none:
        told.append(f"no face was found in {first_few(none)}: of these the middle square is shown")
    for note in told:
        render.warn(note)
    render.say(f"what to look at: [bold]{findings or out.with_suffix('.findings.parquet')}[/]")
    if page:
        render.say(f"page: [bold]{page}[/]")


@cache.command("list", cls=Command)
def list_caches() -> None:
    """The caches on disk, last used first, the folder their photos lay in, and how much they may take together.

    Decoded photos stay in a cache after the photos are deleted; `cache clear` deletes them.
    """
    from trifacet.cli import render
    from trifacet.pixels import cache as pixels

    caches = pixels.list_caches()
    columns = ("id", "#photos", "#height x width", "#GB", "last used, UTC", "photos of")
    rows = [
        (
            c.key[:12],
            f"{c.n_photos:,}",
            f"{c.height_px} x {c.width_px}",
            f"{c.n_bytes / 1e9:.2f}",
            f"{c.used:%F %H:%M}",
            c.photos or "not known",
        )
        for c in caches
    ]
    render.show(str(pixels.cache_folder()), columns, rows)
    used, limit = sum(c.n_bytes for c in caches) / 1e9, pixels.cache_limit_bytes() / 1e9
    render.say(f"{used:.2f} of {limit:.2f} GB; TRIFACET_CACHE_GB and TRIFACET_CACHE_DIR change that")


@cache.command("clear", cls=Command)
def clear(
    key: Annotated[str, typer.Argument(metavar="ID", help="One cache, as `cache list` names it. Default: all.")] = "",
) -> None:
    """Delete all caches, or one. They are made again when they are needed; photos are never touched.

    Decoded photos stay in a cache after the photos are deleted: clear it where they must be gone.
    """
    from trifacet.cli import render
    from trifacet.pixels.cache import clear_cache, clear_caches

    render.say(f"{(clear_cache(key) if key else clear_caches()) / 1e9:.2f} GB freed")


def _people(manifest: Manifest) -> str:
    """`50 people`, `people unknown`, or `50 people and 350 photos of nobody knows whom`."""
    known = manifest.table["person_id"].filter(manifest.table["person_id"] != "")
    n_unknown = len(manifest) - len(known)
    people = f"{known.n_unique():,} people"
    return people if not n_unknown else "people unknown" if known.is_empty() else f"{people} and {n_unknown:,} unknown"


def _tell_ingested(found: Ingested, out: Path, rejects: Path) -> None:
    from trifacet.cli import render
    from trifacet.core.manifest import PERSONS_UNKNOWN

    manifest = found.manifest
    rows = [(status, f"{n:,}") for status, n in found.counts.items() if n]
    rows += [("missing (a label without a file)", f"{found.n_missing:,}")] if found.n_missing else []
    render.show(f"{found.n_files:,} files", ("status", "#files"), rows)
    for attribute in manifest.schema.attributes:
        counts = dict(manifest.table[attribute.name].value_counts().iter_rows())
        shares = ", ".join(f"{name} {counts.get(name, 0):,}" for name in (*attribute.classes, None) if counts.get(name))
        render.say(f"{attribute.name}: {shares.replace('None', 'not known')}")
    beside = f", rejects in {rejects}" if found.rejects.height else ""
    render.say(f"{len(manifest):,} photos of {_people(manifest)} in [bold]{out}[/]{beside}")
    is_labelled = bool((manifest.classes >= 0).any())  # photos without labels have no sides to stand on
    for note in (*(s for s in manifest.stamps if is_labelled or s != PERSONS_UNKNOWN), *found.notes):
        render.warn(note)
