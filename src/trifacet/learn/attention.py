"""Where a network looks: by how much its answers' probabilities fall when a part of the photo is covered.

It asks the whole network alone, so it works with any backbone. Source: Zeiler & Fergus 2014, section 4.2.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from trifacet.core.predictions import Float32Array, ImageArray
from trifacet.core.schema import IntArray
from trifacet.learn.device import at_once
from trifacet.learn.features import to_tensor
from trifacet.learn.models import answer_probs
from trifacet.learn.predictor import Model


def all_places(n_photos: int, *, grid: int) -> IntArray:
    """Every place of a grid for each photo, (n_photos, grid * grid)."""
    return np.tile(np.arange(grid * grid), (n_photos, 1))


def shared_places(n_photos: int, *, grid: int, n_places: int) -> IntArray:
    """Places (n_photos, n_places) so that photos share the work: of any first few, each place is covered alike often.

    A photo's places are spread over it: neighbours in the list lie apart by a step prime to the number of places.
    """
    n_all = grid * grid
    step = next(s for s in range(int(0.38 * n_all), 2 * n_all) if np.gcd(s, n_all) == 1)
    return np.arange(n_photos * n_places).reshape(n_photos, n_places) * step % n_all


@torch.inference_mode()
def occlusion(
    model: Model, inputs: ImageArray, *, answers: IntArray, places: IntArray, grid: int, seconds: float
) -> tuple[Float32Array, Float32Array]:
    """By how much covering a place lowers the probability of what is answered, (n, P, A); and it uncovered, (n, A).

    inputs: (N, h, w, 3) uint8. answers: class ids (N, A) >= 0 per attribute. places: (N, P), numbers of the cells of a
    `grid` x `grid`, row by row; each is covered with the photo's mean colour. A drop below 0 means that the answer
    became surer. Stops after `seconds`, so n may be less than N: the first photos, one batch at least.
    """
    start, drops, plain = time.monotonic(), list[Float32Array](), list[Float32Array]()
    covers = _covers(grid, height=inputs.shape[1], width=inputs.shape[2]).to(model.device)
    step = max(1, at_once(model.device) // (places.shape[1] + 1))
    for first in range(0, len(inputs), step):
        part = slice(first, first + step)
        photos = to_tensor(np.asarray(inputs[part]), model.device).float()
        covered = torch.where(covers[places[part]], photos.mean(dim=(2, 3), keepdim=True)[:, None], photos[:, None])
        views = torch.cat([photos[:, None], covered], dim=1)
        probs = _answered(model, views.flatten(0, 1), answers=np.repeat(answers[part], views.shape[1], axis=0))
        probs = probs.reshape(*views.shape[:2], -1)
        drops.append(probs[:, :1] - probs[:, 1:])
        plain.append(probs[:, 0])
        if time.monotonic() - start > seconds:
            break
    return np.concatenate(drops), np.concatenate(plain)


def _covers(grid: int, *, height: int, width: int) -> Tensor:
    """(grid * grid, 1, height, width) bool: True where a cell lies. Every pixel lies in one cell."""
    row = torch.arange(height) * grid // height
    column = torch.arange(width) * grid // width
    return (row[:, None] * grid + column == torch.arange(grid * grid)[:, None, None])[:, None]


def _answered(model: Model, views: Tensor, *, answers: IntArray) -> Float32Array:
    """The probability (B, A) of the answer per attribute in each of the views (B, 3, h, w)."""
    joint = answer_probs(model.net(views.contiguous(memory_format=torch.channels_last)), model.schema)[0].cpu().numpy()
    names = model.schema.names
    marginals = [
        model.schema.marginal(joint, name)[np.arange(len(joint)), answers[:, i]] for i, name in enumerate(names)
    ]
    return np.stack(marginals, axis=1).astype(np.float32)
