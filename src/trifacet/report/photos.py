"""The page of predictions without labels: photos by predicted class, the least certain first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.predictions import Predictions
from trifacet.pages import html, plots
from trifacet.pages.contact import PhotoTile, photo_grid_html

MAX_PHOTOS = 2_500  # at thumbnail size they keep the page under 10 MB
MAX_UNREAD = 200


def predictions_page(
    predictions: Predictions,
    thumbnails: Mapping[str, str] | None,
    *,
    title: str,
    subtitle: str = "",
    prior: Sequence[float] | None = None,
    max_photos: int = MAX_PHOTOS,
) -> str:
    """One self-contained HTML page: class shares, then the photos of each predicted class, the least certain first.

    thumbnails: photo id -> data URI (`pages.contact.thumbnail_uri`); a photo without one is shown by its name. None for
    a page without pictures, which lists names.
    prior: shares (K,) of the joint classes in training, drawn beside. Of more than `max_photos` photos each class
    shows its least certain ones, in proportion.
    """
    classes, confidence, years = predictions.classes, predictions.confidence, predictions.age_years
    names = [html.readable(name) for name in predictions.schema.joint_names]
    sections = [_shares(predictions, classes, prior=prior)]
    share = min(1.0, max_photos / max(int(predictions.is_read.sum()), 1))
    for joint, name in enumerate(names):
        rows = np.flatnonzero(classes == joint)
        if not len(rows):
            continue
        rows = rows[np.argsort(confidence[rows], kind="stable")]
        shown = rows[: math.ceil(share * len(rows)) if share < 1 else len(rows)]
        found = [(predictions.ids[i], float(confidence[i]), float(years[i])) for i in shown]
        body = _listed(found, name=name) if thumbnails is None else _pictured(found, thumbnails, name=name)
        which = "Least certain first." if len(shown) == len(rows) else f"The {len(shown):,} least certain are shown."
        note = f"{count_text(len(rows), 'photo')}. {which}"
        sections.append(html.Section(html.sentence(name), body, f"class-{joint:02d}", note))
    if len(predictions) > int(predictions.is_read.sum()):
        sections.append(_unread(predictions))
    words = subtitle or f"{count_text(len(predictions), 'photo')}, sorted by what the network answers."
    return html.render_page(title, sections, subtitle=words, notices=predictions.stamps)


Found = Sequence[tuple[str, float, float]]  # a photo's id, the confidence of its answer, its age in years or NaN


def _pictured(found: Found, thumbnails: Mapping[str, str], *, name: str) -> Markup:
    tiles = []
    for photo_id, confidence, years in found:
        age = () if math.isnan(years) else (f"about {years:.0f} years",)
        lines = (html.percent_text(confidence), *age, photo_id)
        alt = ", ".join((f"{photo_id}: {name}", *age))
        tiles.append(PhotoTile(uri=thumbnails.get(photo_id, ""), alt=alt, lines=lines))
    return photo_grid_html(tiles)


def _listed(found: Found, *, name: str) -> Markup:
    rows = [
        (photo, html.Number(html.percent_text(sure)), None if math.isnan(y) else round(y)) for photo, sure, y in found
    ]
    return html.table_html(["photo", "confidence", "age, years"], rows, caption=f"Answered {name}")


def _shares(
    predictions: Predictions, classes: npt.NDArray[np.integer], *, prior: Sequence[float] | None
) -> html.Section:
    schema = predictions.schema
    counts = {name: int((classes == joint).sum()) for joint, name in enumerate(schema.joint_names)}
    caption = f"Answers per class ({count_text(sum(counts.values()), 'photo')})"
    note = "The mark on a bar is the class's share in training." if prior is not None else ""
    bars = plots.share_bars_html(counts, caption=caption, prior=prior, note=note)
    words = "Shares far from what is expected are the commonest sign of photos and answers that do not belong together."
    return html.Section("Answers", bars, "answers", words)


def _unread(predictions: Predictions) -> html.Section:
    rows = [(i, e) for i, e in zip(predictions.ids, predictions.errors, strict=True) if e is not None]
    caption = f"{count_text(len(rows), 'photo')} without an answer"
    note = f"The first {MAX_UNREAD} of {len(rows):,}." if len(rows) > MAX_UNREAD else ""
    table = html.table_html(["photo", "status"], rows[:MAX_UNREAD], caption=caption, note=note)
    return html.Section("Not readable", table, "unread")
