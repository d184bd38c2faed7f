"""The two phases of training, as what the loop needs of them: inputs, labels, what is trained, how val is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trifacet.core.errors import error, first_few
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe, TrainSection
from trifacet.core.recipe_photos import LabelMapSection, age_range
from trifacet.core.schema import LabelSchema
from trifacet.learn.augment import augment, draw
from trifacet.learn.device import at_once
from trifacet.learn.features import (
    OnPhotos,
    Rows,
    batches,
    compute_features,
    plain,
    to_tensor,
    training_views,
)
from trifacet.learn.losses import Labels
from trifacet.learn.mixing import Mixing, make_mixing
from trifacet.learn.models import Net
from trifacet.learn.sampler import epoch_order, sampling_weights
from trifacet.learn.spoil import make_spoiler
from trifacet.learn.stages import unfreezing, with_rates

RESIDENT_SHARE = 0.4  # the rest is for the network, what a step keeps, and other programs

PhaseName = Literal["head", "all", "second"]
Logits = Mapping[str, Tensor]


@dataclass(frozen=True)
class Data:
    """The photos of a run and their labels: `images` (N, h, w, 3) uint8 of all rows, the rows of each split.

    resident: the same photos in the device's memory, where they fit.
    """

    images: npt.NDArray[np.uint8]
    labels: Labels
    train_rows: Rows
    val_rows: Rows
    device: torch.device
    resident: Tensor | None = None
    photo_ids: Sequence[str] = ()

    def named(self, examples: Rows) -> str:
        """The photos of a batch in words."""
        rows = self.train_rows[examples % len(self.train_rows)]
        return f"photos {first_few([self.photo_ids[row] for row in rows])}"

    def inputs(self, rows: Rows) -> Tensor:
        """uint8 (B, 3, h, w) on the device."""
        if self.resident is not None:
            return self.resident[torch.from_numpy(rows).to(self.resident.device)].permute(0, 3, 1, 2)
        return to_tensor(self.images[rows], self.device)

    def labels_of(self, rows: Rows) -> Labels:
        """The labels of these rows, on the device."""
        return self.labels.rows(torch.from_numpy(rows).to(self.device))


@dataclass(frozen=True)
class Phase:
    """One phase. An epoch has `n_examples`.

    parts: (module, peak learning rate) pairs. selects: its epochs compete for the best weights. order: the examples of
    an epoch, by these draws. load: an epoch's inputs and labels of these examples, on the device. view: an epoch's
    augmentation of the inputs of these examples. answer_val: logits of every val photo, in `val_rows` order. mixing:
    how photos are mixed with each other. begin: what is to be set at the start of an epoch. shown: within it the net is
    what its epoch is scored and kept as.
    """

    name: PhaseName
    module: nn.Module
    parts: tuple[tuple[nn.Module, float], ...]
    n_epochs: int
    n_examples: int
    batch_size: int
    selects: bool
    order: Callable[[int, np.random.Generator], Rows]
    load: Callable[[int], Callable[[Rows], tuple[Tensor, Labels]]]
    view: Callable[[int], Callable[[Tensor, Rows], Tensor]]
    answer_val: Callable[[], Logits]
    mixing: Mixing | None = None
    begin: Callable[[int], None] = lambda _: None
    shown: Callable[[], AbstractContextManager[None]] = nullcontext

    def begun(self, epoch: int) -> tuple[Callable[[Rows], tuple[Tensor, Labels]], Callable[[Tensor, Rows], Tensor]]:
        """An epoch's `load` and `view`, after what it trains was set."""
        self.begin(epoch)
        return self.load(epoch), self.view(epoch)


