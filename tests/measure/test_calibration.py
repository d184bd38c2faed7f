from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from trifacet.measure.calibration import (
    calibration_error,
    chance_error,
    fit_temperature,
    log_losses,
    reliability,
    temper,
)


def calibrated(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 3) and labels drawn from just these probabilities."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet([0.7, 0.7, 0.7], size=n)
    return probs, (probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 2)


def test_log_loss_of_a_zero_is_large_but_finite() -> None:
    assert log_losses(np.array([[1.0, 0.0]]), np.array([1])).tolist() == pytest.approx([27.631], abs=1e-3)
    assert log_losses(np.array([[1.0, 0.0]]), np.array([0])).tolist() == [0.0]


def test_calibrated_probabilities_have_little_calibration_error_and_oversure_ones_much() -> None:
    probs, truth = calibrated(20_000)
    error, oversure = (
        calibration_error(reliability(made.max(axis=1), made.argmax(axis=1) == truth))
        for made in (probs, temper(probs, 0.3))
    )
    assert error < 0.015
    assert oversure > 0.1


def test_reliability_bins_hold_equally_many_photos_and_ascend() -> None:
    probs, truth = calibrated(1_500)
    bins = reliability(probs.max(axis=1), probs.argmax(axis=1) == truth)
    assert [b.n_photos for b in bins] == [100] * 15
    assert all(one.high <= other.low for one, other in pairwise(bins))
    assert all(b.low <= b.confidence <= b.high for b in bins)


def test_photos_of_equal_confidence_share_a_bin() -> None:
    (only,) = reliability(np.full(40, 0.8), np.arange(40) < 30)
    assert (only.low, only.high, only.accuracy, only.n_photos) == (0.8, 0.8, 0.75, 40)
    assert calibration_error((only,)) == pytest.approx(0.05)


def test_reliability_of_nothing_is_empty_and_its_error_not_a_number() -> None:
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)) == ()
    assert np.isnan(calibration_error(()))


@pytest.mark.parametrize("distortion", [0.5, 1.0, 2.5])
def test_fitted_temperature_undoes_a_known_distortion(distortion: float) -> None:
    probs, truth = calibrated(20_000)
    assert fit_temperature(temper(probs, 1 / distortion), truth) == pytest.approx(distortion, rel=0.05)


def test_fitted_temperature_is_no_worse_than_any_other_on_a_grid() -> None:
    rng = np.random.default_rng(3)
    probs, truth = rng.dirichlet([1, 1, 1, 1], size=400), rng.integers(0, 4, 400)
    best = log_losses(temper(probs, fit_temperature(probs, truth)), truth).mean()
    assert best <= min(log_losses(temper(probs, t), truth).mean() for t in np.linspace(0.25, 8, 300)) + 1e-9


def test_temperature_stays_within_its_bounds() -> None:
    sure = np.array([[0.6, 0.4]] * 50)
    assert fit_temperature(sure, np.zeros(50, dtype=int)) == pytest.approx(0.25, abs=1e-6)
    assert fit_temperature(sure, np.ones(50, dtype=int)) == pytest.approx(8.0, abs=1e-3)
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 1.0


def test_the_error_by_chance_is_what_faultless_probabilities_show() -> None:
    found, told = [], []
    for seed in range(40):
        probs, truth = calibrated(400, seed=seed)
        answer = probs.argmax(axis=1)
        bins = reliability(probs.max(axis=1), answer == truth)
        found.append(calibration_error(bins))
        told.append(chance_error(bins))
    assert np.mean(told) == pytest.approx(np.mean(found), rel=0.1)
    assert np.isnan(chance_error(()))
