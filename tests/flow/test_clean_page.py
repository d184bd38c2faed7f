"""The commands of docs/how-to/clean.md lead, as printed, from photos to a corrected manifest and its diff."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from tests.flow.command import done
from tests.flow.kept import hashes_of
from tests.flow.photos import KNOWN, folder_name, write_world
from tests.flow.reviewed import reviewing
from tests.house.sources import ROOT
from trifacet.core.decisions import read_decisions
from trifacet.core.findings import read_findings
from trifacet.core.manifest import read_manifest
from trifacet.data.drawn import draw_dataset

PAGE = ROOT / "docs" / "how-to" / "clean.md"

# The page's recipe learns a head on a network's features; here on those of the smallest, for a moment.
SHORT = tuple(
    word
    for setting in (
        "model.backbone=face_resnet10",
        "data.image_size=[32,32]",
        "train.head_epochs=1",
        "report.pictures=false",
        "track.tensorboard=false",
        "decide.tta=none",
    )
    for word in ("--set", setting)
)


def page_lines() -> list[str]:
    """The command lines of the page that are run, in its order."""
    return [line.strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("    trifacet ")]


def rule_as_a_person_does(words: Sequence[str], folder: Path) -> tuple[str, str, str]:
    """Opens the page and says of the first photo shown that its gender is the other one: photo, old and new."""
    manifest = read_manifest(folder / words[1])
    with reviewing(*words[1:], at=folder) as page:
        item = page.next("ann")
        assert item is not None
        old = manifest.table["gender"][item["row"]]
        new = "female" if old == "male" else "male"
        page.rule(row=item["row"], who="ann", changes={"gender": new}, seen=item["seen"])
        after = page.next("ann")
        assert after is None or after["row"] != item["row"]
    return manifest.photo_ids[item["row"]], old, new


def write_from_elsewhere(name: str, folder: Path) -> None:
    """Writes the files that come from another tool: what Label Studio was given, with its answers, and a table."""
    if name == "answers.json":
        (folder / name).write_bytes((folder / "tasks.json").read_bytes())
    elif name == "labels.csv":
        photo = read_manifest(folder / "split.parquet").table.filter(mask="worn", gender="male")["photo_id"][0]
        (folder / name).write_text(f"path,class\n/elsewhere/{photo},6\n", encoding="utf-8")


def follow(folder: Path, *, more: Sequence[str] = ()) -> tuple[str, str, str]:
    """Runs every line of the page in a folder with photos/; what was ruled. more: words added to `train`."""
    ruled: list[tuple[str, str, str]] = []
    for line in page_lines():
        _, *words = shlex.split(line, comments=True)
        if words[0] == "review":
            ruled.append(rule_as_a_person_does(words, folder))
        else:
            if words[:2] == ["decisions", "import"]:
                write_from_elsewhere(words[2], folder)
            done(*words, *(more if words[0] == "train" else ()))
    (one,) = ruled
    return one


def check_the_end(folder: Path, ruled: tuple[str, str, str]) -> None:
    """The corrected manifest differs from the first by the ruling alone, as the diff says."""
    photo, old, new = ruled
    before, after = (read_manifest(folder / name) for name in ("split.parquet", "clean.parquet"))
    assert after.photo_ids == before.photo_ids
    differs = before.table["gender"] != after.table["gender"]
    assert before.table.filter(differs)["photo_id"].to_list() == [photo]
    same = pl.exclude("gender", "label_source")
    assert after.table.select(same).equals(before.table.select(same))
    diff = pl.read_csv(folder / "clean.changes.csv")
    assert diff.select("photo_id", "attribute", "old", "new", "who").rows() == [(photo, "gender", old, new, "ann")]


def test_the_page_leads_from_photos_to_a_corrected_manifest_and_its_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = write_world(tmp_path / "world", n_train=24, n_eval=0)
    (world.train_dir / "images" / folder_name(20)).rename(world.train_dir / "images" / KNOWN)
    world.train_dir.rename(tmp_path / "photos")
    before = hashes_of(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    ruled = follow(tmp_path, more=SHORT)
    check_the_end(tmp_path, ruled)
    assert hashes_of(tmp_path / "photos") == before
    assert {"label"} <= set(read_findings(tmp_path / "audit" / "findings.parquet").table["kind"])


@pytest.mark.prove
def test_the_page_leads_there_exactly_as_printed_on_drawn_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw_dataset(tmp_path / "drawn", n_train_people=60, n_eval_people=0, size_px=(96, 128), workers=1)
    lines = (drawn.train_dir / "train.csv").read_text(encoding="utf-8").splitlines()
    old = lines[21].rpartition(",")[2]
    lines[21] = f"000020,female,Asian,50,{KNOWN}"
    (drawn.train_dir / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (drawn.train_dir / "images" / old).rename(drawn.train_dir / "images" / KNOWN)
    drawn.train_dir.rename(tmp_path / "photos")
    before = hashes_of(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    check_the_end(tmp_path, follow(tmp_path))
    assert hashes_of(tmp_path / "photos") == before


def test_the_way_is_whole() -> None:
    run = [shlex.split(line, comments=True)[1] for line in page_lines()]
    way = ["ingest", "split", "train", "audit", "review", "apply"]
    assert [name for name in run if name in way] == way
    assert run[-1] == "decisions"


def test_the_decisions_that_the_page_shows_can_be_read(tmp_path: Path) -> None:
    blocks = map(dedent, re.findall(r"(?:^    .*\S.*\n)+", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    (shown,) = [block for block in blocks if block.startswith("subject,")]
    (tmp_path / "d.csv").write_text(shown, encoding="utf-8")
    assert {(d.scope, d.attribute) for d in read_decisions(tmp_path / "d.csv")} == {
        ("person", "gender"),
        ("photo", "mask"),
        ("photo", "use"),
    }
