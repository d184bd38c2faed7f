from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.learn import tiny
from trifacet.core.errors import ConfigError
from trifacet.learn.views import views_of
from trifacet.pixels.preprocess import Geometry

SQUARE = Geometry(20, 20)


def photos(n: int = 3, *, height: int = 20, width: int = 20) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 3, height, width), dtype=np.uint8))


def seen(tta: str, shown: torch.Tensor, *, seed: int = 0, sets: tuple[str, ...] = ()) -> list[torch.Tensor]:
    return list(views_of(tta, recipe=tiny.recipe(sets), geometry=SQUARE, seed=seed)(shown))


def test_the_four_and_the_eight_forms_are_those_of_a_square() -> None:
    shown = photos(1)
    four, eight = seen("flips4", shown), seen("d4", shown)
    image = shown[0].permute(1, 2, 0).numpy()
    wanted = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    np.testing.assert_array_equal(np.stack([v[0].permute(1, 2, 0).numpy() for v in four]), np.stack(wanted))
    turned = [np.rot90(image, k) for k in range(4)]
    wanted = {one.tobytes() for one in (*turned, *(one[:, ::-1] for one in turned))}
    assert {np.ascontiguousarray(v[0].permute(1, 2, 0).numpy()).astype(np.uint8).tobytes() for v in eight} == {
        np.ascontiguousarray(np.frombuffer(one, np.uint8)).tobytes() for one in wanted
    }
    assert len(eight) == 8


def test_none_and_flip_are_the_photo_and_its_mirror_image() -> None:
    shown = photos()
    (alone,) = seen("none", shown)
    one, mirrored = seen("flip", shown)
    assert torch.equal(alone, shown.float())
    assert torch.equal(one, alone)
    assert torch.equal(mirrored, alone.flip(3))


def test_crops_are_the_middle_and_the_corners_of_a_framing_a_tenth_larger() -> None:
    ramp = torch.arange(100).repeat(100, 1)  # each column its own brightness
    shown = torch.stack([ramp, ramp.T, ramp]).to(torch.uint8)[None]
    middle, *corners = seen("crops", shown)
    assert [tuple(view.shape) for view in (middle, *corners)] == [(1, 3, 100, 100)] * 5
    # 110 columns show 0..99, column x the place (x + .5) / 1.1 - .5; a crop begins at column 0, 5 or 10
    starts = [(float(v[0, 1, 0, 50]), float(v[0, 0, 50, 0])) for v in (middle, *corners)]
    low, half, high = 0, 4.5, 9.045
    np.testing.assert_allclose(starts, [(half, half), (low, low), (low, high), (high, low), (high, high)], atol=0.01)
    assert float(corners[3][0, 1, 99, 0]) == pytest.approx(99)
    tall = torch.zeros((1, 3, 60, 40), dtype=torch.uint8)
    assert {tuple(view.shape) for view in seen("crops", tall)} == {(1, 3, 60, 40)}


def test_random_passes_are_the_same_whatever_the_batch_and_the_order() -> None:
    shown = photos(5)
    once, again = seen("random:3", shown), seen("random:3", shown.flip(0))
    assert len(once) == 3
    for one, other in zip(once, again, strict=True):
        assert torch.equal(one, other.flip(0))
    alone = seen("random:3", shown[2:3])
    assert all(torch.allclose(a[0], b[2], atol=1e-4) for a, b in zip(alone, once, strict=True))


def test_random_passes_follow_from_seed_pass_and_photo() -> None:
    shown = photos(2)
    first, second = seen("random:2", shown)
    assert (first - second).abs().max() > 10
    assert (first - seen("random:2", shown, seed=1)[0]).abs().max() > 10
    same = torch.cat([shown[:1], shown[:1]])
    twice = seen("random:1", same)[0]
    assert torch.equal(twice[0], twice[1])
    other = torch.cat([shown[:1], shown[:1]])
    other[1, 0, 0, 0] ^= 1  # one pixel of another photo: other draws
    assert (seen("random:1", other)[0][0] - seen("random:1", other)[0][1]).abs().max() > 10


def test_random_passes_are_the_runs_own_augmentation() -> None:
    none = tuple(
        f"augment.{key}=0"
        for key in ("flip", "scale", "shift", "rotate_deg", "brightness", "contrast", "saturation", "channel_gain")
    )
    shown = photos()
    (view,) = seen("random:1", shown, sets=none)
    assert torch.allclose(view, shown.float(), atol=0.01)


@pytest.mark.parametrize(
    ("tta", "message"),
    [
        pytest.param(
            "flop",
            "TRI104 tta: must be none, flip, crops, random:K, flips4 or d4 (K 1 to 64), got 'flop'.",
            id="a typo",
        ),
        pytest.param(
            "d4", "TRI104 tta: d4 lays photos on their side: it needs a square input, got 20 x 18.", id="no square"
        ),
    ],
)
def test_a_view_that_cannot_be_is_refused(tta: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        views_of(tta, recipe=tiny.recipe(), geometry=Geometry(20, 18), seed=0)
    assert str(told.value) == f"{message} See --help."