def make_data(
    manifest: Manifest,
    images: npt.NDArray[np.uint8],
    *,
    device: torch.device,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    soft: Mapping[str, npt.NDArray[np.float32]] | None = None,
) -> Data:
    """The manifest's labels as tensors beside its photos' pixels, row by row; training's as `data.label_map` says.

    Raises:
        ConfigError: TRI101, edges of another number of classes, or no photo left. RunError: TRI404.
    """
    splits, classes = manifest.table["split"].to_numpy(), manifest.classes.copy()
    label_map = recipe.data.label_map
    is_trained = (splits == "train") & ~_in_ranges(manifest.ages, label_map.drop_ages)
    if label_map.drop_ages and not is_trained.any():
        raise error("TRI101", "no training photo is left", where="data.label_map.drop_ages")
    moved = training_schema(manifest.schema, label_map)
    if moved.age and moved != manifest.schema:
        has_years = is_trained & np.isfinite(manifest.ages)
        classes[has_years, moved.names.index(moved.age.name)] = moved.age.band(manifest.ages[has_years])
    labels = Labels(
        torch.from_numpy(classes),
        torch.from_numpy(manifest.ages.astype(np.float32)),
        torch.from_numpy(manifest.table["label_weight"].fill_null(1.0).to_numpy().astype(np.float32)),
        {name: torch.from_numpy(probs) for name, probs in (soft or {}).items()},
    )
    train_rows, val_rows = (np.flatnonzero(chosen).astype(np.int64) for chosen in (is_trained, splits == "val"))
    kept = recipe.train.resident == "auto" and device.type == "cuda" and fits_on(device, images.nbytes)
    on_device = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device) if kept else None
    return Data(images, labels.to(device), train_rows, val_rows, device, on_device, manifest.photo_ids)


def training_schema(schema: LabelSchema, label_map: LabelMapSection) -> LabelSchema:
    """The schema with the age edges that training alone has. Raises ConfigError TRI101."""
    if label_map.age_edges is None or schema.age is None:
        return schema
    edges, age = tuple(float(e) for e in label_map.age_edges), schema.age
    if len(edges) != len(age.classes) - 1 or list(edges) != sorted(set(edges)):
        what = f"{len(age.classes)} age classes need {len(age.classes) - 1} edges that ascend"
        raise error("TRI101", what, where="data.label_map.age_edges", got=list(edges))
    first, last = schema.years
    if edges[0] <= first or edges[-1] > last:
        what = f"must lie within the years {first} to {last}"
        raise error("TRI101", what, where="data.label_map.age_edges", got=list(edges))
    attributes = tuple(a.model_copy(update={"edges": edges}) if a is age else a for a in schema.attributes)
    return LabelSchema(attributes=attributes, years=schema.years)  # a copy would keep the fingerprint of the other


def _in_ranges(ages: npt.NDArray[np.floating], ranges: Sequence[str]) -> npt.NDArray[np.bool_]:
    spans = [age_range(text) for text in ranges]
    return np.array([any(low <= age < high + 1 for low, high in spans) for age in ages], dtype=bool)


def fits_on(device: torch.device, n_bytes: int) -> bool:
    """Whether the photos take less than `RESIDENT_SHARE` of what a GPU has free."""
    return n_bytes < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


def head_phase(
    net: Net,
    data: Data,
    *,
    schema: LabelSchema,
    recipe: Recipe,
    seed: int,
    on_photos: OnPhotos,
    answers: nn.Module | None = None,
) -> Phase:
    """The head alone, on features of the frozen backbone, which are computed here and kept in memory.

    answers: what answers from features instead of the net's head, whose scale stays as it is then.
    """
    n = len(data.train_rows)
    views = training_views(recipe, n_copies=recipe.train.head_copies, seed=seed, n_photos=n)

    def features(rows: Rows, view: Callable[[Tensor, slice], Tensor]) -> Tensor:
        return compute_features(net, data.images, rows=rows, device=data.device, view=view, on_photos=on_photos)

    seen = torch.cat([features(data.train_rows, view) for view in views])
    seen_val = features(data.val_rows, plain)
    if answers is None:
        net.head.standardise(seen)
    module = answers or net.head

    def load(examples: Rows) -> tuple[Tensor, Labels]:
        return seen[torch.from_numpy(examples).to(seen.device)], data.labels_of(data.train_rows[examples % n])

    def answer_val() -> Logits:
        logits: Logits = module(seen_val)
        return logits

    return Phase(
        name="head",
        module=module,
        parts=((net.head, recipe.train.head_lr),),
        n_epochs=recipe.train.head_epochs,
        n_examples=_n_drawn(len(seen), recipe),
        batch_size=recipe.train.head_batch_size,
        selects=recipe.train.epochs == 0,
        order=epoch_examples(data, n_views=len(views), schema=schema, recipe=recipe, n_epochs=recipe.train.head_epochs),
        load=lambda _: load,
        view=lambda _: lambda features, _: features,
        answer_val=answer_val,
    )


