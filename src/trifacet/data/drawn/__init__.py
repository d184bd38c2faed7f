"""Drawn faces: people who never lived, drawn in code, with labels known exactly."""

from trifacet.data.drawn.person import Person, draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo
from trifacet.data.drawn.write import DrawnDataset, draw_dataset

__all__ = ["PHOTO_NAMES", "DrawnDataset", "Person", "draw_dataset", "draw_person", "draw_photo"]
