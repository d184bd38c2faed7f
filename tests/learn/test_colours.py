from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as library

from trifacet.learn import colours

BY_AMOUNT = (
    colours.brightness, colours.contrast, colours.saturation, colours.hue, colours.gamma, colours.posterize,
    colours.solarize, colours.clahe, colours.sharpness, colours.blur, colours.motion_blur, colours.noise,
    colours.cutout,
)  # fmt: skip
ALWAYS = (colours.equalize, colours.autocontrast, colours.invert, colours.grey)


def photos(n: int = 4, *, low: int = 30, high: int = 220, height: int = 60, width: int = 48) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.randint(low, high, (n, 3, 10, 8), generator=generator).float()
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear").round()


def random(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("change", [*BY_AMOUNT, *ALWAYS])
def test_each_photo_is_changed_alone_and_by_its_own_amount(change) -> None:
    images, amount = photos(), torch.tensor([-0.9, 0.4, 0.0, 1.0])
    seen = change(images, amount, random=random())
    assert seen.shape == images.shape
    is_changed = (seen - images).abs().amax(dim=(1, 2, 3)) > 0.5
    assert is_changed.tolist() == ([True, True, False, True] if change in BY_AMOUNT else [True] * 4)
    alone = change(images[1:2], amount[1:2], random=random()[1:2])
    assert torch.allclose(alone, seen[1:2], atol=1e-3)


@pytest.mark.parametrize(
    ("change", "amount", "theirs"),
    [
        pytest.param(colours.brightness, 0.5, lambda p: library.adjust_brightness(p, 1.45), id="brightness"),
        pytest.param(colours.brightness, -0.5, lambda p: library.adjust_brightness(p, 0.55), id="darkness"),
        pytest.param(colours.contrast, -0.5, lambda p: library.adjust_contrast(p, 0.55), id="contrast"),
        pytest.param(colours.saturation, 0.5, lambda p: library.adjust_saturation(p, 1.45), id="saturation"),
        pytest.param(colours.hue, 0.4, lambda p: library.adjust_hue(p, 0.2), id="hue"),
        pytest.param(colours.hue, -1.0, lambda p: library.adjust_hue(p, -0.5), id="half the circle"),
        pytest.param(colours.gamma, 0.5, lambda p: library.adjust_gamma(p, 1.25), id="gamma"),
        pytest.param(colours.sharpness, 1.0, lambda p: library.adjust_sharpness(p, 1.9), id="sharper"),
        pytest.param(colours.sharpness, -1.0, lambda p: library.adjust_sharpness(p, 0.1), id="softer"),
        pytest.param(colours.equalize, 0.0, library.equalize, id="equalize"),
        pytest.param(colours.autocontrast, 0.0, library.autocontrast, id="autocontrast"),
        pytest.param(colours.invert, 0.0, library.invert, id="invert"),
        pytest.param(colours.grey, 0.0, lambda p: library.rgb_to_grayscale(p, 3), id="grey"),
        pytest.param(colours.solarize, 0.4, lambda p: library.solarize(p, 154), id="solarize"),
    ],
)
def test_colours_change_as_in_torchvision(change, amount: float, theirs) -> None:
    images = photos()
    ours = change(images, torch.full((4,), amount), random=random()).clamp(0, 255)
    is_for_whole_numbers = change in (colours.equalize, colours.solarize)
    expected = theirs(images.byte()).float() if is_for_whole_numbers else 255 * theirs(images / 255)
    assert (ours - expected).abs().max() < 1.1
    assert (ours - expected).abs().mean() < 0.2


def test_posterizing_loses_up_to_four_bits() -> None:
    images = photos()
    for amount, bits in ((0.26, 7), (0.5, 6), (-1.0, 4)):
        ours = colours.posterize(images, torch.full((4,), amount), random=random())
        assert torch.equal(ours.byte(), library.posterize(images.byte(), bits))


def test_a_blur_spreads_a_point_by_the_deviation_that_is_promised() -> None:
    point = torch.zeros(2, 3, 101, 101)
    point[:, :, 50, 50] = 255
    seen = colours.blur(point, torch.tensor([0.5, -1.0]), random=random(2))[:, 0]
    away = (torch.arange(101.0) - 50).square()
    spread = (seen.sum(dim=1) * away).sum(dim=1) / seen.sum(dim=(1, 2))
    assert spread.sqrt().tolist() == pytest.approx([1.01, 2.02], rel=0.03)  # 1 and 2 % of the height
    assert seen.sum(dim=(1, 2)).tolist() == pytest.approx([255, 255], rel=1e-3)


def test_motion_blurs_along_a_line_of_the_length_that_is_promised() -> None:
    point = torch.zeros(2, 3, 100, 100)
    point[:, :, 50, 50] = 255
    straight = torch.tensor([[0.0, 0.5, 0, 0], [0.25, 0.5, 0, 0]])  # 0 and 90 degrees, as much to both sides
    seen = colours.motion_blur(point, torch.tensor([1.0, 0.5]), random=straight)[:, 0] > 1
    assert [(int(s.any(1).sum()), int(s.any(0).sum())) for s in seen] in ([(1, 7), (5, 1)], [(7, 1), (1, 5)])


def test_clahe_evens_out_the_brightness_of_regions_and_keeps_colours_apart() -> None:
    flat = (photos(1, low=100, high=120) + torch.tensor([20.0, 0.0, -20.0]).view(1, 3, 1, 1)).expand(2, 3, 60, 48)
    seen = colours.clahe(flat, torch.tensor([1.0, 0.5]), random=random(2))
    assert colours.greyed(seen[:1]).std() > 1.3 * colours.greyed(flat[:1]).std()
    assert torch.allclose(seen[1] - flat[1], (seen[0] - flat[0]) / 2, atol=1e-3)
    moved = seen - flat
    assert torch.allclose(moved[:, 0], moved[:, 2], atol=1e-3)  # every channel by as much


def test_noise_is_a_window_of_one_field_whatever_the_batch() -> None:
    flat = torch.full((3, 3, 40, 40), 128.0)
    seen = colours.noise(flat, torch.tensor([0.25, -0.5, 0.5]), random=random(3)) - 128
    assert [float(s.std()) for s in seen] == pytest.approx([10, 20, 20], rel=0.08)
    assert (seen[1] - seen[2]).abs().max() > 20


def test_a_square_of_the_mean_colour_is_hidden() -> None:
    images = photos(1, height=50, width=80)
    seen = colours.cutout(images, torch.ones(1), random=torch.tensor([[0.5, 0.5, 0, 0]]))
    hidden = (seen != images).any(dim=1)[0]
    assert (int(hidden.any(1).sum()), int(hidden.any(0).sum())) == (20, 20)  # 40 % of the height
    assert torch.allclose(seen[0, :, 25, 40], images.mean(dim=(2, 3))[0])
    corner = colours.cutout(images, torch.ones(1), random=torch.zeros(1, 4)) != images
    assert (int(corner.any(1)[0].any(1).sum()), int(corner.any(1)[0].any(0).sum())) == (10, 10)
