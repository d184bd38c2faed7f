"""The batch norms of a backbone, fitted to photos before it is trained."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from trifacet.core.recipe import Recipe
from trifacet.learn.features import Rows, View, augmented, batches
from trifacet.learn.joined import Joined, trunks_of
from trifacet.learn.models import Net
from trifacet.learn.phases import Data
from trifacet.learn.stages import freeze
from trifacet.learn.trunks import FaceTrunk, has_fitted_norm, with_norm

N_NORM_PHOTOS = 257  # photos that the re-inserted norms are fitted on; dated entry 2026-11-21 of docs/log.md
N_ADAPT_PHOTOS = 1_024  # that the norms of other backbones see: some 16 batches, a few seconds
NORM_EPOCH = 1_000_003  # the augmentation those photos are seen in: no epoch of training reaches it


@torch.no_grad()
def adapt_norm(net: Net, data: Data, *, recipe: Recipe, seed: int) -> None:
    """Re-estimates the running statistics of a backbone's batch norms on augmented training photos.

    Where the whole net is trained after its head, so that the head learns from the features which training will show
    it: those of ImageNet's statistics are others. Face backbones have their own way (`put_norm_back`).

    Source: Li et al. 2018, Adaptive batch normalization for practical domain adaptation.
    """
    others = [trunk for trunk in trunks_of(net.backbone) if not isinstance(trunk, FaceTrunk)]
    if not others or not (recipe.train.epochs and recipe.train.head_epochs):
        return
    rows = np.random.default_rng(seed).permutation(data.train_rows)[:N_ADAPT_PHOTOS]
    view = augmented(recipe, seed=seed, epoch=NORM_EPOCH, n_photos=len(rows))
    refit_norm(net, data, rows=rows, view=view, batch_size=recipe.train.batch_size, within=others)


@torch.no_grad()
def refit_norm(
    net: Net, data: Data, *, rows: Rows, view: View, batch_size: int, within: Iterable[nn.Module] = ()
) -> None:
    """Re-estimates the running statistics of the backbone's batch norms on these photos in this order.

    within: modules whose norms alone are meant (default: the backbone). Norms of stages that are not trained are left
    alone: training saw them as they are.
    """
    net.train()
    seen = [module for part in (within or [net.backbone]) for module in part.modules()]
    norms = [m for m in seen if isinstance(m, nn.BatchNorm2d) and m.track_running_stats and m.training]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    done = 0
    for part in batches(rows, batch_size):
        net.features(view(data.inputs(part), slice(done, done + len(part))))
        done += len(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def put_norm_back(net: Net, data: Data, *, recipe: Recipe, seed: int) -> None:
    """Fits the batch norms of a face backbone so that they change nothing yet.

    Other backbones are left alone, and so are norms that came with the weights of another run.
    """
    faces = [trunk for trunk in trunks_of(net.backbone) if isinstance(trunk, FaceTrunk)]
    if not faces or not recipe.model.norm or any(map(has_fitted_norm, faces)):
        return
    rows = data.train_rows[np.linspace(0, len(data.train_rows) - 1, N_NORM_PHOTOS).astype(np.int64)]
    view = augmented(recipe, seed=seed, epoch=NORM_EPOCH, n_photos=len(rows))
    images = net.inputs(view(data.inputs(rows), slice(None)))
    trunks = [with_norm(t, images) if isinstance(t, FaceTrunk) else t for t in trunks_of(net.backbone)]
    net.backbone = Joined(trunks) if isinstance(net.backbone, Joined) else trunks[0]
    freeze(net.backbone, recipe.model)
