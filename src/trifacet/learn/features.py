"""Features of a frozen backbone, computed once and held in memory only: they are face templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trifacet.core.recipe import Recipe
from trifacet.learn.augment import augment, draw
from trifacet.learn.device import at_once
from trifacet.learn.models import Net

Rows = npt.NDArray[np.int64]
View = Callable[[Tensor, slice], Tensor]  # uint8 photos (B, 3, H, W) and their place among all -> float photos
OnPhotos = Callable[[int], None]  # told how many more photos are done


def to_tensor(images: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 (B, H, W, 3) as uint8 (B, 3, H, W), channels-last in memory, on `device`.

    On its way to a GPU it is laid into memory that the GPU reads by itself, so that nobody waits for the copy.
    """
    photos = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    if device.type == "cuda":
        photos = photos.pin_memory().to(device, non_blocking=True)
    return photos.permute(0, 3, 1, 2)


def batches(rows: Rows, size: int) -> Iterator[Rows]:
    """`rows` in even parts of at most `size`: no photo is left out and no part is tiny."""
    if len(rows):
        yield from np.array_split(rows, -(-len(rows) // size))


def plain(photos: Tensor, _: slice) -> Tensor:
    """The photos as they are."""
    return photos.float()


def mirrored(photos: Tensor, _: slice) -> Tensor:
    """The photos' mirror images."""
    return photos.flip(3).float()


def augmented(recipe: Recipe, *, seed: int, epoch: int, n_photos: int) -> View:
    """The photos as the augmentation of one epoch shows them."""
    draws = torch.from_numpy(draw(seed, epoch, n_photos=n_photos))
    return lambda photos, part: augment(
        photos, draws[part].to(photos.device), ranges=recipe.augment, window=recipe.data.window
    )


@torch.no_grad()
def compute_features(
    net: Net, images: npt.NDArray[np.uint8], *, rows: Rows, device: torch.device, view: View, on_photos: OnPhotos
) -> Tensor:
    """Features (n, F) float32 on `device` of the photos `images[rows]`."""
    net.eval()
    done, parts = 0, []
    for chosen in batches(rows, at_once(device)):
        photos = to_tensor(images[chosen], device)
        parts.append(net.features(view(photos, slice(done, done + len(chosen)))))
        done += len(chosen)
        on_photos(len(chosen))
    return torch.cat(parts)


def training_views(recipe: Recipe, *, n_copies: int, seed: int, n_photos: int) -> list[View]:
    """What the head alone is trained on: photos plain, mirrored (where flips are on), and `n_copies` augmented."""
    copies = [augmented(recipe, seed=seed, epoch=copy, n_photos=n_photos) for copy in range(n_copies)]
    return [plain, *([mirrored] if recipe.augment.flip else []), *copies]
