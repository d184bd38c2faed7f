"""Pictures of what the network sees and answers, and the one batch of a dry run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from trifacet.core.manifest import Manifest
from trifacet.core.predictions import ImageArray, Predictions
from trifacet.core.recipe import Recipe
from trifacet.core.schema import MISSING, IntArray, LabelSchema
from trifacet.learn.augment import augment, draw
from trifacet.learn.features import to_tensor
from trifacet.learn.losses import Labels, make_loss
from trifacet.learn.mixing import draw_mix, make_mixing, mixed
from trifacet.learn.models import Net, build_net
from trifacet.learn.spoil import make_spoiler
from trifacet.pages.contact import image_grid

N_SHOWN = 24  # six columns of four: readable on a laptop


@dataclass(frozen=True)
class DryRun:
    """One batch through a network that is not trained: shapes, sizes and its loss beside that of even odds."""

    input_shape: tuple[int, ...]
    outputs: dict[str, tuple[int, ...]]
    n_parameters: int
    n_trained: int
    loss: float
    chance_loss: float
    picture: ImageArray


def dry_run(
    manifest: Manifest,
    images: npt.NDArray[np.uint8],
    *,
    recipe: Recipe,
    seed: int,
    init: Callable[[Net], None] | None = None,
) -> DryRun:
    """What the first training batch looks like and what comes out; `images` (N, h, w, 3) uint8 of N chosen rows.

    Raises:
        ConfigError: TRI100, TRI101, TRI105. RunError: TRI403.
    """
    torch.manual_seed(seed)
    net = build_net(manifest.schema, recipe.model, data=recipe.data)
    if init:
        init(net)
    batch = np.asarray(images[: recipe.train.batch_size])
    net.inputs.measure(batch, np.arange(len(batch)))
    photos = _changed(batch, recipe=recipe, seed=seed)
    with torch.no_grad():
        logits = net.train()(photos)
    classes, ages = manifest.classes[: len(batch)], manifest.ages[: len(batch)].astype(np.float32)
    labels = Labels(torch.from_numpy(classes), torch.from_numpy(ages), torch.ones(len(batch)))
    loss = make_loss(manifest.schema, recipe.loss, classes=classes, model=recipe.model)
    even = {name: torch.zeros_like(answer) for name, answer in logits.items()}
    trained = net.head if recipe.model.is_frozen else net
    return DryRun(
        input_shape=tuple(photos.shape),
        outputs={name: (len(batch), *answer.shape[1:]) for name, answer in logits.items()},
        n_parameters=sum(p.numel() for p in net.parameters()),
        n_trained=sum(p.numel() for p in trained.parameters() if p.requires_grad),
        loss=float(loss(logits, labels)),
        chance_loss=float(loss(even, labels)),
        picture=input_grid(manifest, images, recipe=recipe, seed=seed),
    )


def input_grid(manifest: Manifest, images: npt.NDArray[np.uint8], *, recipe: Recipe, seed: int) -> ImageArray:
    """A grid of the first photos as the network is shown them in an epoch, with their labels under them."""
    shown, classes = np.asarray(images[:N_SHOWN]), manifest.classes[:N_SHOWN].astype(np.int64)
    rows = np.arange(len(shown), dtype=np.int64)
    spoiler = make_spoiler(
        recipe.augment, manifest.schema, images=shown, classes=classes, rows=rows, seed=seed, on_photos=lambda _: None
    )
    if spoiler:
        known = Labels(torch.from_numpy(classes), torch.zeros(len(rows)), torch.ones(len(rows)))
        shown, labels = spoiler.spoil(shown, known, rows=rows, epoch=0)
        classes = labels.classes.numpy()
    seen = _changed(shown, recipe=recipe, seed=seed)
    captions = _captions(classes, manifest.schema)
    mixing = make_mixing(recipe.augment, manifest.schema, classes=classes)
    if mixing and (len(mixing.oldest) or not recipe.augment.old_halves):  # these few photos may have no oldest class
        known = Labels(torch.from_numpy(classes), torch.zeros(len(rows)), torch.ones(len(rows)))
        mix = draw_mix(np.random.default_rng(seed), mixing, n_photos=len(shown))
        seen, others, share = mixed(
            seen, known, mix=mix, load=lambda e: (seen[e], known.rows(torch.from_numpy(e))), change=lambda p, _: p
        )
        if others is not None:
            theirs = _captions(others.classes.numpy(), manifest.schema)
            captions = [f"{share:.0%} {a}\n+ {b}" for a, b in zip(captions, theirs, strict=True)]
    pixels = seen.round().byte().permute(0, 2, 3, 1).numpy()
    return image_grid(pixels, captions, columns=6)


def _changed(images: npt.NDArray[np.uint8], *, recipe: Recipe, seed: int) -> torch.Tensor:
    """The photos (N, h, w, 3) uint8 as the first epoch changes them, float (N, 3, H, W)."""
    draws = torch.from_numpy(draw(seed, 0, n_photos=len(images)))
    photos = to_tensor(images, torch.device("cpu"))
    return augment(photos, draws, ranges=recipe.augment, window=recipe.data.window)


def answer_grid(
    predictions: Predictions, places: IntArray, *, truth: IntArray, images: npt.NDArray[np.uint8]
) -> ImageArray:
    """A grid of the photos at `places`, which `images` shows, with the answer and its confidence below each.

    truth: joint ids (N,) of all photos; the true class is told where the answer is wrong.
    """
    schema = predictions.schema
    answers, true = (schema.decode(ids[places]) for ids in (predictions.classes, truth))
    captions = []
    for answer, known, confidence in zip(answers, true, predictions.confidence[places], strict=True):
        lines = [
            "?"
            if a == MISSING
            else attribute.classes[a] + ("" if t in (MISSING, a) else f", not {attribute.classes[t]}")
            for attribute, a, t in zip(schema.attributes, answer, known, strict=True)
        ]
        certain = "" if math.isnan(confidence) else f"{confidence:.0%} "
        captions.append(certain + "\n".join(lines))
    return image_grid(np.asarray(images), captions, columns=6)


def _captions(classes: IntArray, schema: LabelSchema) -> list[str]:
    return [
        "\n".join("?" if c == MISSING else a.classes[c] for a, c in zip(schema.attributes, row, strict=True))
        for row in classes
    ]
