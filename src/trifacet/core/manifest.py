"""The manifest: one row per usable photo, with its label, its person and its split. Never edited, only made anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.schema import IntArray, LabelSchema
from trifacet.core.tables import Provenance, TableKind, check_columns, read_table, write_table

SPLITS = ("train", "val", "test")

PSEUDO = "pseudo: "  # what a label_source begins with where a model gave the label: such photos are never val or test
IS_PSEUDO = pl.col("label_source").str.starts_with(PSEUDO).fill_null(value=False)
PERSONS_UNKNOWN = "persons unknown: photos of one person may stand on both sides, so scores may flatter"
LEAK = "leak allowed: photos of one person stand in several splits, so scores flatter"

KIND = TableKind(
    name="manifest",
    format=1,
    columns={
        "photo_id": pl.String(),
        "path": pl.String(),
        "sha256": pl.String(),
        "width_px": pl.Int32(),
        "height_px": pl.Int32(),
        "person_id": pl.String(),
        "source": pl.String(),
        "age_years": pl.Float32(),
        "label_source": pl.String(),
        "label_weight": pl.Float32(),
        "split": pl.String(),
        "fold": pl.Int32(),
        "derived_from": pl.String(),
        "crop_x0_px": pl.Float32(),
        "crop_y0_px": pl.Float32(),
        "crop_x1_px": pl.Float32(),
        "crop_y1_px": pl.Float32(),
        "crop_angle_deg": pl.Float32(),
        "n_faces": pl.Int32(),
        "dropped_because": pl.String(),
    },
    migrations={},
)


CROP_SCALE = 1.25  # side of the squares in the crop columns, in sides of the face's box; docs/log.md, 2026-11-22
CROP_COLUMNS = ("crop_x0_px", "crop_y0_px", "crop_x1_px", "crop_y1_px", "crop_angle_deg")
# What is measured of the largest face, kept as a source's columns are, so that scores are sliced by it: the longer side
# of its box, the share of the photo that it fills (0..1), its sharpness, how far the head is turned aside (0 to the
# camera .. 90 in profile) and tilted (0 upright .. 180), either way. Null where no face was found, or not known of it.
FACE_COLUMNS = ("x_face_side_px", "x_face_share", "x_face_sharpness", "x_face_turn_deg", "x_face_tilt_deg")
FINDER = "finder "  # what an input's name begins with that found the faces


@dataclass(frozen=True)
class Crop:
    """A square of an upright photo, in its pixels (it may reach beyond), turned about its centre clockwise."""

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float
    angle_deg: float = 0.0

    def scaled(self, factor: float) -> Crop:
        """The square about the same centre with sides `factor` times as long."""
        x, y = (self.x0_px + self.x1_px) / 2, (self.y0_px + self.y1_px) / 2
        half_x, half_y = (self.x1_px - self.x0_px) / 2 * factor, (self.y1_px - self.y0_px) / 2 * factor
        return Crop(x - half_x, y - half_y, x + half_x, y + half_y, self.angle_deg)


@dataclass(frozen=True)
class Manifest:
    """Photos and labels. `table` has KIND's columns, one String column per attribute of `schema`, and `x_NAME` extras.

    `roots` maps each value of `source` to the absolute folder that `path` is relative to.
    `stamps` travel with every score made from it.
    """

    table: pl.DataFrame
    schema: LabelSchema
    roots: dict[str, Path]
    stamps: tuple[str, ...] = ()
    stage: str = "ingest"
    inputs: dict[str, str] | None = None

    def __len__(self) -> int:
        return self.table.height

    def __repr__(self) -> str:
        people = "people unknown" if self.n_persons is None else f"{self.n_persons:,} people"
        counts = {name: int((self.table["split"] == name).sum()) for name in SPLITS}
        splits = ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "no split"
        return f"Manifest({len(self):,} photos, {people}, {' x '.join(self.schema.names)}, {splits})"

    @property
    def photo_ids(self) -> list[str]:
        """The photos' ids, in row order."""
        return self.table["photo_id"].to_list()

    @property
    def paths(self) -> list[Path]:
        """Absolute paths of the photos, in row order."""
        return [self.roots[source] / path for source, path in self.table.select("source", "path").iter_rows()]

    @property
    def crops(self) -> list[Crop | None]:
        """The square around each photo's face, in row order; None where no face was found, or none looked for."""
        rows = self.table.select(CROP_COLUMNS).iter_rows()
        return [None if None in row else Crop(*row) for row in rows]

    @property
    def groups(self) -> list[str]:
        """Who each photo shows: the person_id, or the photo's own id where the person is unknown."""
        own = pl.concat_str(pl.lit("photo:"), pl.col("photo_id"))
        return (
            self.table.select(
                pl.when(pl.col("person_id") == "").then(own).otherwise(pl.concat_str(pl.lit("person:"), "person_id"))
            )
            .to_series()
            .to_list()
        )

    @property
    def n_persons(self) -> int | None:
        """Number of people, or None when any photo's person is unknown."""
        people = self.table["person_id"]
        return None if (people == "").any() else people.n_unique()

    @property
    def classes(self) -> IntArray:
        """Class ids (N, attributes) int64, MISSING where a label is not known."""
        columns = [a.ids(self.table[a.name].to_list()) for a in self.schema.attributes]
        return np.stack(columns, axis=1)

    @property
    def ages(self) -> np.ndarray:
        """Ages in years (N,) float32, NaN where not known."""
        return self.table["age_years"].fill_null(float("nan")).to_numpy()

    def where(self, keep: pl.Expr) -> Manifest:
        """The rows that `keep` selects, as a manifest of its own."""
        return replace(self, table=self.table.filter(keep))

    def split(self, *names: str) -> Manifest:
        """The rows of these splits."""
        return self.where(pl.col("split").is_in(list(names)))


