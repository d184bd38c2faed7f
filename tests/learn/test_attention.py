from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.tiny import FOUR_BANDS
from trifacet.core.predictions import argmax_rule
from trifacet.core.schema import LabelSchema
from trifacet.learn.attention import all_places, occlusion, shared_places
from trifacet.learn.predictor import Model
from trifacet.pixels.preprocess import Geometry

SCHEMA = LabelSchema(attributes=FOUR_BANDS.attributes[:1])  # on, off


class Corner(nn.Module):
    """A network that knows `on` by the brightness of the top left sixth alone."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        bright = images[:, :, :4, :3].mean(dim=(1, 2, 3)) / 255
        return {"mask": torch.stack([6 * bright - 3, 3 - 6 * bright], dim=1)}


@pytest.fixture
def model() -> Model:
    return Model(
        net=Corner(),
        schema=SCHEMA,
        decision=argmax_rule(SCHEMA),
        geometry=Geometry(24, 18),
        device=torch.device("cpu"),
        tta="none",
        made_by={},
        backbone="corner",
    )


def photos(n: int) -> np.ndarray:
    """Dark photos with a bright corner, at the top left."""
    images = np.full((n, 24, 18, 3), 20, dtype=np.uint8)
    images[:, :4, :3] = 250
    return images


def test_only_the_place_that_decides_lowers_the_answer(model: Model) -> None:
    answers = np.zeros((2, 1), dtype=np.int64)
    drops, plain = occlusion(model, photos(2), answers=answers, places=all_places(2, grid=6), grid=6, seconds=60)
    assert drops.shape == (2, 36, 1)
    assert plain[:, 0] == pytest.approx(1 / (1 + np.exp(-2 * (6 * 250 / 255 - 3))), abs=1e-5)
    assert (drops[:, 0, 0] > 0.9).all()
    assert drops[:, 1:] == pytest.approx(0, abs=1e-6)
    against, _ = occlusion(model, photos(2), answers=1 - answers, places=all_places(2, grid=6), grid=6, seconds=60)
    assert (against[:, 0, 0] < -0.9).all()  # covering it makes the other answer surer


def test_places_are_rows_of_the_grid_from_the_top_left(model: Model) -> None:
    turned = photos(1)[:, ::-1].copy()  # bright at the bottom left
    turned[:, :4, :3] = 250
    places = np.array([[5, 30, 35, 0]])
    drops, _ = occlusion(model, turned, answers=np.zeros((1, 1), dtype=np.int64), places=places, grid=6, seconds=60)
    assert drops[0, :, 0].round(2).tolist() == [0, 0, 0, pytest.approx(drops.max().round(2))]


def test_a_time_that_is_up_leaves_a_batch_of_the_first_photos(model: Model) -> None:
    answers = np.zeros((40, 1), dtype=np.int64)
    drops, plain = occlusion(model, photos(40), answers=answers, places=all_places(40, grid=6), grid=6, seconds=0)
    assert 0 < len(drops) == len(plain) < 40
    whole, _ = occlusion(model, photos(40), answers=answers, places=all_places(40, grid=6), grid=6, seconds=60)
    assert len(whole) == 40
    np.testing.assert_allclose(whole[: len(drops)], drops, atol=1e-6)


@pytest.mark.parametrize(("grid", "n_places"), [(6, 9), (6, 7), (4, 5)])
def test_any_first_photos_share_the_places_evenly(grid: int, n_places: int) -> None:
    places = shared_places(50, grid=grid, n_places=n_places)
    assert all(len(set(row)) == n_places for row in places.tolist())
    for n in (grid**2, 3, 50):
        counts = np.bincount(places[:n].ravel(), minlength=grid**2)
        assert counts.max() - counts.min() <= 1
