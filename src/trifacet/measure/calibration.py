"""Whether probabilities mean what they say: negative log-likelihood, calibration error, reliability, temperature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trifacet.core.evaluation import ReliabilityBin

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

N_BINS = 15  # Guo et al. 2017, section 3
PROB_FLOOR = 1e-12  # a probability of 0 costs 27.6 nats, not infinity
TEMPERATURES = (0.25, 8.0)


def log_losses(probs: FloatArray, truth: IntArray) -> FloatArray:
    """-log p of the true class per photo, (N,), >= 0, lower is better; from probs (N, C) and class ids (N,) >= 0."""
    chosen = np.take_along_axis(np.asarray(probs, dtype=np.float64), np.asarray(truth)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(chosen, PROB_FLOOR, 1.0)))


def reliability(
    confidence: FloatArray, is_right: npt.NDArray[np.bool_], *, n_bins: int = N_BINS
) -> tuple[ReliabilityBin, ...]:
    """Photos ordered by confidence (N,) in 0..1 and cut into `n_bins` bins of equal number, least confident first.

    Photos of equal confidence share a bin, so fewer bins come back where many are alike.
    Source: Nixon et al. 2019 and Roelofs et al. 2022: bins of equal mass bias the error less than equal width.
    """
    order = np.argsort(confidence, kind="stable")
    sure, right = np.asarray(confidence, dtype=np.float64)[order], np.asarray(is_right)[order]
    if not len(sure):
        return ()
    starts = np.unique(np.searchsorted(sure, sure[np.arange(n_bins) * len(sure) // n_bins]))
    return tuple(
        ReliabilityBin(float(s[0]), float(s[-1]), float(s.mean()), float(r.mean()), len(s))
        for s, r in zip(np.split(sure, starts[1:]), np.split(right, starts[1:]), strict=True)
    )


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Expected calibration error, 0 (confidence equals the share of right answers) .. 1.

    Source: Guo et al. 2017, eq. 3, over the given bins.
    """
    n = sum(b.n_photos for b in bins)
    return sum(b.n_photos * abs(b.accuracy - b.confidence) for b in bins) / n if n else float("nan")


def chance_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """The calibration error that probabilities without fault would show over as many photos, drawn independently.

    The mean distance of a share of n coins of probability p from p is about sqrt(2/pi) standard deviations.
    Source: Kumar et al. 2019, section 4: a calibration error over bins lies above the true one.
    """
    n = sum(b.n_photos for b in bins)
    noise = sum(np.sqrt(b.n_photos * max(b.confidence * (1 - b.confidence), 0.0)) for b in bins)
    return float(np.sqrt(2 / np.pi) * noise / n) if n else float("nan")


def temper(probs: FloatArray, temperature: float) -> FloatArray:
    """Probabilities (N, C) with their logs divided by `temperature`: above 1 less sure, below 1 more sure."""
    logs = np.log(np.maximum(np.asarray(probs, dtype=np.float64), PROB_FLOOR)) / temperature
    scaled = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def fit_temperature(probs: FloatArray, truth: IntArray) -> float:
    """The temperature in 0.25..8 with the least mean -log p, from probs (N, C) and class ids (N,) >= 0; 1 without rows.

    The loss is convex in b = 1/T with slope mean(E_b[log p] - log p_true), so the root of the slope is bracketed and
    halved: no step size, no divergence. Source: Guo et al. 2017, section 4.2.
    """
    if not len(probs):
        return 1.0
    logs = np.log(np.maximum(np.asarray(probs, dtype=np.float64), PROB_FLOOR))
    target = np.take_along_axis(logs, np.asarray(truth)[:, None], axis=1).mean()
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(30):
        middle = (low + high) / 2
        weights = np.exp(middle * (logs - logs.max(axis=1, keepdims=True)))
        slope = ((weights * logs).sum(axis=1) / weights.sum(axis=1)).mean() - target
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(2 / (low + high))
