"""Masks that training never saw: drawn onto the bare photo of a person in place of the one that a photo shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trifacet import open_recipe
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import ImageArray
from trifacet.core.schema import IntArray
from trifacet.learn.predictor import geometry_of
from trifacet.pixels.decode import decode
from trifacet.pixels.dress import MASK, MASK_STATES, put_mask
from trifacet.pixels.faces import FaceFinder, require_faces
from trifacet.pixels.preprocess import fit

N_TRIES = 50  # drawings until one shows the class that is wanted, as half of them do
BARE = MASK_STATES[2]


def redrawn(manifest: Manifest, *, share: float, seed: int = 0, recipe: str = "instant") -> tuple[IntArray, ImageArray]:
    """Rows (n,) of a share of the masked photos, and inputs (n, h, w, 3) uint8 that show the same person and class.

    Photos of people without a bare photo, or with no face found in it, keep their own mask.
    """
    geometry = geometry_of(open_recipe(recipe).settings)
    drawn = {row: fit(image, geometry) for row, image in drawn_anew(manifest, share=share, seed=seed)}
    return np.array(list(drawn), dtype=np.int64), np.stack(list(drawn.values()))


def drawn_anew(manifest: Manifest, *, share: float, seed: int) -> Iterator[tuple[int, ImageArray]]:
    """(row of the photo that it stands for, upright RGB image) of each mask that is drawn anew."""
    require_faces()
    finder, shows, groups = FaceFinder(), manifest.table[MASK].to_list(), manifest.groups
    bare = {groups[row]: manifest.paths[row] for row, mask in enumerate(shows) if mask == BARE}
    masked = [row for row, mask in enumerate(shows) if mask not in (None, BARE) and groups[row] in bare]
    rng = np.random.default_rng(seed)
    for row in np.sort(rng.permutation(masked)[: round(share * len(masked))]).tolist():
        image = decode(bare[groups[row]].read_bytes())
        faces = finder.find(image)
        for _ in range(N_TRIES if faces else 0):
            dressed = put_mask(image, faces[0].points, rng=rng)
            if dressed.shows == shows[row]:
                yield row, dressed.image
                break
