"""Sections on how photos look: sizes, light, contrast, sharpness, faces; mean faces; photos of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.manifest import Manifest
from trifacet.core.schema import FloatArray
from trifacet.data.explore import Data, combination_name, has_people
from trifacet.data.faces import faces_by_class
from trifacet.pages import html
from trifacet.pages.contact import PhotoTile, photo_grid_html
from trifacet.pages.plots import histogram_plot
from trifacet.pixels.quantities import BY_FACTOR, quantities

N_BINS = 40
MAX_SIZES = 8  # different sizes of photos that the page lists
ENDS = (0.005, 0.995)  # shares of photos between which a plot shows them: one stray photo would squeeze all others
SCALES = {  # of the quantities whose unit is not in their name
    "brightness": "0 black .. 255 white",
    "contrast": "0 flat .. 127",
    "sharpness": "0 blurred .. about 4 noise",
    "colour": "0 grey .. 255",
    "face across": "middle of the face, 0 left .. 1 right",
    "face down": "middle of the face, 0 top .. 1 bottom",
}
MEANT = (
    "Brightness is the mean luma, contrast its standard deviation; sharpness the variance of the Laplacian by that of "
    "the luma, at 192 pixels; colour the mean distance of the channels from the luma."
)
PLOTTED = "The outermost bars of a plot hold what lies beyond them, too."


def looks_section(data: Data) -> html.Section:
    """Sizes, light, contrast, sharpness, colour and framing, as numbers and plots."""
    found = quantities(data.manifest, data.looks)
    rows = [[name, *_spread(values)] for name, values in found.items()]
    columns = ["quantity", "least", "5 %", "median", "95 %", "most", "photos"]
    blocks = [html.table_html(columns, rows, caption="How photos differ"), size_table(data.manifest)]
    if data.manifest.table["n_faces"].null_count() < len(data.manifest):
        faces = faces_by_class(data.manifest)
        blocks.append(html.table_html(["photos", "all", "one face", "several", "none"], faces, caption="Faces found"))
    figures = quantity_plots({name: {"photos": values} for name, values in found.items()})
    if figures:
        blocks.append(html.side_by_side(*figures, at_least_rem=22))
    return html.Section("How photos look", html.below(*blocks), "looks", f"{MEANT} {PLOTTED}")


def _spread(values: FloatArray) -> list[html.Number | int]:
    known = values[np.isfinite(values)]
    figures = np.quantile(known, [0, 0.05, 0.5, 0.95, 1]).tolist()
    return [*(html.Number(number(v)) for v in figures), len(known)]


def number(value: float) -> str:
    """A number with about three digits that count, without those that do not: `180`, `127.4`, `0.318`."""
    digits = 0 if value == round(value) else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return html.number_text(float(value), digits=digits)


def size_table(manifest: Manifest, *, of: str = "photos") -> Markup:
    """The most frequent sizes of photos, called `of` in its caption."""
    table = manifest.table.select("width_px", "height_px").drop_nulls()
    counted = table.group_by("width_px", "height_px").len().sort("len", "width_px", "height_px", descending=True)
    rows = [(f"{w:,} x {h:,}", n, html.share_html(n / table.height)) for w, h, n in counted.head(MAX_SIZES).iter_rows()]
    note = f"The most frequent of {counted.height:,} sizes." if counted.height > MAX_SIZES else ""
    columns = ["width x height, px", "photos", "share of photos"]
    return html.table_html(columns, rows, caption=f"Sizes of {of}", note=note)


def quantity_plots(found: Mapping[str, Mapping[str, FloatArray]]) -> list[Markup]:
    """A plot of each quantity that differs between photos: of one dataset, or of two in one plot."""
    figures = []
    for name, sides in found.items():
        known = {side: values[np.isfinite(values)] for side, values in sides.items()}
        together = np.concatenate([*known.values()])
        low, high = (float(v) for v in np.quantile(together, ENDS))
        if low == high:
            low, high = float(together.min()), float(together.max())
        if low == high:
            continue  # all alike: the table says so
        edges = _edges(name, together, low=low, high=high)
        counts = {side: np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] for side, v in known.items()}
        what = "Photos" if len(sides) == 1 else "Share of photos"
        label = SCALES.get(name, name)
        is_log = name in BY_FACTOR and edges[0] > 0
        picture = histogram_plot(counts, edges, alt=f"{what} by {name}", x_label=label, is_log=is_log)
        figures.append(html.figure_html(picture, caption=html.sentence(name)))
    return figures


def _edges(name: str, values: FloatArray, *, low: float, high: float) -> FloatArray:
    """Where the bars of a plot begin and end; of few whole numbers one bar each."""
    if name not in BY_FACTOR and (values == values.round()).all() and high - low <= N_BINS:
        return np.arange(low, high + 2) - 0.5
    if name in BY_FACTOR and low > 0:
        return np.geomspace(low, high, N_BINS + 1)
    return np.linspace(low, high, N_BINS + 1)


def means_section(data: Data) -> html.Section | None:
    """The mean of the photos of each class; None without pictures."""
    pictures, schema = data.pictures, data.manifest.schema
    if pictures is None or not pictures.mean:
        return None
    blocks = []
    for attribute in schema.attributes:
        place = attribute.name
        tiles = [
            _mean_tile(html.readable(name), pictures.means[place, i])
            for i, name in enumerate(attribute.classes)
            if (place, i) in pictures.means
        ]
        if tiles:
            blocks.append(html.heading_html(place) + photo_grid_html(tiles, is_square=True))
    joint = [_mean_tile(combination_name(schema, c), mean) for c, mean in pictures.joint_means.items()]
    if len(joint) > 1 and len(schema.names) > 1:
        blocks.append(html.heading_html("All labels together") + photo_grid_html(joint, is_square=True))
    if not blocks:
        everything = PhotoTile(pictures.mean, "The mean of all photos", ("all photos",))
        blocks.append(photo_grid_html([everything], is_square=True))
    note = "The mean of all photos of a class, "
    note += "of each the upright square around the face." if _has_faces(data) else "of each the middle square."
    note += " Of few photos it still shows whom they show."
    return html.Section("Mean faces", html.below(*blocks), "means", note)


def _has_faces(data: Data) -> bool:
    return data.manifest.table.select(pl.col("crop_x0_px").is_not_null().any()).item() is True


def _mean_tile(name: str, mean: tuple[str, int]) -> PhotoTile:
    uri, n_photos = mean
    told = count_text(n_photos, "photo")
    return PhotoTile(uri, f"The mean of {told}: {name}", (name, told))


def sheets_section(data: Data) -> html.Section | None:
    """Photos of each combination of labels, drawn by the seed; None without pictures."""
    if data.pictures is None or not data.pictures.thumbnails:
        return None
    blocks = [
        html.heading_html(combination_name(data.manifest.schema, combination)) + sheet_html(data, rows)
        for combination, rows in data.pictures.sheets.items()
    ]
    return html.Section("Photos of each class", html.below(*blocks), "photos", drawn_note(data))


def drawn_note(*shown: Data) -> str:
    """How the photos were chosen."""
    of_people = ", of as many people as there are" if any(has_people(data.manifest) for data in shown) else ""
    return f"Photos drawn at random{of_people}. Another --seed shows others."


def sheet_html(data: Data, rows: Sequence[int]) -> Markup:
    """The photos of these rows, those left out that could not be read."""
    shown = data.pictures.thumbnails if data.pictures else {}
    return photo_grid_html([_photo_tile(data, row, uri=shown[row]) for row in rows if row in shown])


def _photo_tile(data: Data, row: int, *, uri: str) -> PhotoTile:
    photo, years = data.manifest.table["photo_id"][row], data.manifest.table["age_years"][row]
    lines = (photo,) if years is None else (f"{years:g} years", photo)
    return PhotoTile(uri, f"A photo: {photo}", lines)
