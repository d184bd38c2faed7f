"""FiftyOne's dataset on disk (samples.json beside metadata.json), and its table of image classes (labels.json).

FiftyOne opens the folder with `fiftyone.Dataset.from_dir(FOLDER, fiftyone.types.FiftyOneDataset)`: metadata without a
version make it read the samples as plain JSON. Each ruling is a Classification in the field of its attribute, with who
ruled and why as attributes of its own and the certainty as its tag; years are a Regression.
Source: docs.voxel51.com/user_guide/export_datasets, FiftyOneDataset and FiftyOneImageClassificationDataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifacet.clean.exchange.said import (
    CERTAINTY,
    CLASS,
    NOTHING,
    PATH,
    REASON,
    WHO,
    Names,
    Problem,
    Said,
    Told,
    nothing_said,
)
from trifacet.clean.exchange.sheets import Sheet
from trifacet.core.decisions import USE, USES, YEARS
from trifacet.core.errors import error
from trifacet.core.schema import LabelSchema

GIVEN = "given_"  # what the fields of the labels as they stand begin with
RULED = "ruled"  # the tag of samples that somebody ruled on


def looks_like_samples(content: Any) -> bool:
    """Whether a JSON document holds samples, or a table of image classes."""
    return isinstance(content, dict) and (
        isinstance(content.get("samples"), list) or isinstance(content.get("labels"), dict)
    )


def read_samples(path: Path, names: Names, *, content: Any) -> Told:
    """What samples.json or labels.json says: fields called like labels, and tags that say a photo is not used.

    In labels.json there is one label a photo, in a field called `labels`: a joint class, or what --map says it is.

    Raises:
        StoreError: TRI708, neither of both, or nothing in it is called like a label.
    """
    if not looks_like_samples(content):
        raise error("TRI708", "neither FiftyOne's samples.json nor its labels.json", where=path)
    if not isinstance(content.get("samples"), list):
        return _read_classes(names, content=content)
    said: list[Said] = []
    problems: list[Problem] = []
    foreign: list[str] = []
    for number, sample in enumerate(content["samples"], start=1):
        place, column = f"sample {number}", names.called.get(PATH, "filepath")
        if not isinstance(sample, dict) or not isinstance(sample.get(column), str):
            problems.append(Problem(place, "", f"has no {column}"))
            continue
        photo = sample[column]
        for name, label in sample.items():
            key = names.key(name)
            if not isinstance(label, dict) or "_cls" not in label:
                if not key or name in (column, "tags") or label is None:
                    continue
                label = {"_cls": "Classification", "label": label}  # a plain field holds the value itself
            if not key:
                foreign += [] if name.startswith(GIVEN) else [name]
                continue
            found = _said(label, Said(place, photo, key, ""))
            said += [one for one in found if isinstance(one, Said)]
            problems += [one for one in found if isinstance(one, Problem)]
        tags = sample.get("tags") if isinstance(sample.get("tags"), list) else []
        if not isinstance(sample.get(names.of(USE)), dict):
            said += [Said(place, photo, USE, str(tag)) for tag in tags or () if tag in USES]
    if foreign and not said and not problems:
        raise nothing_said(path, foreign, schema=names.schema)
    notes = (f"not labels here: {', '.join(sorted(set(foreign))[:10])}",) if foreign else ()
    return Told(tuple(said), tuple(problems), notes)


def _said(label: Mapping[str, Any], blank: Said) -> list[Said | Problem]:
    """What one field says: a Classification, a Regression, or the Classifications of several people."""
    kind = label.get("_cls")
    if kind == "Classifications" and isinstance(label.get("classifications"), list):
        return [one for part in label["classifications"] if isinstance(part, dict) for one in _said(part, blank)]
    text = label.get("value" if kind == "Regression" else "label")
    if kind not in ("Classification", "Regression") or isinstance(text, dict | list | bool):
        return [Problem(blank.place, blank.path, f"{blank.key} is a {kind}, not a Classification")]
    tags = [str(tag) for tag in label.get("tags") or ()]
    source = label.get("source")
    told = replace(
        blank,
        text="" if text is None else str(text),
        who=str(label.get(WHO) or ""),
        reason=str(label.get(REASON) or ""),
        certainty=str(label.get(CERTAINTY) or (tags[0] if len(tags) == 1 else "")),
        source=source if source in ("human", "model", "rule") else None,
    )
    return [told]


def _read_classes(names: Names, *, content: Mapping[str, Any]) -> Told:
    key = names.key("labels") or CLASS
    classes, said, problems = content.get("classes"), [], []
    for photo, target in content["labels"].items():
        target = target.get("label") if isinstance(target, dict) else target
        place = f"labels['{photo}']"
        if isinstance(target, int) and not isinstance(target, bool) and isinstance(classes, list):
            if not 0 <= target < len(classes):
                problems.append(Problem(place, photo, f"class {target} of {len(classes)}"))
                continue
            target = classes[target]
        if isinstance(target, dict | list | bool):
            problems.append(Problem(place, photo, "is not one class"))
        elif target is not None:
            said.append(Said(place, photo, key, str(target)))
    return Told(tuple(said), tuple(problems))


def samples(sheets: Sequence[Sheet], schema: LabelSchema) -> list[dict[str, Any]]:
    """The samples of samples.json, photos by their absolute paths; of each attribute the last ruling."""
    return [_sample(sheet, schema) for sheet in sheets]


def _sample(sheet: Sheet, schema: LabelSchema) -> dict[str, Any]:
    rulings = {ruling.attribute: ruling for ruling in sheet.rulings}
    tags = ([RULED] if rulings else []) + [r.new for r in rulings.values() if r.attribute == USE and r.new]
    made: dict[str, Any] = {"filepath": sheet.path.as_posix(), "tags": tags, "photo_id": sheet.photo_id}
    for name in (*schema.names, USE):
        made[GIVEN + name] = _label(sheet.given[name]) if sheet.given[name] else None
    made[GIVEN + YEARS] = _years(sheet.given[YEARS]) if sheet.given[YEARS] else None
    for name in (*schema.names, YEARS, USE):
        ruling = rulings.get(name)
        if ruling is None:
            made[name] = None
            continue
        label = _years(ruling.new) if name == YEARS else _label(ruling.new or NOTHING)
        about = {WHO: ruling.who, REASON: ruling.reason, CERTAINTY: ruling.certainty, "source": ruling.source}
        label["tags"] = [ruling.certainty] if ruling.certainty else []
        made[name] = label | {key: text for key, text in about.items() if text}
    made["why"] = "; ".join(sheet.why) or None
    return made


def _label(name: str) -> dict[str, Any]:
    return {"_cls": "Classification", "tags": [], "label": name}


def _years(text: str) -> dict[str, Any]:
    return {"_cls": "Regression", "tags": [], "value": float(text)}


def dataset_metadata(name: str, schema: LabelSchema) -> dict[str, Any]:
    """The content of metadata.json."""
    classes = {a.name: list(a.classes) for a in schema.attributes}
    return {"name": name, "media_type": "image", "info": {"classes": classes, "made_by": "trifacet decisions export"}}
