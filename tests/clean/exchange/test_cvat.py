"""CVAT: tags and their attributes, and XML that would blow up its reader."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.clean.exchange.people import ONE, TWO, people, write
from trifacet.clean.exchange.cvat import annotated
from trifacet.clean.exchange.forms import CVAT, read_form
from trifacet.clean.exchange.meaning import read_names
from trifacet.clean.exchange.rulings import Author, Ruled, rulings_of
from trifacet.clean.exchange.sheets import sheets_of
from trifacet.core.decisions import Decision
from trifacet.core.errors import StoreError

DATA = people()
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id><name>faces</name><size>2</size><mode>annotation</mode><overlap>0</overlap>
      <labels><label><name>face</name><attributes><attribute><name>gender</name><mutable>False</mutable>
        <input_type>select</input_type><default_value>female</default_value><values>female
male</values></attribute></attributes></label></labels>
      <owner><username>ann</username><email></email></owner>
    </task>
    <dumped>2026-11-02 11:38:28.799808+00:00</dumped>
  </meta>
"""
BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">
%s]>
<annotations><image id="0" name="&z;"/></annotations>"""
GROWTH = "\n".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghiz", strict=True))


def read(tmp_path: Path, images: str, *maps: str) -> Ruled:
    names = read_names(maps, schema=DATA.schema)
    told = read_form(write(tmp_path / "a.xml", f"{HEAD}{images}</annotations>\n"), CVAT, names=names)
    return rulings_of(told, DATA, names=names, author=Author("a.xml"))


def said(found: Ruled) -> list[tuple[str, str, str, str]]:
    return [(d.subject, d.attribute, d.new, d.source) for d in found.decisions]


def test_tags_say_labels_by_their_attributes_or_by_their_names(tmp_path: Path) -> None:
    images = f"""
  <image id="0" name="{ONE}/normal.jpg" width="384" height="512">
    <tag label="face" source="manual">
      <attribute name="gender">male</attribute>
      <attribute name="mask">not_worn</attribute>
    </tag>
    <tag label="incorrect" source="auto"></tag>
  </image>
  <image id="1" name="images/{TWO}/mask1.jpg" width="384" height="512">
    <box label="face" xtl="1.00" ytl="2.00" xbr="3.00" ybr="4.00" occluded="0" z_order="0">
      <attribute name="gender">female</attribute>
    </box>
    <tag label="not_a_face" source="manual"></tag>
  </image>
"""
    found = read(tmp_path, images.replace('<attribute name="mask">not_worn</attribute>', ""))
    assert found.problems == ()
    assert said(found) == [
        (f"{ONE}/normal.jpg", "gender", "male", "human"),
        (f"{ONE}/normal.jpg", "mask", "incorrect", "model"),
        (f"{TWO}/mask1.jpg", "use", "not_a_face", "human"),
    ]
    assert found.notes == ("1 shapes are no labels of a photo",)
    (clash,) = read(tmp_path, images).problems
    assert clash.why == f"mask is incorrect here and not_worn at image {ONE}/normal.jpg"


def test_other_names_and_words_are_mapped(tmp_path: Path) -> None:
    tags = '<tag label="bare"/><tag label="x"><attribute name="sex">m</attribute></tag>'
    image = f'<image id="0" name="{ONE}/mask1.jpg">{tags}</image>'
    found = read(tmp_path, image, "mask:bare=not_worn", "gender=sex", "gender:m=male")
    assert said(found) == [
        (f"{ONE}/mask1.jpg", "mask", "not_worn", "human"),
        (f"{ONE}/mask1.jpg", "gender", "male", "human"),
    ]


def test_what_is_written_is_xml_of_the_form(tmp_path: Path) -> None:
    told = Decision(who='a "b" <c>', subject=f"{ONE}/normal.jpg", attribute="gender", old="female", new="male")
    root = ElementTree.fromstring(annotated(sheets_of(DATA, [told]).sheets, DATA.schema, name="x & y"))
    assert (root.tag, root.findtext("version"), root.findtext("meta/task/name")) == ("annotations", "1.1", "x & y")
    image = root.find("image")
    assert image is not None
    assert image.attrib == {"id": "0", "name": f"{ONE}/normal.jpg", "width": "16", "height": "16"}
    asked = {a.findtext("name"): (a.findtext("values") or "").split("\n") for a in root.iter("attribute") if len(a)}
    assert asked["gender"] == ["male", "female", "none"]
    tag = image.find("tag")
    assert tag is not None
    assert tag.attrib == {"label": root.findtext("meta/task/labels/label/name"), "source": "manual"}
    assert {a.get("name"): a.text for a in tag} == {"gender": "male", "who": 'a "b" <c>'}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB % GROWTH, id="entities that grow without end"),
        pytest.param(BOMB % '<!ENTITY z SYSTEM "file:///etc/passwd">', id="a file of this machine"),
        pytest.param(BOMB % '<!ENTITY % z SYSTEM "http://192.0.2.1/x.dtd"> %z;', id="an address"),
        pytest.param('<!DOCTYPE annotations SYSTEM "cvat.dtd"><annotations/>', id="a document type elsewhere"),
    ],
)
def test_a_bomb_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.xml", text)
    with pytest.raises(StoreError) as caught:
        read_form(path, CVAT, names=read_names((), schema=DATA.schema))
    assert str(caught.value) == (
        f"TRI708 {path}: an XML file that CVAT did not write, got a document type, which may hold entities that grow "
        "without end or name other files. Export it again, say which form it has (--form), or what it calls things "
        "(--map)."
    )
