from __future__ import annotations

import numpy as np
import pytest
import torch

from trifacet.core.recipe_photos import AugmentSection
from trifacet.core.schema import DEFAULT_SCHEMA, MISSING
from trifacet.data.drawn.person import draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.learn.losses import Labels
from trifacet.learn.spoil import STREAM, Spoiler, degrade, make_spoiler
from trifacet.pixels.dress import put_mask

pytest.importorskip("openvino", reason="the extra [faces] is not installed")

MASKS = [0, 0, 0, 0, 0, 1, 2]
ROWS = np.arange(28)


def world() -> tuple[np.ndarray, np.ndarray]:
    """Four drawn people, seven photos each, and their classes (28, 3)."""
    images = [draw_photo(draw_person(0, i // 7), PHOTO_NAMES[i % 7], size_px=(120, 160)) for i in range(28)]
    return np.stack(images), np.array([[MASKS[i % 7], 0, 1] for i in range(28)])


def spoiler(images: np.ndarray, classes: np.ndarray, *, told: list[int] | None = None, **recipe: object) -> Spoiler:
    made = make_spoiler(
        AugmentSection.model_validate(recipe), DEFAULT_SCHEMA, images=images, classes=classes, rows=ROWS, seed=3,
        on_photos=([] if told is None else told).append,
    )  # fmt: skip
    assert made is not None
    return made


def labels(classes: np.ndarray) -> Labels:
    return Labels(torch.from_numpy(classes), torch.full((len(classes),), 40.0), torch.ones(len(classes)))


def test_masks_are_drawn_on_bare_faces_alone_and_change_their_label() -> None:
    images, classes = world()
    told: list[int] = []
    made = spoiler(images, classes, told=told, masks=1.0)
    assert sum(told) == 28
    seen, after = made.spoil(images, labels(classes), rows=ROWS, epoch=0)
    bare = classes[:, 0] == 2
    assert sorted(made.points) == np.flatnonzero(bare).tolist()
    assert np.array_equal(seen[~bare], images[~bare])
    assert (np.abs(seen[bare].astype(int) - images[bare]).max(axis=(1, 2, 3)) > 20).all()
    assert set(after.classes[bare, 0].tolist()) <= {0, 1}
    assert torch.equal(after.classes[:, 1:], torch.from_numpy(classes[:, 1:]))
    assert (classes[bare, 0] == 2).all()  # the labels that were given are as they were


def test_other_things_before_a_face_leave_it_bare() -> None:
    images, classes = world()
    seen, after = spoiler(images, classes, occluders=1.0).spoil(images, labels(classes), rows=ROWS, epoch=1)
    assert torch.equal(after.classes, torch.from_numpy(classes))
    assert (seen[6] != images[6]).any()


def test_what_happens_is_a_function_of_seed_epoch_and_photo_alone() -> None:
    images, classes = world()
    made = spoiler(images, classes, masks=0.5, occluders=0.5, degrade=0.5)
    together, after = made.spoil(images, labels(classes), rows=ROWS, epoch=4)
    part = np.array([20, 6, 13])
    alone, alone_after = made.spoil(images[part], labels(classes[part]), rows=part, epoch=4)
    assert np.array_equal(alone, together[part])
    assert torch.equal(alone_after.classes, after.classes[part])
    other, _ = made.spoil(images, labels(classes), rows=ROWS, epoch=5)
    assert (other != together).any()


def test_only_the_kinds_that_are_named_are_drawn() -> None:
    images, classes = world()
    made = spoiler(images, classes, masks=1.0, mask_kinds=["n95"])
    seen, _ = made.spoil(images, labels(classes), rows=ROWS, epoch=0)
    for row, points in made.points.items():
        rng = np.random.default_rng([3, STREAM, 0, row])
        rng.random(3)
        expected = put_mask(images[row], points, rng=rng, kinds=["n95"])
        assert expected.what.startswith("n95 ")
        assert np.array_equal(seen[row], expected.image)


def test_degraded_photos_lose_detail_and_keep_their_light() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    made = np.stack([degrade(noise, rng=np.random.default_rng(i)) for i in range(20)]).astype(float)
    assert made.shape == (20, 60, 50, 3)
    assert (made.std(axis=(1, 2, 3)) < 0.9 * noise.std()).mean() > 0.8
    assert abs(made.mean() - noise.mean()) < 4


def test_nothing_asked_for_is_nothing_done() -> None:
    images, classes = world()
    none = make_spoiler(
        AugmentSection(), DEFAULT_SCHEMA, images=images, classes=classes, rows=ROWS, seed=0, on_photos=lambda _: None
    )
    assert none is None


def test_photos_without_a_label_or_a_face_are_left_alone() -> None:
    images, classes = world()
    images[6] = 128
    classes[13, 0] = MISSING
    made = spoiler(images, classes, masks=1.0)
    assert sorted(made.points) == [20, 27]
