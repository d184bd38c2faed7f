from __future__ import annotations

import numpy as np

from tests.learn import tiny
from trifacet.learn import preview


def shown(*sets: str, monkeypatch) -> tuple[np.ndarray, list[str]]:
    """The pictures and the captions of the grid of inputs."""
    seen: list[tuple[np.ndarray, list[str]]] = []
    draw_grid = preview.image_grid

    def grid(images, captions, *, columns):
        seen.append((np.asarray(images), list(captions)))
        return draw_grid(images, captions, columns=columns)

    monkeypatch.setattr(preview, "image_grid", grid)
    manifest, images = tiny.photos(side=32)
    made = preview.input_grid(manifest, images, recipe=tiny.recipe(sets), seed=0)
    assert made.dtype == np.uint8
    return seen[0]


PLAIN = tuple(
    f"augment.{name}=0"
    for name in ("flip", "scale", "shift", "rotate_deg", "brightness", "contrast", "saturation", "channel_gain")
)


def test_the_grid_shows_windows_policies_and_pasted_halves_with_both_labels(monkeypatch) -> None:
    plain, captions = shown(*PLAIN, monkeypatch=monkeypatch)
    assert np.array_equal(plain, tiny.photos(side=32)[1][:24])
    assert captions[2] == "worn\nmale\n60_plus"
    cut, _ = shown(*PLAIN, "data.random_crop=[0.75, 0.75]", monkeypatch=monkeypatch)
    assert cut.shape == (24, 24, 24, 3)
    inverted, _ = shown(*PLAIN, "augment.policy=[[[[invert, 1, 1], [identity, 1, 1]]]]", monkeypatch=monkeypatch)
    assert np.array_equal(inverted, 255 - plain)
    halves, captions = shown(*PLAIN, "augment.old_halves=1", monkeypatch=monkeypatch)
    is_pasted = (halves != plain).any(axis=(1, 3)).sum(axis=1)
    assert (is_pasted[is_pasted > 0] == 16).all()  # half of the columns
    assert captions[0].startswith("50% worn\nmale\nunder_30\n+ ")
    assert captions[0].endswith("60_plus")


def test_a_dry_run_counts_what_the_network_is_given() -> None:
    manifest, images = tiny.photos(side=32)
    recipe = tiny.recipe(("data.random_crop=[0.75, 0.75]", "data.normalize=dataset", "augment.cutmix=1"))
    made = preview.dry_run(manifest, images, recipe=recipe, seed=0)
    assert made.input_shape == (16, 3, 24, 24)
    assert np.isfinite(made.loss)
