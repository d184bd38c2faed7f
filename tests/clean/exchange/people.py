"""A small dataset in the original layout, and what other tools say of it, written by hand as they write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.core.tiny import manifest as tiny
from trifacet.core.manifest import Manifest

FOLDERS = {"000001_female_Asian_45": "30_to_59", "000002_male_Asian_52": "30_to_59", "000004_male_Asian_20": "under_30"}
FILES = {"incorrect_mask.jpg": "incorrect", "mask1.jpg": "worn", "normal.jpg": "not_worn"}
ONE, TWO, THREE = FOLDERS
N_PHOTOS = len(FOLDERS) * len(FILES)


def people(
    root: Path = Path("/photos"), *, folders: dict[str, str] = FOLDERS, files: dict[str, str] = FILES
) -> Manifest:
    """Each folder a person with these photos; photo_id and path are `FOLDER/FILE`."""
    rows, ids, persons, years = [], [], [], []
    for folder, band in folders.items():
        number, gender, _, age = folder.split("_")
        for file, mask in files.items():
            rows.append((mask, gender, band))
            ids.append(f"{folder}/{file}")
            persons.append(number)
            years.append(float(age))
    size = [16] * len(ids)
    return tiny(
        rows, root=root, photo_id=ids, path=ids, person_id=persons, age_years=years, width_px=size, height_px=size
    )


def choice(name: str, *values: str) -> dict[str, Any]:
    return {"id": f"r{name}", "from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [*values]}}


def answer(by: Any, *results: dict[str, Any], at: str = "2026-11-02T10:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "completed_by": by,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-01T09:00:00.123456Z",
        "updated_at": at,
        "lead_time": 4.2,
    } | more


def task(number: int, image: str, *answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"image": image},
        "annotations": list(answers),
        "predictions": [],
        "project": 3,
    } | more


def write(path: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path
