"""timm's own way from photos to batches: create_dataset and create_loader, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from timm.data.dataset_factory import create_dataset
from timm.data.loader import create_loader


def loading(folder: Path, size: tuple[int, int], *, is_training: bool = False) -> Callable[[], int]:
    """What loads every photo below `folder` (a folder per class) once, at (height, width); the number of photos.

    is_training: with its default augmentation (random resized crop, mirror, colour jitter).
    """
    dataset = create_dataset("", root=str(folder), is_training=is_training)
    loader = create_loader(
        dataset,
        input_size=(3, *size),
        batch_size=min(64, len(dataset)),  # training leaves out what does not fill a batch
        is_training=is_training,
        use_prefetcher=False,
        num_workers=0,
        persistent_workers=False,
    )

    def load() -> int:
        return sum(len(images) for images, _ in loader)

    return load
