"""What happens to single training photos before they become a batch: masks drawn on bare faces, lost quality.

Everything is a function of (seed, epoch, photo) alone, so that workers and batches change nothing.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from trifacet.core.predictions import ImageArray
from trifacet.core.recipe_photos import AugmentSection
from trifacet.core.schema import LabelSchema
from trifacet.learn.losses import Labels
from trifacet.pixels.dress import MASK, FaceArray, put_mask, put_occluder
from trifacet.pixels.faces import FaceFinder
from trifacet.pixels.masks import MASK_KINDS

Rows = npt.NDArray[np.int64]

STREAM = 77  # keeps these draws apart from those of order, dropout and augmentation
SMALLEST_SHARE, QUALITIES = 1 / 3, (15, 80)  # of a side that is kept; of a JPEG


@dataclass(frozen=True)
class Spoiler:
    """What is done to the photos of a run: `points` (6, 2) of the bare faces that may be drawn on, by manifest row."""

    recipe: AugmentSection
    schema: LabelSchema
    seed: int
    points: Mapping[int, FaceArray]

    def spoil(self, images: ImageArray, labels: Labels, *, rows: Rows, epoch: int) -> tuple[ImageArray, Labels]:
        """The photos (B, h, w, 3) uint8 of these manifest rows, and their labels after what was drawn on them."""
        images, classes = images.copy(), labels.classes.clone()
        for place, row in enumerate(rows.tolist()):
            rng = np.random.default_rng([self.seed, STREAM, epoch, row])
            drawn, hidden, lost = rng.random(3).tolist()
            if row in self.points and drawn < self.recipe.masks:
                kinds = self.recipe.mask_kinds or tuple(MASK_KINDS)
                dressed = put_mask(images[place], self.points[row], rng=rng, kinds=kinds)
                images[place] = dressed.image
                column = self.schema.names.index(MASK)
                classes[place, column] = self.schema.attributes[column].classes.index(dressed.shows)
            elif row in self.points and hidden < self.recipe.occluders:
                bearded = self._may_be_bearded(classes[place].tolist())
                images[place] = put_occluder(images[place], self.points[row], rng=rng, may_be_bearded=bearded).image
            if lost < self.recipe.degrade:
                images[place] = degrade(images[place], rng=rng)
        changed = (classes != labels.classes).any(dim=1)
        soft = {name: probs.masked_fill(changed[:, None], torch.nan) for name, probs in labels.soft.items()}
        return images, replace(labels, classes=classes, soft=soft)  # of what was drawn the teachers know nothing

    def _may_be_bearded(self, classes: list[int]) -> bool:
        """Whether the labels say male: a beard on anybody else would teach a wrong gender."""
        names = zip(self.schema.attributes, classes, strict=True)
        return any(a.name == "gender" and c >= 0 and a.classes[c] == "male" for a, c in names)


def make_spoiler(
    recipe: AugmentSection,
    schema: LabelSchema,
    *,
    images: npt.NDArray[np.uint8],
    classes: npt.NDArray[np.int64],
    rows: Rows,
    seed: int,
    on_photos: Callable[[int], None],
) -> Spoiler | None:
    """The spoiler of a recipe for the rows `rows`, None where it spoils nothing. Bare faces are looked for.

    For masks and occluders `schema` has the attribute `mask` with the classes of `MASK_STATES`. Raises TRI600.
    """
    if not (recipe.masks or recipe.occluders or recipe.degrade):
        return None
    points: dict[int, FaceArray] = {}
    if recipe.masks or recipe.occluders:
        column = schema.names.index(MASK)
        bare = schema.attributes[column].classes.index("not_worn")
        finder, is_bare = FaceFinder(), classes[rows, column] == bare
        on_photos(int((~is_bare).sum()))
        for row in rows[is_bare].tolist():
            faces = finder.find(np.asarray(images[row]))
            if faces:
                points[row] = faces[0].points
            on_photos(1)
    return Spoiler(recipe, schema, seed, points)


def degrade(image: ImageArray, *, rng: np.random.Generator) -> ImageArray:
    """The photo (h, w, 3) uint8 after it was made smaller, kept as a JPEG and made larger again."""
    height, width = image.shape[:2]
    share = float(rng.uniform(SMALLEST_SHARE, 1))
    size = max(8, round(width * share)), max(8, round(height * share))
    small, kept = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), io.BytesIO()
    small.save(kept, "JPEG", quality=int(rng.integers(*QUALITIES)))
    return np.asarray(Image.open(kept, formats=["JPEG"]).resize((width, height), Image.Resampling.BILINEAR))
