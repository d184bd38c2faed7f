"""Label Studio's JSON: tasks with choices; people's answers are `annotations`, proposals are `predictions`.

Source: labelstud.io/guide/task_format, labelstud.io/guide/predictions, labelstud.io/tags/choices, tags/number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, quoteattr

from trifacet.clean.exchange.said import CERTAINTY, PATH, REASON, Names, Problem, Said, Told, nothing_said
from trifacet.clean.exchange.sheets import Sheet, words_of
from trifacet.core.decisions import USE, USES, YEARS
from trifacet.core.errors import error
from trifacet.core.schema import LabelSchema

LOCAL = "/data/local-files/?d="  # how a Label Studio that serves local files names them
GIVEN = "given labels"  # the model_version of predictions that are the labels as they stand
_UPLOADED = re.compile(r"(?:^|.*/)data/upload/(?:.*/)?[0-9a-f]{8}-([^/]+)")


def looks_like_tasks(content: Any) -> bool:
    """Whether a JSON document is a list of tasks."""
    return isinstance(content, list) and all(isinstance(t, dict) and isinstance(t.get("data"), dict) for t in content)


def read_tasks(path: Path, names: Names, *, content: Any) -> Told:
    """What people said in an export (JSON, not JSON-MIN): each result that is called like a label, of each annotation.

    Of several answers of one person to one task the last counts. Cancelled annotations, which their author skipped, and
    predictions are passed over, and counted.

    Raises:
        StoreError: TRI708, no list of tasks, or nothing in it is called like a label.
    """
    if not looks_like_tasks(content):
        do = "Export as JSON (not JSON-MIN): each task has `data` and `annotations`."
        raise error("TRI708", "no list of Label Studio's tasks", where=path, do=do)
    said: list[Said] = []
    problems: list[Problem] = []
    foreign: list[str] = []
    n_skipped = n_predictions = 0
    for number, task in enumerate(content, start=1):
        place = f"task {task.get('id', number)}"
        photo = _photo(task["data"], names)
        answers = task.get("annotations") or []
        n_predictions += len(task.get("predictions") or [])
        if not photo or not _are_answers(answers):
            problems.append(Problem(place, photo, "names no photo" if not photo else "annotations are no such list"))
            continue
        n_skipped += sum(bool(a.get("was_cancelled")) for a in answers)
        last: dict[tuple[str, str], Said] = {}
        for answer in sorted((a for a in answers if not a.get("was_cancelled")), key=_when):
            for one in _said(answer, place=place, photo=photo, names=names):
                if isinstance(one, Said):
                    last[one.who, one.key] = one
                elif isinstance(one, Problem):
                    problems.append(one)
                else:
                    foreign.append(one)
        said += last.values()
    if foreign and not said and not problems:
        raise nothing_said(path, foreign, schema=names.schema)
    notes = [f"{n_skipped:,} annotations were skipped by their author"] if n_skipped else []
    notes += [f"{n_predictions:,} predictions are proposals, not rulings"] if n_predictions else []
    notes += [f"not labels here: {', '.join(sorted(set(foreign))[:10])}"] if foreign else []
    return Told(tuple(said), tuple(problems), tuple(notes))


def _are_answers(answers: Any) -> bool:
    return isinstance(answers, list) and all(
        isinstance(a, dict) and isinstance(a.get("result", []), list) and all(isinstance(r, dict) for r in _results(a))
        for a in answers
    )


def _results(answer: Mapping[str, Any]) -> list[Any]:
    results: list[Any] = answer.get("result") or []
    return results


def _when(answer: Mapping[str, Any]) -> str:
    return str(answer.get("updated_at") or answer.get("created_at") or "")


def _photo(data: Mapping[str, Any], names: Names) -> str:
    """The photo that a task is about: its id as we wrote it, or the path in the address of its image."""
    if PATH not in names.called and isinstance(data.get("photo_id"), str):
        return str(data["photo_id"])
    return image_path(str(data.get(names.of(PATH) if PATH in names.called else "image") or ""))


def image_path(address: str) -> str:
    """The path in an address: of a local file what follows `?d=`, else without query and upload's prefix, unquoted."""
    path = address.partition("?d=")[2] if "?d=" in address else address.partition("?")[0]
    path = unquote(path.partition("://")[2] or path)
    uploaded = _UPLOADED.fullmatch(path)
    return uploaded.group(1) if uploaded else path


def _who(answer: Mapping[str, Any]) -> str:
    by = answer.get("completed_by")
    if isinstance(by, dict):
        return str(by.get("email") or by.get("username") or f"user {by.get('id', '')}").strip()
    return "" if by is None else str(by) if isinstance(by, str) else f"user {by}"


