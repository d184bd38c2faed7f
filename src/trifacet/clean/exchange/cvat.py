"""CVAT's XML 1.1 for images: tags with attributes on each image.

An XML file may ask its reader to expand entities or to fetch others. Both need a document type, which CVAT never
writes: the parser (expat of the standard library, which ElementTree hides) refuses the file at the first sign of one.
Source: docs.cvat.ai/docs/other/xml_format, version 1.1, annotation mode; bombs: docs.python.org/3/library/xml.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape

from trifacet.clean.exchange.said import CERTAINTY, CLASS, REASON, WHO, Names, Problem, Said, Told, nothing_said
from trifacet.clean.exchange.sheets import Sheet, words_of
from trifacet.core.decisions import USE, USES, YEARS, Source
from trifacet.core.errors import error
from trifacet.core.schema import LabelSchema

LABEL = "photo"  # the label of the tags that we write
SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
_SOURCES: dict[str, Source] = {"manual": "human", "auto": "model", "semi-auto": "model", "file": "rule"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _BombError(Exception):
    """The file declares a document type or an entity."""


@dataclass
class _Image:
    """What is being read: the image, its tag, that tag's attribute."""

    name: str = ""
    label: str | None = None
    source: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)
    attribute: str | None = None
    text: str = ""


class _Reader:
    """Follows a file through its elements, remembering what one image says."""

    def __init__(self, names: Names) -> None:
        self.names, self.now, self.depth = names, _Image(), 0
        self.said: list[Said] = []
        self.problems: list[Problem] = []
        self.foreign: list[str] = []
        self.n_images = self.n_shapes = 0
        self.root = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self.depth += 1
        now = self.now
        if self.depth == 1:
            self.root = name
        elif name == "image":
            self.n_images += 1
            self.now = _Image(name=attributes.get("name", ""))
            if not self.now.name:
                self.problems.append(Problem(f"image {attributes.get('id', self.n_images)}", "", "names no photo"))
        elif name == "tag" and now.name:
            now.label, now.source, now.attributes = attributes.get("label", ""), attributes.get("source", ""), []
        elif name == "attribute" and now.label is not None:
            now.attribute, now.text = attributes.get("name", ""), ""
        elif name in SHAPES:
            self.n_shapes += 1

    def text(self, text: str) -> None:
        """Characters, in pieces."""
        if self.now.attribute is not None:
            self.now.text += text

    def end(self, name: str) -> None:
        """An element ends."""
        self.depth -= 1
        now = self.now
        if name == "attribute" and now.attribute is not None:
            now.attributes.append((now.attribute, now.text.strip()))
            now.attribute = None
        elif name == "tag" and now.label is not None:
            self.said += self._tag()
            now.label = None
        elif name == "image":
            self.now = _Image()

    def _tag(self) -> Iterator[Said]:
        """What a tag says: its attributes that are called like labels, and its own label where that is a class."""
        now, names = self.now, self.names
        about = dict(now.attributes)
        more = {key: about.get(names.of(key), "") for key in (WHO, REASON, CERTAINTY)}
        place, source = f"image {now.name}", _SOURCES.get(now.source)
        key = _attribute_of(now.label or "", names)
        if key:
            yield Said(place, now.name, key, now.label or "", source=source, **more)
        for name, text in now.attributes:
            if key := names.key(name):
                yield Said(place, now.name, key, text, source=source, **more)
            elif name not in [names.of(k) for k in (WHO, REASON, CERTAINTY)]:
                self.foreign.append(name)
        if not now.attributes and not key and now.label:
            self.foreign.append(now.label)


def _attribute_of(label: str, names: Names) -> str:
    """The key that a tag's label is a value of; "" where none or several know it."""
    keys = [a.name for a in names.schema.attributes if label in a.classes or label in names.means.get(a.name, {})]
    keys += [CLASS] if label in names.schema.joint_names or label in names.means.get(CLASS, {}) else []
    keys += [USE] if label in USES[1:] or label in names.means.get(USE, {}) else []
    return keys[0] if len(keys) == 1 and label else ""


