"""Small heads on the features of a frozen network: models of the task that are fitted in seconds.

The features are face templates: they live in memory, and nothing here writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trifacet import open_recipe
from trifacet.core.manifest import Manifest
from trifacet.core.predictions import Predictions
from trifacet.core.schema import IntArray, LabelSchema
from trifacet.learn.device import seed_everything
from trifacet.learn.features import batches, to_tensor
from trifacet.learn.losses import Labels, make_loss
from trifacet.learn.models import Head, answer_probs, answer_sizes
from trifacet.learn.predictor import geometry_of
from trifacet.learn.start import starting_net
from trifacet.opening import Progress, open_inputs, quiet, telling

N_AXES = (
    256  # main axes of the features that linear heads read; both chosen among nine pairs by macro F1 on right labels
)
WEIGHT_DECAY = 1e-3
BLUR_YEARS = 2.0  # the deviation of the years that a label stands for; as the recipes have it
STEPS = 60  # of L-BFGS
LEAST_SHARE = 1e-3  # what nobody near is labelled is not thought impossible

Logits = Mapping[str, Tensor]
Answering = Callable[[Tensor], Logits]
Fit = Callable[[Tensor, Manifest, IntArray], Answering]  # features of all photos, labels, rows to learn from


def features(manifest: Manifest, *, recipe: str = "instant", progress: Progress = quiet) -> npt.NDArray[np.float32]:
    """What the frozen network of a recipe sees in each photo and in its mirror image, their mean (N, F) float32."""
    settings = open_recipe(recipe).settings
    inputs = open_inputs(manifest, geometry_of(settings), progress=progress)
    return features_of(inputs, manifest.schema, recipe=recipe, progress=progress)


@torch.inference_mode()
def features_of(
    inputs: npt.NDArray[np.uint8], schema: LabelSchema, *, recipe: str = "instant", progress: Progress = quiet
) -> npt.NDArray[np.float32]:
    """The same of inputs (N, h, w, 3) uint8 that are ready for the network."""
    settings, cpu = open_recipe(recipe).settings, torch.device("cpu")
    net = starting_net(schema, settings, init=None, device=cpu).eval()
    told, parts, done = telling(progress, "computing features"), [], 0
    for rows in batches(np.arange(len(inputs)), 128):
        photos = to_tensor(inputs[rows], cpu).float()
        parts.append((net.features(photos) + net.features(photos.flip(3))).numpy() / 2)
        told(done := done + len(rows), len(inputs))
    return np.concatenate(parts)


def main_axes(seen: npt.NDArray[np.float32], n_axes: int = N_AXES) -> Callable[[npt.NDArray[np.float32]], Tensor]:
    """What takes features (N, F) to their place along the `n_axes` main axes of these, (N, n_axes).

    Of those that made the axes the mean square is 1. No label has a part in it.
    """
    mean, std = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-6)
    scaled = (seen - mean) / std
    values, axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    axes = axes[:, ::-1][:, :n_axes] / np.sqrt(values[::-1][:n_axes].mean())
    return lambda other: torch.from_numpy(np.asarray((other - mean) / std @ axes, dtype=np.float32))


def linear(seen: Tensor, manifest: Manifest, rows: IntArray) -> Answering:
    """Softmax heads, one an attribute (over years for the age), fitted to the labels of these rows; what they answer.

    seen: (N, D) float32, a row for each of the manifest. Convex: nothing here is drawn.
    """
    x = torch.cat([seen[rows], torch.ones(len(rows), 1)], dim=1)
    targets = _targets(manifest, rows)
    sizes = [target.shape[1] for target in targets.values()]
    weight = torch.zeros(x.shape[1], sum(sizes), requires_grad=True)
    solver = torch.optim.LBFGS([weight], max_iter=STEPS, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        solver.zero_grad()
        parts = zip(targets.values(), torch.split(x @ weight, sizes, dim=1), strict=True)
        losses = [-(target * logits.log_softmax(1)).sum(1).mean() for target, logits in parts]
        loss = torch.stack(losses).sum() + WEIGHT_DECAY / 2 * weight[:-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(step)  # type: ignore[no-untyped-call]
    solved = weight.detach()
    return lambda other: dict(zip(targets, torch.split(other @ solved[:-1] + solved[-1], sizes, dim=1), strict=True))


def nearest(seen: Tensor, manifest: Manifest, rows: IntArray) -> Answering:
    """What the likest photo among these rows is labelled: a model that knows people again, as a network does that was
    trained for long.

    seen: (N, D) float32, a row for each of the manifest.
    """
    known = torch.nn.functional.normalize(seen[rows], dim=1)
    targets = _targets(manifest, rows)

    def answered(other: Tensor) -> Logits:
        closest = (torch.nn.functional.normalize(other, dim=1) @ known.T).argmax(dim=1)
        return {name: target[closest].clamp_min(LEAST_SHARE).log() for name, target in targets.items()}

    return answered


def _targets(manifest: Manifest, rows: IntArray) -> dict[str, Tensor]:
    """What each head should answer, (n, classes or years) float32."""
    schema, found = manifest.schema, {}
    for i, attribute in enumerate(schema.attributes):
        if attribute.edges:
            away = (schema.year_grid[None, :] - manifest.ages[rows][:, None]) / BLUR_YEARS
            bell = np.exp(-0.5 * away**2)
            found[attribute.name] = torch.from_numpy((bell / bell.sum(axis=1, keepdims=True)).astype(np.float32))
        else:
            found[attribute.name] = torch.eye(len(attribute.classes))[torch.from_numpy(manifest.classes[rows, i])]
    return found


def recipes_head(recipe: str = "instant", *, seed: int = 0) -> Fit:
    """The head of a recipe, trained as it says, on features as they are: not drawn anew, no axis scaled apart."""
    settings = open_recipe(recipe).settings

    def fitted(seen: Tensor, manifest: Manifest, rows: IntArray) -> Answering:
        seed_everything(seed)
        head = Head(seen.shape[1], answer_sizes(manifest.schema, settings.model), model=settings.model)
        labels = Labels(
            torch.from_numpy(manifest.classes), torch.from_numpy(manifest.ages.copy()), torch.ones(len(manifest))
        )
        loss = make_loss(manifest.schema, settings.loss, classes=manifest.classes[rows], model=settings.model)
        n_batches = -(-len(rows) // settings.train.head_batch_size)
        steps = settings.train.head_epochs * n_batches
        optimizer = torch.optim.AdamW(
            head.parameters(), settings.train.head_lr, weight_decay=settings.optim.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.train.head_lr, total_steps=steps)
        rng = np.random.default_rng(seed)
        for _ in range(settings.train.head_epochs):
            for part in np.array_split(rng.permutation(rows), n_batches):
                chosen = torch.from_numpy(part)
                optimizer.zero_grad()
                loss(head(seen[chosen]), labels.rows(chosen)).backward()
                optimizer.step()
                schedule.step()
        head.eval()
        return lambda other: dict(head(other))

    return fitted


@torch.no_grad()
def answers(logits: Logits, manifest: Manifest) -> Predictions:
    """The heads' answers about the manifest's photos, from logits (N, classes or years) of each attribute."""
    probs, years = answer_probs(logits, manifest.schema)
    ids = manifest.photo_ids
    return Predictions(
        ids=ids,
        probs=probs.numpy(),
        age_probs=None if years is None else years.numpy(),
        errors=[None] * len(ids),
        schema=manifest.schema,
    )


def out_of_folds(
    fit: Fit, seen: Tensor, *, manifest: Manifest, folds: IntArray, shown: Tensor | None = None
) -> Predictions:
    """What heads say of each photo that were fitted to the other folds; folds: (N,) the fold of each.

    shown: (N, D) what the heads are asked about, where that is not what they learn from.
    """
    rows_of = [np.flatnonzero(folds == fold) for fold in np.unique(folds).tolist()]
    everything, shown = np.arange(len(folds)), seen if shown is None else shown
    with torch.no_grad():
        asked = []
        for rows in rows_of:
            with torch.enable_grad():
                heads = fit(seen, manifest, np.setdiff1d(everything, rows))
            asked.append(heads(shown[rows]))
        order = np.argsort(np.concatenate(rows_of))
        logits = {name: torch.cat([part[name] for part in asked])[order] for name in asked[0]}
    return answers(logits, manifest)


def in_sample(fit: Fit, seen: Tensor, *, manifest: Manifest) -> Predictions:
    """What heads say of the photos that they were fitted to."""
    heads = fit(seen, manifest, np.arange(len(manifest)))
    with torch.no_grad():
        return answers(heads(seen), manifest)
