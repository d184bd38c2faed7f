"""The section on where the network looks: mean maps per attribute, and how much of them lies outside the middle."""

from __future__ import annotations

import numpy as np

from trifacet.core.errors import count_text
from trifacet.core.evaluation import Interval
from trifacet.core.schema import FloatArray
from trifacet.measure.bootstrap import group_sums, interval, ratio_of, resampled_sums
from trifacet.pages import html, plots
from trifacet.report.material import Attention, Material

MIDDLE = 2 / 3  # of the picture's width and height, where faces are expected

LIMITS = (
    "A place that says the same as another (one of two eyes) seems to count for little: they are covered one by one.",
    "A patch is itself something that the network never saw; over a mouth it may pass for a mask.",
    "The middle is not the face: hair, ears and a turned head reach beyond it, a neck or a background into it.",
    "A large share outside is a reason to look at clothes and background, no proof; a small one rules nothing out.",
)


def attention(material: Material) -> html.Section | None:
    """Mean maps of where covering a photo makes answers less sure, and the share of them outside the middle."""
    looked = material.attention
    if looked is None or not len(looked.drops):
        return None
    names = material.main.schema.names
    middle = is_middle(looked.grid)
    figures, rows = [], []
    for i, name in enumerate(names):
        mean = mean_map(looked, i)
        alt = f"Where covering a photo makes the answer for {name} less sure, on average"
        picture = plots.map_plot(mean, alt=alt, aspect=looked.aspect, backdrop=looked.backdrop, middle=MIDDLE)
        figures.append(html.figure_html(picture, caption=f"{html.sentence(name)}: down {mean.max():.3f} at most"))
        inside, outside = (float(mean[part].mean()) for part in (middle, ~middle))
        rows.append([name, inside, outside, share_outside(looked, i)])
    rows.append(["looking everywhere alike", None, None, float((~middle).mean())])
    columns = ["answer for", "fall in the middle", "fall outside", "share outside the middle"]
    n_photos, per_place = len(looked.drops), looked.places.size / looked.grid**2
    table = html.table_html(
        columns,
        rows,
        caption="Inside and outside the middle",
        note="Fall: by how much covering one place lowers the probability of what is answered, on average; where it "
        f"rises it counts as 0. Each place was covered in about {per_place:.0f} of the {n_photos} photos. In brackets "
        "the 95 % interval by person.",
    )
    note = (
        f"Mean over {count_text(n_photos, 'photo')}, each place covered with the photo's mean colour: the "
        "stronger the orange, the less sure the answer becomes. The frame is the middle two thirds, where faces are "
        "expected; what counts outside it, such as clothes and background, may be a shortcut that fails on others."
    )
    body = html.below(html.side_by_side(*figures, at_least_rem=13), table, html.notes_html(LIMITS))
    return html.Section("Where it looks", body, "attention", note)


def is_middle(grid: int) -> np.ndarray:
    """(grid, grid) bool, True for the cells whose centre lies in the middle `MIDDLE` of width and height."""
    near = np.abs((np.arange(grid) + 0.5) / grid - 0.5) < MIDDLE / 2
    return np.asarray(near[:, None] & near[None, :])


def mean_map(looked: Attention, attribute: int) -> FloatArray:
    """(grid, grid) mean fall per place, >= 0; NaN for a place that no photo was covered at."""
    falls, cells = np.maximum(looked.drops[:, :, attribute], 0.0).ravel(), looked.grid**2
    total = np.bincount(looked.places.ravel(), weights=falls, minlength=cells)
    n_covered = np.bincount(looked.places.ravel(), minlength=cells)
    mean = np.divide(total, n_covered, out=np.full(cells, np.nan), where=n_covered > 0)
    return np.asarray(mean.reshape(looked.grid, looked.grid))


def share_outside(looked: Attention, attribute: int) -> Interval | None:
    """The share 0..1 of all falls that lies outside the middle, its interval by person; None without any fall."""
    falls = np.maximum(looked.drops[:, :, attribute], 0.0).astype(np.float64)
    is_outside = ~is_middle(looked.grid).ravel()[looked.places]
    terms = np.stack([(falls * is_outside).sum(axis=1), falls.sum(axis=1)], axis=1)
    people = [person or f"photo {i}" for i, person in enumerate(looked.persons)]
    sums = group_sums(terms, people)
    value = float(ratio_of(sums.sum(axis=0)))
    return None if np.isnan(value) else interval(value, ratio_of(resampled_sums(sums)))