def read_images(path: Path, names: Names) -> Told:
    """What the tags of an annotations.xml say. Shapes are passed over, and counted.

    Raises:
        StoreError: TRI708, no XML, one with a document type, no annotations of images, or nothing called like a label.
    """
    reader = _Reader(names)
    try:
        with path.open("rb") as content:
            _parse(content, reader)
    except _BombError:
        got = "a document type, which may hold entities that grow without end or name other files"
        raise error("TRI708", "an XML file that CVAT did not write", where=path, got=got) from None
    except (OSError, ExpatError, UnicodeDecodeError, ValueError) as problem:
        raise error("TRI708", "cannot be read as XML", where=path, got=str(problem)) from problem
    if reader.root != "annotations" or not reader.n_images:
        do = "Export the task as 'CVAT for images 1.1' and pass its annotations.xml."
        raise error("TRI708", "no annotations of images", where=path, got=f"<{reader.root}>", do=do)
    if reader.foreign and not reader.said and not reader.problems:
        raise nothing_said(path, reader.foreign, schema=names.schema)
    notes = [f"{reader.n_shapes:,} shapes are no labels of a photo"] if reader.n_shapes else []
    notes += [f"not labels here: {', '.join(sorted(set(reader.foreign))[:10])}"] if reader.foreign else []
    return Told(tuple(reader.said), tuple(reader.problems), tuple(notes))


def _parse(content: Any, reader: _Reader) -> None:
    def refuse(*_: object) -> None:
        raise _BombError

    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.ParseFile(content)


def annotated(sheets: Sequence[Sheet], schema: LabelSchema, *, name: str) -> str:
    """The content of annotations.xml: a tag for each author's rulings on a photo, its attributes the labels.

    Characters that XML cannot hold become U+FFFD.
    """
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    lines += _meta(schema, name=name, n_photos=len(sheets))
    for number, sheet in enumerate(sheets):
        size = "".join(
            f' {key}="{px}"' for key, px in (("width", sheet.width_px), ("height", sheet.height_px)) if px is not None
        )
        lines.append(f'  <image id="{number}" name="{_safe(sheet.photo_id)}"{size}>')
        for (who, reason, certainty, source), values in sheet.grouped().items():
            theirs = next(word for word, ours in _SOURCES.items() if ours == source)
            lines.append(f'    <tag label="{LABEL}" source="{theirs}">')
            told = values | {WHO: who, REASON: reason, CERTAINTY: certainty}
            lines += [f'      <attribute name="{_safe(k)}">{_safe(v)}</attribute>' for k, v in told.items() if v]
            lines.append("    </tag>")
        lines.append("  </image>")
    return "\n".join([*lines, "</annotations>"]) + "\n"


def _meta(schema: LabelSchema, *, name: str, n_photos: int) -> list[str]:
    """The head: one label with an attribute for each thing that may be said."""
    choices = {a.name: a.classes for a in schema.attributes} | {USE: USES[1:]}
    asked = [(key, "select", "\n".join(words_of(words))) for key, words in choices.items()]
    asked += [(YEARS, "text", ""), *((key, "text", "") for key in (WHO, REASON, CERTAINTY))]
    lines = ["  <meta>", "    <task>", f"      <name>{_safe(name)}</name>", f"      <size>{n_photos}</size>"]
    lines += ["      <mode>annotation</mode>", "      <labels>", "        <label>", f"          <name>{LABEL}</name>"]
    lines += ["          <type>tag</type>", "          <attributes>"]
    for key, kind, values in asked:
        lines += ["            <attribute>", f"              <name>{_safe(key)}</name>"]
        lines += ["              <mutable>False</mutable>", f"              <input_type>{kind}</input_type>"]
        lines += ["              <default_value></default_value>", f"              <values>{_safe(values)}</values>"]
        lines.append("            </attribute>")
    lines += ["          </attributes>", "        </label>", "      </labels>", "    </task>", "  </meta>"]
    return lines


def _safe(text: str) -> str:
    """A text for an element or between double quotes; line ends as references, since parsers change them."""
    return escape(_NOT_XML.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
