"""The figures of an epoch on val."""

from __future__ import annotations

import math

import numpy as np
import torch

from trifacet.core.schema import LabelSchema
from trifacet.learn.losses import Labels, Loss
from trifacet.learn.models import Net, answer_probs
from trifacet.learn.phases import Data, Logits, Phase
from trifacet.measure.classification import accuracy, macro_f1


@torch.no_grad()
def validate(net: Net, phase: Phase, *, data: Data, loss: Loss, schema: LabelSchema) -> dict[str, float]:
    """Figures of one epoch on val, by argmax without test-time augmentation; NaN where no label is known.

    `val_score` picks the best epoch: the joint macro F1, or the attributes' mean where no photo has all labels.
    """
    net.eval()
    labels = data.labels.rows(torch.from_numpy(data.val_rows).to(data.device))
    logits = phase.answer_val()
    return {"val_loss": float(loss(logits, labels)), **_figures(logits, labels, schema=schema)}


def score_of(logits: Logits, labels: Labels, *, schema: LabelSchema) -> float:
    """What picks the best epoch (`validate`) of these answers."""
    return _figures(logits, labels, schema=schema)["val_score"]


def _figures(logits: Logits, labels: Labels, *, schema: LabelSchema) -> dict[str, float]:
    joint, years = (None if p is None else p.cpu().numpy() for p in answer_probs(logits, schema))
    assert joint is not None
    truth = labels.classes.cpu().numpy()
    answers, truth_joint = joint.argmax(axis=1), schema.encode(truth)
    figures = {"val_macro_f1": math.nan, "val_accuracy": accuracy(truth_joint, answers)}
    if (truth_joint >= 0).any():
        figures["val_macro_f1"] = macro_f1(truth_joint, answers, n_classes=schema.n_joint)
    scores = []
    for i, attribute in enumerate(schema.attributes):
        column = schema.marginal(joint, attribute.name).argmax(axis=1)
        figures[f"val_{attribute.name}_accuracy"] = accuracy(truth[:, i], column)
        if (truth[:, i] >= 0).any():
            scores.append(macro_f1(truth[:, i], column, n_classes=len(attribute.classes)))
    if years is not None:
        off = np.abs(years @ schema.year_grid - labels.age_years.cpu().numpy())
        figures["val_age_mae_years"] = float(np.nanmean(off)) if np.isfinite(off).any() else math.nan
    joint_score = figures["val_macro_f1"]
    figures["val_score"] = float(np.mean(scores)) if math.isnan(joint_score) else joint_score
    return figures
