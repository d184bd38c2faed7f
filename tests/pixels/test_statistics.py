from __future__ import annotations

import numpy as np

from trifacet.pixels.statistics import channel_statistics


def test_channel_statistics_are_those_of_all_pixels_of_the_chosen_photos() -> None:
    images = np.random.default_rng(0).integers(0, 256, (600, 5, 4, 3), dtype=np.uint8)
    rows = np.arange(3, 600, 2)
    mean, std = channel_statistics(images, rows)
    assert np.allclose(mean, images[rows].mean(axis=(0, 1, 2)))
    assert np.allclose(std, images[rows].std(axis=(0, 1, 2)))
    assert np.array_equal(channel_statistics(images[rows], np.arange(len(rows))), (mean, std))
