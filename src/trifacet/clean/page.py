"""The page of an audit: what was found, counted, and pictures of each kind, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.findings import KINDS, Findings
from trifacet.core.manifest import Manifest
from trifacet.pages import html
from trifacet.pages.contact import PhotoTile, photo_grid_html

MAX_OF_A_KIND = 60  # photos that the page shows of a kind; the table has all
OF_THE_DATA = ("shift",)  # kinds that are about no single photo
PEOPLE = ("divided", "mixed", "age")  # kinds that are about a person
PAIRED = ("copy", "copy_other_label", "copy_across_splits", "swap")  # kinds that are about two photos
UNITS = dict.fromkeys(PAIRED, ("pair", "")) | dict.fromkeys(PEOPLE, ("person", "people"))
UNITS |= {"unusable": ("file", ""), "label": ("label", "")}


def shown_on_page(findings: Findings) -> list[str]:
    """The ids of the photos that the page shows, each once."""
    ids = [i for kind in KINDS for row in _shown(findings, kind).iter_rows(named=True) for i in _of(row)]
    return list(dict.fromkeys(ids))


def audit_page(
    findings: Findings,
    manifest: Manifest,
    *,
    counts: Mapping[str, int],
    thumbnails: Mapping[str, str] | None,
    title: str,
    notes: Sequence[str] = (),
) -> str:
    """One self-contained page. counts: files by status of ingest. thumbnails: data URIs by photo id, None for none."""
    sections = [_summary(findings, counts)]
    sections += kind_sections(findings, manifest, thumbnails=thumbnails)
    subtitle = f"{count_text(len(manifest), 'photo')}; a person rules on what is found, and nothing was changed."
    return html.render_page(title, sections, subtitle=subtitle, notices=(*findings.stamps, *notes))


def kind_sections(
    findings: Findings, manifest: Manifest, *, thumbnails: Mapping[str, str] | None
) -> list[html.Section]:
    """A section for each kind of which something was found, its worst photos first."""
    labels = {row[0]: row[1:] for row in manifest.table.select("photo_id", *manifest.schema.names).iter_rows()}
    sections = []
    for kind, what in KINDS.items():
        rows = findings.issues.filter(pl.col("kind") == kind)
        if rows.is_empty():
            continue
        shown = _shown(findings, kind)
        if kind in OF_THE_DATA:
            sections.append(_of_the_data(kind, shown))
            continue
        has_pictures = thumbnails is not None and any(i in thumbnails for i in shown["photo_id"])
        body = _pictured(shown, thumbnails or {}, labels=labels) if has_pictures else _listed(shown, kind)
        which = f" The {len(shown)} worst are shown." if len(shown) < len(_each_once(rows, kind)) else ""
        one, many = UNITS.get(kind, ("photo", ""))
        note = f"{html.sentence(what)}: {count_text(len(_each_once(rows, kind)), one, many=many)}. Worst first.{which}"
        sections.append(html.Section(html.sentence(html.readable(kind)), body, f"kind-{kind}", note))
    return sections


def _of_the_data(kind: str, rows: pl.DataFrame) -> html.Section:
    """The section of findings that are about no single photo."""
    told = rows.select("detail", "score").rows()
    table = html.table_html(["what", "score"], told, caption="Worst first", digits=2)
    return html.Section(html.sentence(kind), table, f"kind-{kind}", f"{html.sentence(KINDS[kind])}.")


def _shown(findings: Findings, kind: str) -> pl.DataFrame:
    """The worst issues of a kind, a pair once."""
    return _each_once(findings.issues.filter(pl.col("kind") == kind), kind).head(MAX_OF_A_KIND)


def _each_once(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The findings of a kind, those about a pair once."""
    if kind not in PAIRED:
        return rows
    low, high = pl.min_horizontal("photo_id", "other_id"), pl.max_horizontal("photo_id", "other_id")
    return rows.filter(pl.struct(low=low, high=high).is_first_distinct())


def _of(row: Mapping[str, str]) -> list[str]:
    return [i for i in (row["photo_id"], row["other_id"]) if i]


def found_html(findings: Findings) -> Markup:
    """The findings by kind, counted."""
    by_kind = findings.table.group_by("kind").agg(
        pl.len().alias("all"),
        pl.col("is_issue").sum().alias("issues"),
        pl.col("photo_id").filter(pl.col("photo_id") != "").n_unique().alias("photos"),
    )
    found = {row[0]: row[1:] for row in by_kind.iter_rows()}
    rows = [
        (html.readable(kind), *(int(n) for n in found[kind][1:]), int(found[kind][0]), what)
        for kind, what in KINDS.items()
        if kind in found
    ]
    if not rows:
        return Markup("<p>{}</p>").format("Nothing was found.")
    return html.table_html(["finding", "to look at", "photos", "in all", "what"], rows, caption="Findings by kind")


def _summary(findings: Findings, counts: Mapping[str, int]) -> html.Section:
    statuses = [(html.readable(status), n) for status, n in counts.items() if n]
    files = html.table_html(["status", "files"], statuses, caption="Files") if statuses else Markup("")
    return html.Section("Summary", html.below(found_html(findings), files), "findings")


def _pictured(
    rows: pl.DataFrame, thumbnails: Mapping[str, str], *, labels: Mapping[str, Sequence[str | None]]
) -> Markup:
    tiles = []
    for row in rows.iter_rows(named=True):
        photo, other = row["photo_id"], row["other_id"]
        told = [row["detail"], photo, _label(labels.get(photo, ()))]
        told += [f"beside it {other}", _label(labels.get(other, ()))] if other else []
        tiles.append(
            PhotoTile(
                uri=thumbnails.get(photo, ""),
                alt=f"{photo}: {row['detail']}",
                lines=(html.number_text(row["score"], digits=2), *filter(None, told)),
                beside=thumbnails.get(other, "") if other else "",
                beside_alt=other,
            )
        )
    return photo_grid_html(tiles)


def _listed(rows: pl.DataFrame, kind: str) -> Markup:
    names = {"photo_id": "photo", "detail": "what", "attribute": "attribute", "other_id": "beside it", "score": "score"}
    caption = f"{html.sentence(html.readable(kind))}, worst first"
    told = [name for name in names if name == "score" or (rows[name] != "").any()]
    return html.table_html([names[n] for n in told], rows.select(told).rows(), caption=caption, digits=2)


def _label(names: Sequence[str | None]) -> str:
    return ", ".join(html.readable(name) for name in names if name)
