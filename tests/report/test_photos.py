from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.report.example import example
from trifacet.core.predictions import Predictions
from trifacet.pages.contact import thumbnail_uri
from trifacet.report import predictions_page


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    return example(30)[0]


def shown(page: str) -> dict[str, list[str]]:
    parts = re.findall(r'<section id="class-(\d+)".*?</section>', page, flags=re.DOTALL)
    bodies = re.findall(r'<section id="class-\d+"(.*?)</section>', page, flags=re.DOTALL)
    return {part: re.findall(r'<figure title="([^:"]+):', body) for part, body in zip(parts, bodies, strict=True)}


def test_photos_stand_by_predicted_class_the_least_certain_first(predictions: Predictions) -> None:
    classes = dict(zip(predictions.ids, predictions.classes, strict=True))
    confidence = dict(zip(predictions.ids, predictions.confidence, strict=True))
    by_class = shown(predictions_page(predictions, {}, title="t"))
    assert sorted(photo for photos in by_class.values() for photo in photos) == sorted(
        photo for photo, c in classes.items() if c >= 0
    )
    for joint, photos in by_class.items():
        assert {classes[photo] for photo in photos} == {int(joint)}
        assert [confidence[p] for p in photos] == sorted(confidence[p] for p in photos)


def test_unread_photos_are_named_with_their_status(predictions: Predictions) -> None:
    page = predictions_page(predictions, {}, title="t")
    part = page[page.index('<section id="unread"') :]
    unread = [photo for photo, error in zip(predictions.ids, predictions.errors, strict=True) if error]
    assert re.findall(r'<th scope="row">([^<]+)</th><td>truncated</td>', part) == unread
    assert len(unread) == 2


def test_shares_stand_beside_the_prior(predictions: Predictions) -> None:
    page = predictions_page(predictions, {}, title="t", prior=[1 / 18] * 18)
    assert "share in training" in page
    assert '<th scope="col" class="number">in training</th>' in page
    assert "share in training" not in predictions_page(predictions, {}, title="t")


def test_of_too_many_photos_each_class_shows_its_least_certain(predictions: Predictions) -> None:
    whole, part = (shown(predictions_page(predictions, {}, title="t", max_photos=n)) for n in (10_000, 100))
    assert set(part) == set(whole)
    assert all(photos == whole[joint][: len(photos)] for joint, photos in part.items())
    assert 100 <= sum(map(len, part.values())) <= 100 + len(part)


def test_a_page_of_2500_photos_stays_under_10_mb() -> None:
    predictions, _ = example(357)
    worst = [thumbnail_uri(np.random.default_rng(i).integers(0, 256, (96, 72, 3), dtype=np.uint8)) for i in range(8)]
    heaviest = max(worst, key=len)
    page = predictions_page(predictions, dict.fromkeys(predictions.ids, heaviest), title="t")
    assert len(predictions) == 2_499
    assert page.count("<img") == 2_497
    assert len(page.encode()) < 10_000_000


def test_the_estimated_age_stands_with_each_photo_where_it_is_known(predictions: Predictions) -> None:
    page = predictions_page(predictions, {}, title="t")
    told = dict(re.findall(r'<figure title="([^:"]+): [^"]*, about (\d+) years"', page))
    years = dict(zip(predictions.ids, predictions.age_years, strict=True))
    assert told == {i: f"{years[i]:.0f}" for i, read in zip(predictions.ids, predictions.is_read, strict=True) if read}
    assert page.count("<span>about ") == len(told)
    assert "about" not in predictions_page(replace(predictions, age_probs=None), {}, title="t")
