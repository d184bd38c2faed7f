"""What training starts from: the network and the loss of a recipe, and whether the data bear them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from trifacet.core.errors import error
from trifacet.core.manifest import Manifest
from trifacet.core.recipe import Recipe
from trifacet.core.schema import LabelSchema
from trifacet.learn.device import choose_device
from trifacet.learn.losses import Loss, make_loss
from trifacet.learn.mixing import make_mixing
from trifacet.learn.models import Net, build_net
from trifacet.learn.optimizers import make_optimizer
from trifacet.learn.phases import Data, epoch_examples, make_data, training_schema


def starting_net(
    schema: LabelSchema, recipe: Recipe, *, init: Callable[[Net], None] | None, device: torch.device
) -> Net:
    """The recipe's network with its starting weights, on the device. Raises ConfigError TRI101, a wrong size."""
    net = build_net(schema, recipe.model, data=recipe.data)
    smallest = getattr(net.backbone, "min_size", 0)
    if min(recipe.data.image_size) < smallest:
        what = f"'{recipe.model.backbone}' needs at least {smallest} pixels a side"
        got = list(recipe.data.image_size)
        raise error("TRI101", what, where="data.image_size", got=got, do="Raise it, or take another backbone.")
    fixed = getattr(net.backbone, "fixed_size", None)
    if fixed and fixed != recipe.data.image_size:
        what = f"'{recipe.model.backbone}' takes photos of {list(fixed)} alone"
        raise error("TRI101", what, where="data.image_size", got=list(recipe.data.image_size))
    if init:
        init(net)
    net.amp = recipe.train.amp
    return net.to(device)


def starting_loss(schema: LabelSchema, data: Data, *, recipe: Recipe) -> Loss:
    """The recipe's loss, with what it takes from the classes of the training photos."""
    classes = data.labels_of(data.train_rows).classes.cpu().numpy()
    return make_loss(training_schema(schema, recipe.data.label_map), recipe.loss, classes=classes, model=recipe.model)


def check_training(manifest: Manifest, recipe: Recipe, *, init: Callable[[Net], None] | None = None) -> None:
    """Refuses, before anything is written, what training would stop at before its first step.

    Raises:
        ConfigError: TRI100, TRI101, TRI104, TRI105. RunError: TRI403.
    """
    choose_device(recipe.train.device)
    if not any(recipe.loss.weights.get(name, 1.0) for name in manifest.schema.names):
        raise error("TRI101", "every weight is 0: nothing would be learned", where="loss.weights")
    cpu, schema = torch.device("cpu"), manifest.schema
    net = starting_net(schema, recipe, init=init, device=cpu)
    make_optimizer([(net, recipe.optim.lr)], recipe.optim)
    data = make_data(manifest, np.empty((0, 1, 1, 3), dtype=np.uint8), device=cpu, recipe=recipe)
    starting_loss(schema, data, recipe=recipe)
    mixing = make_mixing(recipe.augment, schema, classes=data.labels_of(data.train_rows).classes.numpy())
    if mixing and recipe.augment.old_halves and not len(mixing.oldest):  # data.label_map may leave none
        what = "no photo of the oldest class is left to train on, and halves of it were asked for"
        do = "Leave out augment.old_halves, or what leaves those photos out (data.label_map)."
        raise error("TRI101", what, where="augment.old_halves", do=do)
    epoch_examples(data, n_views=1, schema=schema, recipe=recipe, n_epochs=1)(0, np.random.default_rng(0))
