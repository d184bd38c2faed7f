"""The page of a search for faces: how many there are, what they are like, and the photos to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from trifacet.clean.page import found_html, kind_sections
from trifacet.clean.quality import TURNED_DEG
from trifacet.core.errors import count_text
from trifacet.core.findings import Findings
from trifacet.core.manifest import Manifest
from trifacet.pages import html, plots

N_BINS = 40
SHOWN_SHARE = (0.001, 0.999)  # of the faces that a plot spans: one far off would leave the others a single bar
LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95  # quantiles that stand beside the plots


class Measure(NamedTuple):
    """A measure of faces: its column, what it is, its unit on the plot's axis, factor, and where findings begin."""

    column: str
    name: str
    label: str
    factor: float = 1.0
    cuts: tuple[float, ...] = ()


MEASURES = (
    Measure("x_face_side_px", "side of the face, px", "longer side of the face, pixels"),
    Measure("x_face_share", "share of the photo, %", "share of the photo that the face fills, %", 100.0),
    Measure("x_face_sharpness", "sharpness, hundredths", "sharpness of the face, hundredths; 0 is blurred", 100.0),
    Measure("x_face_turn_deg", "turned aside, degrees", "turned aside, degrees", cuts=(TURNED_DEG,)),
    Measure("x_face_tilt_deg", "tilted, degrees", "tilted, degrees", cuts=(TURNED_DEG,)),
)


def faces_page(
    findings: Findings,
    manifest: Manifest,
    *,
    by_class: Sequence[tuple[str, int, int, int, int]],
    finder: str,
    thumbnails: Mapping[str, str] | None,
    title: str,
    notes: Sequence[str] = (),
) -> str:
    """One self-contained page. by_class: photos in all, with one, several and no faces, of each class and of all.

    thumbnails: data URIs by photo id with the faces drawn on them, None for a page without a pixel of a photo.
    """
    columns = ["photos", "in all", "one face", "several", "none"]
    rows = [(html.readable(name), *counts) for name, *counts in by_class]
    counted = html.table_html(columns, rows, caption="Faces in photos")
    sections = [html.Section("Summary", html.below(counted, found_html(findings)), "summary")]
    if (measured := _measured(manifest)) is not None:
        sections.append(measured)
    # A tile shows the whole photo here: a face that does not count may stand at its edge.
    whole, pictured = Markup('<div class="whole">{}</div>'), kind_sections(findings, manifest, thumbnails=thumbnails)
    sections += [replace(one, html=whole.format(one.html)) for one in pictured]
    subtitle = f"{count_text(len(manifest), 'photo')}, faces found by {finder}; nothing was changed."
    return html.render_page(title, sections, subtitle=subtitle, notices=notes)


def _measured(manifest: Manifest) -> html.Section | None:
    """How the faces lie in each measure, and its quantiles; None where there is no face."""
    blocks, rows = [], []
    for measure in MEASURES:
        values = measure.factor * manifest.table[measure.column].drop_nulls().cast(float).to_numpy()
        if not len(values):
            continue
        low, high = np.quantile(values, SHOWN_SHARE)
        edges = np.linspace(low, max(high, low + 1e-6), N_BINS + 1)
        counts, _ = np.histogram(np.clip(values, low, high), bins=edges)
        cuts = [cut for cut in measure.cuts if low < cut < high]
        alt = f"How many faces there are by {measure.name}"
        plot = plots.histogram_plot({"faces": counts}, edges, alt=alt, x_label=measure.label, cuts=cuts)
        blocks.append(html.figure_html(plot))
        rows.append(
            (measure.name, *map(float, (values.min(), *np.quantile(values, (LOW, MIDDLE, HIGH)), values.max())))
        )
    if not rows:
        return None
    columns = ["of the largest face", "least", "5 %", "middle", "95 %", "most"]
    table = html.table_html(columns, rows, caption="Sizes, sharpness and pose", digits=1)
    note = (
        "Of the largest face of each photo. How far a head is turned or tilted is told from six points, either way; a "
        f"turn is good to some 5 degrees, a tilt to 2. Findings begin at {TURNED_DEG:g} degrees."
    )
    body = html.below(table, html.side_by_side(*blocks, at_least_rem=20))
    return html.Section("Size, sharpness and pose", body, "measures", note)