NEVER_NULL = ("photo_id", "path", "sha256", "person_id", "source")  # "" stands for what is not known


def empty_columns(n_photos: int) -> dict[str, pl.Series]:
    """KIND's columns for `n_photos` photos of which nothing is known: nulls, "" for the texts that are never null."""
    return {
        name: pl.Series(name, [""] * n_photos if name in NEVER_NULL else [None] * n_photos, dtype=kind)
        for name, kind in KIND.columns.items()
    }


def check_manifest(manifest: Manifest, *, where: str, is_leak_allowed: bool = False) -> None:
    """Refuses a manifest that breaks its rules.

    Raises:
        ManifestError: TRI200 rows that are wrong, TRI201 a person in two splits, TRI202 columns.
    """
    table, schema = manifest.table, manifest.schema
    check_columns(table, KIND, where=where)
    if lacking := [a.name for a in schema.attributes if table.schema.get(a.name) != pl.String()]:
        raise error("TRI202", "manifest lacks label columns", where=where, got=first_few(lacking))
    if null := [name for name in NEVER_NULL if table[name].null_count()]:
        raise error("TRI200", "columns that are never null hold nulls", where=where, got=first_few(null))
    if rootless := sorted({*table["source"].unique()} - {*manifest.roots}):
        raise error("TRI200", "photos of a source without a folder", where=where, got=first_few(rootless))
    twice = table.filter(pl.col("photo_id").is_duplicated())["photo_id"].unique().sort().to_list()
    if twice:
        raise error("TRI200", "two rows for one photo", where=where, got=first_few(twice))
    for attribute in schema.attributes:
        foreign = table.filter(~pl.col(attribute.name).is_in(list(attribute.classes)))[attribute.name].unique().sort()
        if len(foreign):
            raise error(
                "TRI200",
                f"{attribute.name} holds a class outside the schema",
                where=where,
                got=first_few(foreign.to_list()),
            )
    _check_ages(manifest, where=where)
    foreign = table.filter(~pl.col("split").is_in(list(SPLITS)))["split"].unique().sort()
    if len(foreign):
        raise error(
            "TRI200", f"split must be one of {', '.join(SPLITS)}", where=where, got=first_few(foreign.to_list())
        )
    if not is_leak_allowed and LEAK not in manifest.stamps:
        _check_persons(table, where=where)


