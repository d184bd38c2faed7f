from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learn import tiny
from trifacet.core.run import open_run
from trifacet.learn.inputs import USUAL_MEAN, USUAL_STD, Inputs, middle
from trifacet.learn.predictor import geometry_of, load_run_net
from trifacet.learn.train import train

USUAL = torch.tensor([USUAL_MEAN, USUAL_STD])


def inputs(*sets: str) -> Inputs:
    return Inputs(tiny.recipe(sets).data)


def photos(n: int = 4, side: int = 24) -> torch.Tensor:
    return torch.from_numpy(tiny.photos(n, side=side)[1]).permute(0, 3, 1, 2).float()


def moments(images: torch.Tensor, dim: tuple[int, ...]) -> torch.Tensor:
    return torch.stack([images.mean(dim=dim), images.std(dim=dim, correction=0)], dim=-2)


def test_photos_are_left_alone_where_nothing_is_asked_for() -> None:
    images = photos()
    assert inputs()(images) is images
    assert inputs().state_dict() == {}
    assert inputs().measure(tiny.photos()[1], np.arange(3)) == {}


def test_each_photo_may_be_normalised_by_its_own_mean_and_deviation() -> None:
    net = inputs("data.normalize=per_image")
    images = photos()
    seen = net(images)
    assert torch.allclose(moments(seen, (2, 3)), USUAL.expand(4, 2, 3), atol=0.01)
    assert torch.allclose(net(0.5 * images + 20), seen, atol=0.01)  # light and contrast of a photo change nothing
    assert torch.allclose(net(images[2:3]), seen[2:3], atol=1e-4)
    assert torch.allclose(net(torch.full((1, 3, 8, 8), 77.0)), USUAL[0].view(1, 3, 1, 1).expand(1, 3, 8, 8))


def test_photos_may_be_normalised_by_the_statistics_of_the_training_photos() -> None:
    net, (_, images) = inputs("data.normalize=dataset"), tiny.photos()
    rows = np.arange(27)
    told = net.measure(images, rows)
    assert told["pixel_mean"] == pytest.approx(images[rows].mean(axis=(0, 1, 2)), abs=1e-3)
    assert told["pixel_std"] == pytest.approx(images[rows].std(axis=(0, 1, 2)), abs=1e-3)
    seen = net(torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float())
    assert torch.allclose(moments(seen, (0, 2, 3)), USUAL, atol=0.05)


def test_the_middle_of_a_mirror_image_is_the_mirror_image_of_the_middle() -> None:
    images = photos(2, side=30)
    assert torch.equal(middle(images, size=(24, 20)), images[:, :, 3:27, 5:25])
    assert torch.equal(middle(images.flip(3), size=(24, 20)), middle(images, size=(24, 20)).flip(3))
    assert middle(images, size=(30, 30)).shape == images.shape


@pytest.mark.parametrize(
    ("sets", "stored"),
    [
        pytest.param((), (24, 24), id="all of it"),
        pytest.param(("data.random_crop=[0.75, 0.5]",), (32, 48), id="shares"),
        pytest.param(("data.random_crop=[0.9, 0.9]",), (26, 26), id="an even rest"),
        pytest.param(
            ("data.crop=centre", "data.crop_size=[384, 288]", "data.random_crop=[320, 240]",
             "data.image_size=[320, 240]"), (384, 288), id="pixels",
        ),
    ],
)  # fmt: skip
def test_what_is_stored_is_as_much_larger_as_the_random_crop_is_smaller(sets, stored) -> None:
    recipe = tiny.recipe(sets)
    assert recipe.data.stored_size == stored
    geometry = geometry_of(recipe)
    assert (geometry.height_px, geometry.width_px) == stored
    assert (geometry.crop, geometry.crop_size) == (recipe.data.crop, recipe.data.crop_size)


def test_a_run_predicts_on_the_middle_and_by_the_statistics_that_it_was_trained_with(tmp_path: Path) -> None:
    sets = ("data.random_crop=[0.75, 0.75]", "data.normalize=dataset", "train.epochs=1", "augment.old_halves=0.5")
    manifest, images = tiny.photos(side=32)
    train(tiny.new_run(tmp_path / "run", sets), manifest, images=images)
    run = open_run(tmp_path / "run")
    net = load_run_net(run, "last")
    assert net.inputs.mean.tolist() == pytest.approx(run.info.machine["pixel_mean"], abs=1e-3)
    assert net.inputs.mean.tolist() == pytest.approx(images[:27].mean(axis=(0, 1, 2)), abs=1e-3)
    whole = torch.from_numpy(images[:3]).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        assert torch.equal(net(whole)["age"], net(whole[:, :, 4:28, 4:28])["age"])
        around = whole.clone()
        around[:, :, :4] = 0
        assert torch.equal(net(around)["age"], net(whole)["age"])  # what lies around the middle is not seen