def _said(answer: Mapping[str, Any], *, place: str, photo: str, names: Names) -> Iterator[Said | Problem | str]:
    """What one annotation says: labels, what is wrong with some, and names of results that are no labels."""
    who, results = _who(answer), _results(answer)
    notes = {key: _text(r) for r in results for key in (REASON, CERTAINTY) if r.get("from_name") == names.of(key)}
    for result in results:
        name = str(result.get("from_name", ""))
        if name in (names.of(REASON), names.of(CERTAINTY)):
            continue
        key, text = names.key(name), _text(result)
        if not key:
            yield name
        elif text is None:
            yield Problem(place, photo, f"{name} of {who or 'somebody'} is not one choice, number or text")
        else:
            yield Said(
                place, photo, key, text, who=who, reason=notes.get(REASON) or "", certainty=notes.get(CERTAINTY) or ""
            )


def _text(result: Mapping[str, Any]) -> str | None:
    """The one value of a result; None where there is not just one."""
    value = result.get("value")
    kind = result.get("type")
    if not isinstance(value, dict) or not isinstance(kind, str):
        return None
    found = value.get({"textarea": "text"}.get(kind, kind))
    found = [found] if isinstance(found, str | int | float) and not isinstance(found, bool) else found
    return str(found[0]) if isinstance(found, list) and len(found) == 1 else None


def tasks(sheets: Sequence[Sheet], schema: LabelSchema, *, prefix: str = LOCAL) -> list[dict[str, Any]]:
    """Tasks to import: people's rulings as annotations, a model's or a rule's, and the given labels, as predictions."""
    return [_task(sheet, schema, number=number, prefix=prefix) for number, sheet in enumerate(sheets, start=1)]


def _task(sheet: Sheet, schema: LabelSchema, *, number: int, prefix: str) -> dict[str, Any]:
    given = {name: value for name, value in sheet.given.items() if value}
    annotations, predictions = [], [{"model_version": GIVEN, "result": _written(given, schema, stem=f"{number}-given")}]
    for i, ((who, reason, certainty, source), values) in enumerate(sheet.grouped().items(), start=1):
        notes = {key: text for key, text in ((REASON, reason), (CERTAINTY, certainty)) if text}
        result = _written(values, schema, stem=f"{number}-{i}") + _notes(notes, f"{number}-{i}")
        if source == "human":
            annotations.append({"completed_by": {"email": who}, "was_cancelled": False, "result": result})
        else:
            predictions.append({"model_version": who or source, "result": result})
    image = prefix + quote(sheet.relative)
    data = {"image": image, "photo_id": sheet.photo_id, "why": "; ".join(sheet.why)}
    return {"id": number, "data": data, "annotations": annotations, "predictions": predictions}


def _written(values: Mapping[str, str], schema: LabelSchema, *, stem: str) -> list[dict[str, Any]]:
    order = [name for name in (*schema.names, YEARS, USE) if name in values]
    found = []
    for name in order:
        kind = "number" if name == YEARS else "choices"
        value: Any = float(values[name]) if name == YEARS else [values[name]]
        found.append(
            {"id": f"{stem}-{name}", "from_name": name, "to_name": "image", "type": kind, "value": {kind: value}}
        )
    return found


def _notes(notes: Mapping[str, str], stem: str) -> list[dict[str, Any]]:
    return [
        {"id": f"{stem}-{key}", "from_name": key, "to_name": "image", "type": "textarea", "value": {"text": [text]}}
        for key, text in notes.items()
    ]


def labelling_config(schema: LabelSchema) -> str:
    """The labelling interface (XML) of a project for such tasks: the image, why it is shown, and what may be said."""
    lines = ["<View>", '  <Image name="image" value="$image"/>', '  <Text name="shown" value="$why"/>']
    choices = {a.name: a.classes for a in schema.attributes} | {USE: USES[1:]}
    for name, words in choices.items():
        lines.append(f"  <Header value={quoteattr(name)}/>")
        lines.append(f'  <Choices name={quoteattr(name)} toName="image" choice="single">')
        lines += [f"    <Choice value={quoteattr(word)}/>" for word in words_of(words)]
        lines.append("  </Choices>")
    first, last = schema.years
    lines.append(f'  <Number name="{YEARS}" toName="image" min="{first}" max="{last}"/>')
    lines += [f'  <TextArea name="{key}" toName="image" placeholder="{escape(key)}"/>' for key in (REASON, CERTAINTY)]
    return "\n".join([*lines, "</View>"]) + "\n"
