from __future__ import annotations

import numpy as np
import pytest
import torch

from trifacet.core.policies import KEYED_OPERATIONS
from trifacet.core.recipe_photos import AugmentSection
from trifacet.learn.augment import KEYED, N_DRAWS, OWN, POLICY, augment, draw
from trifacet.learn.operations import SLOT

NOTHING = AugmentSection(
    flip=0, scale=0, shift=0, rotate_deg=0, brightness=0, contrast=0, saturation=0, channel_gain=0, noise=0
)
EVERYTHING = AugmentSection(
    noise=10, rotate_deg=20, shear_deg=10, hue=0.1, gamma=0.3, cutout=0.5, **dict.fromkeys(KEYED_OPERATIONS, 0.5)
)


def photos(n: int, *, height: int = 20, width: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    small = torch.randint(0, 256, (n, 3, height // 4, width // 4), generator=generator, dtype=torch.uint8)
    return small.repeat_interleave(4, 2).repeat_interleave(4, 3)


def draws(n: int, **columns: float) -> torch.Tensor:
    """Draws of 0, the middle of every range, but for the columns `c0`, `c1`, ..."""
    made = torch.zeros(n, N_DRAWS)
    for name, value in columns.items():
        made[:, int(name[1:])] = value
    return made


def only(**ranges: float) -> AugmentSection:
    return NOTHING.model_copy(update=ranges)


def test_draws_are_a_function_of_seed_epoch_and_photo_alone() -> None:
    first = draw(3, 7, n_photos=50)
    assert first.shape == (50, N_DRAWS)
    assert np.array_equal(draw(3, 7, n_photos=50), first)
    assert np.array_equal(draw(3, 7, n_photos=20), first[:20])  # how many photos there are changes nothing
    for other in (draw(4, 7, n_photos=50), draw(3, 8, n_photos=50), draw(7, 3, n_photos=50)):
        assert np.isin(other, first).mean() < 0.001  # float32 holds so few values that one may come twice
    assert len(np.unique(first)) > 0.999 * first.size
    assert -1 <= first.min() < -0.9
    assert 0.9 < first.max() <= 1


def test_a_photo_is_changed_alike_whatever_its_batch() -> None:
    images, drawn = photos(8), torch.from_numpy(draw(0, 0, n_photos=8))
    together = augment(images, drawn, ranges=EVERYTHING)
    for order in ([3], [5, 3], [7, 6, 5, 4, 3, 2, 1, 0]):
        apart = augment(images[order], drawn[order], ranges=EVERYTHING)
        assert torch.allclose(apart, together[order], atol=1e-3, rtol=0)
    assert (together[0] - together[1]).abs().max() > 10


def test_ranges_of_zero_change_nothing() -> None:
    images = photos(6, height=24, width=40)
    same = augment(images, torch.from_numpy(draw(0, 0, n_photos=6)), ranges=NOTHING)
    assert same.dtype == torch.float32
    assert (same - images).abs().max() < 0.02


def test_draws_in_the_middle_of_every_range_change_nothing_but_the_noise_level() -> None:
    images = photos(2)
    still = EVERYTHING.model_copy(update={"flip": 0, "grey": 0, "cutout": 0})  # draws of 0 are a probability of .5
    assert (augment(images, draws(2), ranges=still) - images).abs().max() < 0.02


def test_flipping_mirrors() -> None:
    images = photos(5)
    drawn = torch.from_numpy(draw(0, 0, n_photos=5))
    assert (augment(images, drawn, ranges=only(flip=1)) - images.flip(3)).abs().max() < 0.02
    half = augment(images, drawn, ranges=only(flip=0.5))
    is_mirrored = [bool((half[i] - images[i].flip(2)).abs().max() < 0.02) for i in range(5)]
    is_plain = [bool((half[i] - images[i]).abs().max() < 0.02) for i in range(5)]
    assert is_mirrored == [d < 0 for d in drawn[:, 0]]
    assert is_plain == [d >= 0 for d in drawn[:, 0]]


def test_shifting_moves_by_a_share_of_the_size_and_repeats_the_border() -> None:
    images = photos(1, height=20, width=40)
    moved = augment(images, draws(1, c3=1), ranges=only(shift=0.1))  # what stood 4 pixels to the right is seen here
    assert (moved[:, :, :, :-4] - images[:, :, :, 4:]).abs().max() < 0.02
    assert (moved[:, :, :, -4:] - images[:, :, :, -1:]).abs().max() < 0.02
    moved = augment(images, draws(1, c4=-1), ranges=only(shift=0.1))
    assert (moved[:, :, 2:] - images[:, :, :-2]).abs().max() < 0.02


def test_zooming_in_shows_the_middle_larger() -> None:
    images = photos(1, height=24, width=24)
    larger = augment(images, draws(1, c2=0.5), ranges=only(scale=0.99))
    middle = torch.nn.functional.interpolate(images[:, :, 4:20, 4:20].float(), size=(24, 24), mode="bilinear")
    assert (larger - middle)[:, :, 2:-2, 2:-2].abs().mean() < 2


def test_a_quarter_turn_of_a_square_is_exact_and_of_an_oblong_keeps_its_proportions() -> None:
    square = photos(1, height=16, width=16)
    turned = augment(square, draws(1, c1=1), ranges=only(rotate_deg=90))
    assert min((turned - square.rot90(k, (2, 3))).abs().max() for k in (1, 3)) < 0.1
    oblong = torch.zeros(1, 3, 20, 40)
    oblong[:, :, 8:12, 18:22] = 255  # a square in the middle stays a square
    turned = augment(oblong.byte(), draws(1, c1=1), ranges=only(rotate_deg=90))
    assert (turned - oblong).abs().max() < 0.1


def test_brightness_contrast_and_saturation_are_gains() -> None:
    images = (photos(1) // 4 + 64).byte()  # far from both ends, so that nothing is cut
    plain = images.float()
    assert torch.allclose(augment(images, draws(1, c6=0.5), ranges=only(brightness=0.4)), plain * 1.2, atol=0.05)
    mean = plain.mean()
    assert torch.allclose(
        augment(images, draws(1, c7=-1), ranges=only(contrast=0.5)), (plain - mean) / 2 + mean, atol=0.05
    )
    grey = augment(images, draws(1, c8=-1), ranges=only(saturation=1))
    assert torch.allclose(grey, plain.mean(dim=1, keepdim=True).expand_as(plain), atol=0.05)
    gained = augment(images, draws(1, c10=1), ranges=only(channel_gain=0.1))
    assert torch.allclose(gained, plain * torch.tensor([1, 1.1, 1]).view(1, 3, 1, 1), atol=0.05)


def test_noise_has_the_drawn_deviation_and_another_window_for_each_photo() -> None:
    images = torch.full((2, 3, 40, 40), 128, dtype=torch.uint8)
    drawn = draws(2, c14=0.5)
    drawn[1, 12] = 0.3
    noise = augment(images, drawn, ranges=only(noise=20)) - 128
    assert noise.std() == pytest.approx(10, rel=0.05)
    assert noise.mean().abs() < 0.5
    assert (noise[0] - noise[1]).abs().max() > 5


def test_what_comes_out_stays_within_0_and_255() -> None:
    for epoch in range(3):
        changed = augment(photos(12), torch.from_numpy(draw(0, epoch, n_photos=12)), ranges=EVERYTHING)
        assert changed.isfinite().all()
        assert changed.min() >= 0
        assert changed.max() <= 255
    dark = augment(torch.full((1, 3, 8, 8), 255, dtype=torch.uint8), draws(1, c6=1), ranges=only(brightness=1))
    assert (dark == 255).all()


def test_a_turned_head_moves_the_middle_and_leaves_the_sides() -> None:
    ramp = torch.arange(100, dtype=torch.uint8).expand(1, 3, 10, 100).contiguous()
    for bend in (-1.0, 1.0):
        seen = augment(ramp, draws(1, c15=bend), ranges=only(turn=0.4))[0, 0, 5]
        assert abs(seen[50] - (50 + bend * 0.4 * 50)) < 1.5  # what stands 20 columns aside is seen in the middle
        assert abs(seen[1] - 1) < 2.5
        assert abs(seen[98] - 98) < 2.5
        assert (seen.diff()[1:-1] > 0).all()  # nothing is folded over


def test_a_rectangle_of_one_colour_is_erased_from_the_share_that_was_asked_for() -> None:
    images = photos(400, height=40, width=40)
    drawn = torch.from_numpy(draw(0, 0, n_photos=400))
    changed = (augment(images, drawn, ranges=only(erase=0.3)) - images).abs().amax(1) > 1
    shares = changed.float().mean(dim=(1, 2))
    assert 0.22 < (shares > 0).float().mean() < 0.38
    assert shares.max() < 0.25
    one = int(shares.argmax())
    ys, xs = changed[one].nonzero().T
    assert (ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1) <= 1.3 * changed[one].sum()
    assert torch.equal(augment(images, drawn, ranges=only(erase=0)), augment(images, drawn, ranges=NOTHING))


def test_the_first_draws_are_those_of_older_versions() -> None:
    basic = np.random.Generator(np.random.Philox(key=[3, 7])).uniform(-1, 1, (50, 15))
    later = np.random.Generator(np.random.Philox(key=[3, 7], counter=[0, 0, 0, 1])).uniform(-1, 1, (50, 9))
    assert np.array_equal(draw(3, 7, n_photos=50)[:, :15], basic.astype(np.float32))
    assert np.array_equal(draw(3, 7, n_photos=50)[:, 15:24], later.astype(np.float32))


def test_shearing_leans_rows_aside_and_columns_up() -> None:
    dots = torch.zeros(1, 3, 60, 40, dtype=torch.uint8)
    dots[:, :, 28:32, 18:22] = 255
    dots[:, :, 8:12, 18:22] = 255  # 20 above the middle
    leaning = augment(dots, draws(1, **{f"c{OWN}": 1.0}), ranges=only(shear_deg=26.565))[0, 0]  # a slope of a half
    assert leaning[10].argmax() - leaning[30].argmax() == 10
    assert leaning[30].argmax() == dots[0, 0, 30].argmax()
    aside = torch.zeros(1, 3, 40, 60, dtype=torch.uint8)
    aside[:, :, 18:22, 48:52] = 255  # 20 right of the middle
    leaning = augment(aside, draws(1, **{f"c{OWN + 1}": 1.0}), ranges=only(shear_deg=26.565))[0, 0]
    assert leaning[:, 50].argmax() == 8


def test_hue_turns_colours_and_gamma_bends_brightness() -> None:
    red = torch.tensor([200, 40, 40], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 8, 8).contiguous()
    turned = augment(red, draws(1, **{f"c{OWN + 2}": 1.0}), ranges=only(hue=1 / 3))  # a third of the circle
    assert torch.allclose(turned[0, :, 4, 4], torch.tensor([40.0, 200.0, 40.0]), atol=0.5)
    bent = augment(red, draws(1, **{f"c{OWN + 3}": 1.0}), ranges=only(gamma=0.5))
    assert torch.allclose(bent[0, :, 4, 4], 255 * (torch.tensor([200.0, 40.0, 40.0]) / 255) ** 1.5, atol=0.05)


def test_a_window_is_taken_anywhere_within_the_photo_and_pixel_by_pixel() -> None:
    ramp = (10 * torch.arange(8)[:, None] + torch.arange(6)).byte().expand(200, 3, 8, 6)
    drawn = torch.from_numpy(draw(0, 0, n_photos=200))
    seen = augment(ramp, drawn, ranges=NOTHING, window=(5, 4))
    assert seen.shape == (200, 3, 5, 4)
    starts = seen[:, 0, 0, 0].round().long()
    tops, lefts = starts // 10, starts % 10
    assert sorted(set(tops.tolist())) == [0, 1, 2, 3]
    assert sorted(set(lefts.tolist())) == [0, 1, 2]
    for photo, top, left in zip(seen, tops.tolist(), lefts.tolist(), strict=True):
        assert (photo - ramp[0, :, top : top + 5, left : left + 4]).abs().max() < 0.02
    assert torch.equal(augment(ramp, drawn, ranges=NOTHING, window=(8, 6)), augment(ramp, drawn, ranges=NOTHING))


@pytest.mark.parametrize("name", KEYED_OPERATIONS)
def test_an_operation_hits_the_share_that_was_asked_for_and_nobody_else(name: str) -> None:
    images = torch.nn.functional.interpolate(photos(300).float(), scale_factor=2, mode="bilinear").byte()
    drawn = torch.from_numpy(draw(0, 0, n_photos=300))
    seen = augment(images, drawn, ranges=only(**{name: 0.3}))
    is_hit = (drawn[:, KEYED + SLOT * KEYED_OPERATIONS.index(name)] + 1) / 2 < 0.3
    changed = (seen - augment(images, drawn, ranges=NOTHING)).abs().amax(dim=(1, 2, 3))
    assert (changed[~is_hit] == 0).all()
    assert (changed[is_hit] > 0.05).float().mean() > 0.6  # some draws are so near 0 that nothing is seen
    weak = augment(images, drawn, ranges=only(**{name: 0.3}).model_copy(update={"strength": {name: 0.0}}))
    if name != "grey":  # which knows no strength
        assert (weak - augment(images, drawn, ranges=NOTHING)).abs().max() < 0.02


@pytest.mark.parametrize(("size", "side"), [(0.5, 20), (10, 10)])
def test_cutout_hides_squares_of_a_share_of_the_height_or_of_pixels(size: float, side: int) -> None:
    images = photos(300, height=40, width=60)
    drawn = torch.from_numpy(draw(0, 0, n_photos=300))
    ranges = only(cutout=0.5).model_copy(update={"cutout_size": size})
    hidden = (augment(images, drawn, ranges=ranges) - augment(images, drawn, ranges=NOTHING)).abs().amax(1) > 0
    assert 0.4 < hidden.any(dim=(1, 2)).float().mean() < 0.6
    heights, widths = hidden.any(dim=2).sum(dim=1), hidden.any(dim=1).sum(dim=1)
    assert heights.max() == widths.max() == side
    half = drawn[:, POLICY:]  # what policies draw is nobody else's
    assert half.shape[1] == N_DRAWS - POLICY


def test_a_policy_changes_each_photo_by_its_own_draws() -> None:
    images = photos(12, height=40, width=32)
    drawn = torch.from_numpy(draw(0, 0, n_photos=12))
    pair = ("rotate", 1.0, 1.0), ("invert", 0.5, 1.0)
    for policy in ("rand", "trivial", ((pair,),)):
        ranges = NOTHING.model_copy(update={"policy": policy})
        together = augment(images, drawn, ranges=ranges)
        assert (together - images).abs().amax(dim=(1, 2, 3)).gt(5).float().mean() > 0.5
        assert torch.allclose(augment(images[[7, 2]], drawn[[7, 2]], ranges=ranges), together[[7, 2]], atol=1e-3)
        assert together.min() >= 0
        assert together.max() <= 255