def all_phase(net: Net, data: Data, *, schema: LabelSchema, recipe: Recipe, seed: int, on_photos: OnPhotos) -> Phase:
    """The whole net, on photos changed anew in each epoch. Faces to draw on are looked for here. Raises TRI101."""
    optim = recipe.optim
    spoiler = make_spoiler(
        recipe.augment,
        schema,
        images=data.images,
        classes=data.labels.classes.cpu().numpy(),
        rows=data.train_rows,
        seed=seed,
        on_photos=on_photos,
    )

    def load(epoch: int) -> Callable[[Rows], tuple[Tensor, Labels]]:
        def of(examples: Rows) -> tuple[Tensor, Labels]:
            rows = data.train_rows[examples]
            if spoiler is None:
                return data.inputs(rows), data.labels_of(rows)
            images, labels = spoiler.spoil(data.images[rows], data.labels_of(rows), rows=rows, epoch=epoch)
            return to_tensor(images, data.device), labels

        return of

    def view(epoch: int) -> Callable[[Tensor, Rows], Tensor]:
        draws = torch.from_numpy(draw(seed, epoch, n_photos=len(data.train_rows))).to(data.device)
        return lambda photos, examples: augment(
            photos, draws[torch.from_numpy(examples)], ranges=recipe.augment, window=recipe.data.window
        )

    heads = [net.pool, net.head] if net.pool else [net.head]
    trunk = with_rates(net.backbone, lr=optim.lr, decay=optim.layer_decay)
    return Phase(
        name="all",
        module=net,
        parts=(*trunk, *((part, optim.head_lr or optim.lr) for part in heads)),
        begin=unfreezing(net.backbone, every=recipe.train.unfreeze_epochs),
        n_epochs=recipe.train.epochs,
        n_examples=_n_drawn(len(data.train_rows), recipe),
        batch_size=recipe.train.batch_size,
        selects=True,
        order=epoch_examples(data, n_views=1, schema=schema, recipe=recipe, n_epochs=recipe.train.epochs),
        load=load,
        view=view,
        answer_val=partial(answer_val, net, data, recipe=recipe.train),
        mixing=make_mixing(recipe.augment, schema, classes=data.labels.classes.cpu().numpy()[data.train_rows]),
    )


def answer_val(net: Net, data: Data, *, recipe: TrainSection) -> Logits:
    """Logits of every val photo as it is, in `val_rows` order."""
    size = at_once(data.device, 2 * recipe.batch_size)  # without gradients twice as many fit a GPU
    parts = [net(data.inputs(rows).float()) for rows in batches(data.val_rows, size)]
    return {name: torch.cat([part[name].float() for part in parts]) for name in parts[0]}


def _n_drawn(n_examples: int, recipe: Recipe) -> int:
    return max(1, round(recipe.sampler.share * n_examples))


def epoch_examples(
    data: Data, *, n_views: int, schema: LabelSchema, recipe: Recipe, n_epochs: int
) -> Callable[[int, np.random.Generator], Rows]:
    """What `Phase.order` is: the examples are `n_views` of every training photo."""
    labels = data.labels_of(data.train_rows).to(torch.device("cpu"))
    classes, ages = labels.classes.numpy(), labels.age_years.numpy()
    n_examples = n_views * len(classes)

    def order(epoch: int, rng: np.random.Generator) -> Rows:
        through = epoch / max(1, n_epochs - 1)
        weights = sampling_weights(classes, ages, schema=schema, recipe=recipe.sampler, through=through)
        tiled = None if weights is None else np.tile(weights, n_views)
        return epoch_order(n_examples, n_drawn=_n_drawn(n_examples, recipe), weights=tiled, rng=rng)

    return order
