"""What photos measure, by name: size, light, contrast, sharpness, colour, and how the face lies in the frame."""

from __future__ import annotations

import numpy as np

from trifacet.core.manifest import CROP_SCALE, Manifest
from trifacet.core.schema import FloatArray
from trifacet.pixels.looks import Looks

# In which a factor counts, not a difference: two datasets are compared by its logarithm.
BY_FACTOR = ("shorter side, px", "height by width", "sharpness", "face by shorter side")
_LEAST = 1e-6  # a photo of one tone has sharpness 0


def quantities(manifest: Manifest, looks: Looks) -> dict[str, FloatArray]:
    """Numbers (N,) a photo by name and unit, NaN where not known; one that is known of no photo is left out.

    brightness, contrast, sharpness and colour are those of `Looks`. Of faces, where they were looked for: the side of
    the face's box in sides of the shorter side, its middle in shares of the photo's width and height (0 left and top ..
    1), and the tilt of the head in degrees, clockwise.
    """
    width, height = (manifest.table[name].fill_null(0).to_numpy().astype(float) for name in ("width_px", "height_px"))
    width, height = (np.where(side > 0, side, np.nan) for side in (width, height))
    crops = manifest.crops
    x0, y0, x1, y1, tilt = (
        np.array(
            [(np.nan,) * 5 if c is None else (c.x0_px, c.y0_px, c.x1_px, c.y1_px, c.angle_deg) for c in crops],
            dtype=float,
        )
        .reshape(len(crops), 5)
        .T
    )
    found = {
        "shorter side, px": np.fmin(width, height),
        "height by width": height / width,
        "brightness": looks.brightness,
        "contrast": looks.contrast,
        "sharpness": looks.sharpness,
        "colour": looks.colour,
        "face by shorter side": (x1 - x0) / CROP_SCALE / np.fmin(width, height),
        "face across": (x0 + x1) / 2 / width,
        "face down": (y0 + y1) / 2 / height,
        "face tilted, degrees": tilt,
    }
    return {name: np.asarray(values, dtype=float) for name, values in found.items() if np.isfinite(values).any()}


def comparable(name: str, values: FloatArray) -> FloatArray:
    """The values of a quantity as two datasets are compared by them: logarithms (base 2) where a factor counts."""
    return np.log2(np.maximum(values, _LEAST)) if name in BY_FACTOR else np.asarray(values)
