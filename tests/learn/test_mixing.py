from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trifacet.core.recipe_photos import AugmentSection
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.losses import Labels
from trifacet.learn.mixing import Mix, Mixing, draw_mix, make_mixing, mixed

CLASSES = DEFAULT_SCHEMA.decode(np.arange(18))


def made(**ranges: float) -> Mixing:
    mixing = make_mixing(AugmentSection(**ranges), DEFAULT_SCHEMA, classes=CLASSES)
    assert mixing is not None
    return mixing


def drawn(mixing: Mixing, n: int = 400) -> list[Mix]:
    return [draw_mix(np.random.default_rng(i), mixing, n_photos=8) for i in range(n)]


def put(mix: Mix, photos: torch.Tensor):
    """The photos mixed, the classes of their partners, and the share of a photo's own; photo 100 + i is example i."""
    labels = Labels(torch.arange(len(photos))[:, None], torch.zeros(len(photos)), torch.ones(len(photos)))

    def load(examples: np.ndarray) -> tuple[torch.Tensor, Labels]:
        classes = torch.from_numpy(100 + examples)
        shown = classes[:, None, None, None].expand(-1, 3, *photos.shape[2:]).float()
        return shown, Labels(classes[:, None], torch.zeros(len(examples)), torch.ones(len(examples)))

    seen, others, share = mixed(photos, labels, mix=mix, load=load, change=lambda photos, _: photos + 0.5)
    return seen, others and others.classes[:, 0].tolist(), share


def flat(*values: float, height: int = 4, width: int = 6) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, 3, height, width).clone()


def test_mixup_blends_each_photo_with_the_next() -> None:
    seen, others, share = put(Mix(0.75), flat(0.0, 100.0, 200.0))
    assert seen[:, 0, 0, 0].tolist() == [25.0, 125.0, 150.0]
    assert (others, share) == ([1, 2, 0], 0.75)
    same, others, share = put(Mix(), flat(0.0, 100.0))
    assert torch.equal(same, flat(0.0, 100.0))
    assert (others, share) == (None, 1.0)


def test_the_shares_of_mixup_are_those_of_older_versions() -> None:
    old, new = np.random.default_rng(5), np.random.default_rng(5)
    assert draw_mix(new, made(mixup=0.4), n_photos=8) == Mix(float(old.beta(0.4, 0.4)))
    assert draw_mix(new, None, n_photos=8) == Mix()
    assert new.random() == old.random()  # nothing else was drawn


def test_a_box_of_the_next_photo_is_pasted_and_the_share_is_that_of_whole_pixels() -> None:
    seen, others, share = put(Mix(0.7, (0.0, 0.2, 0.5, 0.8)), flat(10.0, 20.0))
    expected = torch.full((4, 6), 10.0)
    expected[:2, 1:5] = 20
    assert torch.equal(seen[0, 0], expected)
    assert others == [1, 0]
    assert share == 1 - 8 / 24


def test_boxes_are_of_the_shares_that_beta_draws_and_lie_within_the_photo() -> None:
    mixes = drawn(made(cutmix=1.0))
    assert len({mix.box for mix in mixes}) == len(mixes)
    for mix in mixes:
        assert mix.box is not None
        top, left, bottom, right = mix.box
        assert 0 <= top <= bottom <= 1
        assert 0 <= left <= right <= 1
        assert mix.share == pytest.approx(1 - (bottom - top) * (right - left))
        assert mix.partners is None
    assert 0.55 < np.mean([mix.share for mix in mixes]) < 0.75  # a half, and more where a box leaves the photo


def test_a_vertical_half_is_the_left_or_the_right_one() -> None:
    mixes = drawn(made(half_cutmix=0.5))
    halves = [mix for mix in mixes if mix.box]
    assert 0.4 < len(halves) / len(mixes) < 0.6
    assert {mix.box for mix in halves} == {(0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)}
    assert [mix.share for mix in mixes if not mix.box] == [1.0] * (len(mixes) - len(halves))
    seen, _, share = put(Mix(0.5, (0.0, 0.5, 1.0, 1.0)), flat(10.0, 20.0))
    assert seen[0, 0, 0].tolist() == [10, 10, 10, 20, 20, 20]
    assert share == 0.5


def test_half_of_every_photo_is_of_the_oldest_class_as_training_would_show_it() -> None:
    mixing = made(old_halves=1.0)
    assert mixing.oldest.tolist() == [2, 5, 8, 11, 14, 17]
    mixes = drawn(mixing)
    assert {int(row) for mix in mixes for row in mix.partners} == {2, 5, 8, 11, 14, 17}  # type: ignore[union-attr]
    assert all(len(mix.partners) == 8 and mix.share == 0.5 for mix in mixes)  # type: ignore[arg-type]
    seen, others, share = put(Mix(0.5, (0.0, 0.0, 1.0, 0.5), np.array([5, 17])), flat(10.0, 20.0))
    assert seen[:, 0, 0].tolist() == [[105.5] * 3 + [10] * 3, [117.5] * 3 + [20] * 3]
    assert (others, share) == ([105, 117], 0.5)


def test_kinds_of_mixing_share_the_steps() -> None:
    mixes = drawn(made(old_halves=0.25, half_cutmix=0.25, cutmix=1.0, mixup=0.2), 800)
    kinds = [
        "old" if mix.partners is not None else "half" if mix.box and mix.box[3] - mix.box[1] == 0.5
        and mix.box[0] == 0 and mix.box[2] == 1 else "box" if mix.box else "blend" for mix in mixes
    ]  # fmt: skip
    assert [kinds.count(kind) / 800 for kind in ("old", "half", "box", "blend")] == pytest.approx([0.25] * 4, abs=0.06)
    assert drawn(made(cutmix=1.0), 5) == drawn(made(cutmix=1.0), 5)


def test_a_mirrored_box_pastes_the_mirror_image() -> None:
    photos = torch.rand(3, 3, 10, 8, generator=torch.Generator().manual_seed(0)) * 255
    mix = Mix(0.5, (0.1, 0.25, 0.6, 0.5))
    mirrored = replace(mix, box=(0.1, 0.5, 0.6, 0.75))
    assert torch.equal(put(mirrored, photos.flip(3))[0], put(mix, photos)[0].flip(3))


def test_a_recipe_that_mixes_nothing_has_no_mixing() -> None:
    assert make_mixing(AugmentSection(), DEFAULT_SCHEMA, classes=CLASSES) is None
