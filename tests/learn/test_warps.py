from __future__ import annotations

import math

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as library

from trifacet.learn import warps

WARPS = (
    warps.shear_x, warps.shear_y, warps.shift_x, warps.shift_y, warps.shift, warps.rotate, warps.zoom, warps.grid,
    warps.elastic, warps.optical,
)  # fmt: skip
BILINEAR = InterpolationMode.BILINEAR


def smooth(n: int = 3, *, height: int = 60, width: int = 48) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(n, 3, 6, 5, generator=generator) * 255
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 255)


def random(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("warp", WARPS)
def test_an_amount_of_nothing_changes_nothing_and_each_photo_is_bent_alone(warp) -> None:
    photos, amount = smooth(), torch.tensor([-0.8, 0.3, 1.0])
    assert (warp(photos, torch.zeros(3), random=random()) - photos).abs().max() < 0.01
    seen = warp(photos, amount, random=random())
    assert seen.shape == photos.shape
    assert ((seen - photos).abs().amax(dim=(1, 2, 3)) > 3).all()
    assert -0.01 <= seen.min() <= seen.max() <= 255.01
    alone = warp(photos[1:2], amount[1:2], random=random()[1:2])
    assert torch.allclose(alone, seen[1:2], atol=1e-3)


@pytest.mark.parametrize(
    ("warp", "angle", "translate", "scale", "shear"),
    [
        pytest.param(warps.rotate, -22.5, [0, 0], 1.0, [0.0, 0.0], id="rotate"),
        pytest.param(warps.zoom, 0.0, [0, 0], 1.15, [0.0, 0.0], id="zoom"),
        pytest.param(warps.shear_x, 0.0, [0, 0], 1.0, [math.degrees(math.atan(0.15)), 0.0], id="shear_x"),
        pytest.param(warps.shear_y, 0.0, [0, 0], 1.0, [0.0, math.degrees(math.atan(0.15))], id="shear_y"),
        pytest.param(warps.shift_x, 0.0, [-9, 0], 1.0, [0.0, 0.0], id="shift_x"),
        pytest.param(warps.shift_y, 0.0, [0, -9], 1.0, [0.0, 0.0], id="shift_y"),
    ],
)
def test_affine_warps_are_those_of_torchvision(warp, angle, translate, scale, shear) -> None:
    photos = smooth(height=40, width=40)
    ours = warp(photos, torch.full((3,), 0.5), random=random())
    theirs = library.affine(photos, angle, translate, scale, shear, interpolation=BILINEAR)
    inside = slice(14, 26)  # beyond the border torchvision shows black
    assert (ours - theirs)[:, :, inside, inside].abs().max() < 0.1
    assert (ours - photos)[:, :, inside, inside].abs().max() > 10


def test_a_shift_is_as_far_in_every_direction() -> None:
    dot = torch.zeros(4, 3, 101, 101)
    dot[:, :, 50, 50] = 255
    directions = torch.zeros(4, 4)
    directions[:, 0] = torch.tensor([0, 0.25, 0.5, 0.75])
    seen = warps.shift(dot, torch.full((4,), 0.44), random=directions)[:, 0]
    places = [(int(s.flatten().argmax()) // 101 - 50, int(s.flatten().argmax()) % 101 - 50) for s in seen]
    assert places == [(0, -20), (-20, 0), (0, 20), (20, 0)]


def test_a_grid_moves_the_borders_of_thirds_and_keeps_the_edges() -> None:
    ramp = torch.arange(90.0).expand(1, 3, 90, 90).contiguous()
    drawn = torch.tensor([[1.0, 0.5, 0.5, 0.5]])  # the first border right, as far as it may: by half of a third
    seen = warps.grid(ramp, torch.ones(1), random=drawn)[0, 0, 45]
    assert seen[30] == pytest.approx(45, abs=1)  # 15 columns further
    assert seen[60] == pytest.approx(60, abs=1)
    assert seen[0] == pytest.approx(0, abs=1)
    assert seen[89] == pytest.approx(89, abs=1)
    assert (seen.diff() > 0).all()
    down = warps.grid(ramp.transpose(2, 3), torch.ones(1), random=torch.tensor([[0.5, 0.5, 0.0, 0.5]]))[0, 0, :, 45]
    assert down[30] == pytest.approx(15, abs=1)


def test_a_lens_leaves_the_centre_and_moves_corners_most() -> None:
    ramp = torch.arange(101.0).expand(1, 3, 101, 101).contiguous()
    seen = warps.optical(ramp, torch.tensor([-1.0]), random=random(1))[0, 0]
    assert seen[50, 50] == pytest.approx(50, abs=0.01)
    assert seen[0, 100] == pytest.approx(50 + 50 * 0.7, abs=0.5)  # 30 % nearer to the centre
    assert seen[50, 100] == pytest.approx(50 + 50 * 0.85, abs=0.5)


def test_elastic_pulls_are_smooth_and_of_the_deviation_that_is_promised() -> None:
    ramp = torch.arange(200.0).expand(60, 3, 200, 200).contiguous()
    drawn = torch.rand(60, 4, generator=torch.Generator().manual_seed(2))
    pulled = (warps.elastic(ramp, torch.ones(60), random=drawn) - ramp)[:, 0, 40:160, 40:160]
    assert 0.6 * 3 < pulled.std() < 1.1 * 3  # 1.5 % of 200, a little less between the knots
    assert pulled.diff(dim=2).abs().max() < 1  # nothing is folded over
    assert (pulled[0] - pulled[1]).abs().max() > 2
