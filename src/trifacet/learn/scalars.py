"""The numbers of an epoch, as trackers name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]


def scalars(record: Record) -> dict[str, float]:
    """Its numbers by tag: `val_macro_f1` becomes `val/macro_f1`, what is neither of training nor of val `run/...`."""
    tags = {}
    for key, value in record.items():
        if isinstance(value, float):
            part, _, rest = key.partition("_")
            tags[f"{part}/{rest}" if part in ("train", "val") else f"run/{key}"] = value
    return tags