def _check_ages(manifest: Manifest, *, where: str) -> None:
    first, last = manifest.schema.years
    years = pl.col("age_years")
    wrong = manifest.table.filter((years < first) | (years >= last + 1) | years.is_nan())
    if wrong.height:
        ids = [f"{i} ({a:g})" for i, a in wrong.select("photo_id", "age_years").iter_rows()]
        raise error("TRI200", f"age must be within {first}..{last} years", where=where, got=first_few(ids))
    if (age := manifest.schema.age) is not None:
        banded = age.band(manifest.ages)
        labelled = age.ids(manifest.table[age.name].to_list())
        differs = (banded >= 0) & (labelled != banded)
        if differs.any():
            ids = [i for i, d in zip(manifest.photo_ids, differs, strict=True) if d]
            raise error("TRI200", "the age class contradicts age_years", where=where, got=first_few(ids))


def _check_persons(table: pl.DataFrame, *, where: str) -> None:
    known = table.filter(pl.col("person_id") != "")
    for column in ("split", "fold"):
        divided = (
            known.filter(pl.col(column).is_not_null())
            .group_by("person_id")
            .agg(pl.col(column).n_unique().alias("n"))
            .filter(pl.col("n") > 1)["person_id"]
            .sort()
        )
        if len(divided):
            raise error(
                "TRI201",
                f"a person has photos in more than one {column}",
                where=where,
                got=first_few(divided.to_list()),
            )


def with_schema(manifest: Manifest, schema: LabelSchema) -> Manifest:
    """The same photos under another schema: moved age classes are cut anew from age_years, other labels stay.

    Labels of attributes that the schema does not have are left out.

    Raises:
        ConfigError: TRI103, an attribute the manifest does not have.
        ManifestError: TRI200, a class the new schema does not know.
    """
    if lacking := [a.name for a in schema.attributes if a.name not in manifest.table.columns]:
        raise error("TRI103", "the manifest has no labels for these attributes", got=first_few(lacking))
    table = manifest.table
    if schema.age is not None and schema.age != manifest.schema.age:
        names = np.array([*schema.age.classes, None], dtype=object)
        table = table.with_columns(pl.Series(schema.age.name, names[schema.age.band(manifest.ages)], dtype=pl.String()))
    unwanted = [name for name in manifest.schema.names if name not in schema.names]
    moved = replace(manifest, table=table.drop(unwanted), schema=schema)
    check_manifest(moved, where="the manifest under this schema")
    return moved


def write_manifest(path: Path | str, manifest: Manifest) -> None:
    """Checks and writes a manifest. Roots inside its own folder are stored relative, so that both can move together.

    Raises:
        ManifestError: TRI200, TRI201. MachineError: TRI900, TRI901.
    """
    check_manifest(manifest, where=str(path))
    home = Path(path).absolute().parent
    roots = {source: _portable(root, home) for source, root in manifest.roots.items()}
    write_table(
        path,
        manifest.table,
        provenance=Provenance(
            kind=KIND.name,
            format=KIND.format,
            stage=manifest.stage,
            label_schema=manifest.schema,
            inputs=manifest.inputs or {},
            stamps=manifest.stamps,
            extra={"roots": roots},
        ),
    )


def read_manifest(path: Path | str) -> Manifest:
    """The manifest stored at `path`, checked. Raises ManifestError TRI200, TRI201, TRI202."""
    table, made = read_table(path, KIND)
    home = Path(path).absolute().parent
    roots = {source: Path(os.path.normpath(home / PurePosixPath(root))) for source, root in made.extra["roots"].items()}
    manifest = Manifest(table, made.label_schema, roots, stamps=made.stamps, stage=made.stage, inputs=made.inputs)
    check_manifest(manifest, where=str(path))
    return manifest


def check_roots(manifest: Manifest, *, where: str) -> None:
    """Refuses a manifest whose photo folders are gone. Raises ManifestError TRI203."""
    gone = [str(root) for root in manifest.roots.values() if not root.is_dir()]
    if gone:
        raise error("TRI203", "no folder of photos", where=where, got=first_few(gone))


def _portable(root: Path, home: Path) -> str:
    inside = root.is_relative_to(home)
    return root.relative_to(home).as_posix() if inside else root.as_posix()


def joint_labels(manifest: Manifest) -> IntArray:
    """Joint ids (N,) int64, MISSING where any label is not known."""
    return manifest.schema.encode(manifest.classes)


def merged_stamps(*sources: Sequence[str]) -> tuple[str, ...]:
    """All stamps, each once, in first-seen order."""
    return tuple(dict.fromkeys(stamp for stamps in sources for stamp in stamps))
