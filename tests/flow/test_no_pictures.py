"""Without pictures no pixel of a photo is left in what a run makes; with them they are, which is the control."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.command import PICTURED, done, trifacet
from tests.flow.photos import World, write_world

# How files and parts of files begin that hold a picture; a page holds them as data URIs. Each is long enough that
# weights, which are as good as random bytes, do not hold it by chance: JPEG's first three bytes they do.
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"WEBPVP8", b"data:image", b"GIF89a")
BOARD = ("--set", "track.tensorboard=true")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("private")
    world = write_world(root / "photos", n_train=12, n_eval=3)
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--test", 0.25)
    for name, words in (("private", ("--no-pictures",)), ("shown", ())):
        done("train", "--data", root / "split.parquet", "--out", root / name, *PICTURED, *BOARD, *words)
    return world


@pytest.fixture
def root(world: World) -> Path:
    return world.train_dir.parent.parent


def pictures(path: Path) -> Iterator[str]:
    """The files at or below a path that hold a picture."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if any(start in file.read_bytes() for start in PICTURES):
            yield file.name.partition(".out.tfevents")[0]


def test_a_run_without_pictures_holds_none(root: Path) -> None:
    assert list(pictures(root / "private")) == []
    assert not (root / "private/pictures").exists()
    page = (root / "private/report/index.html").read_text(encoding="utf-8")
    assert "not shown, by report.pictures" in page
    assert '<section id="attention"' in page  # means of maps, which hold no pixel
    assert 'id="mistakes"' not in page
    assert "<image" not in page
    assert sorted(set(pictures(root / "shown"))) == ["answers.png", "events", "index.html", "inputs.png"]


@pytest.mark.parametrize(
    ("run", "words", "has_pictures"),
    [
        pytest.param("private", (), False, id="as the run is"),
        pytest.param("shown", ("--no-pictures",), False, id="asked for"),
        pytest.param("shown", (), True, id="with pictures"),
    ],
)
def test_a_page_of_answers_without_pictures_lists_names(
    root: Path, world: World, tmp_path: Path, run: str, words: tuple[str, ...], has_pictures: bool
) -> None:
    page = tmp_path / "answers.html"
    done("predict", root / run, world.eval_dir, "--out", tmp_path / "a.parquet", "--page", page, *words)
    text = page.read_text(encoding="utf-8")
    assert bool(list(pictures(page))) == has_pictures
    assert ("<caption>Answered " in text) != has_pictures
    assert all(path.name in text for path in (world.eval_dir / "images").iterdir())


def test_a_dry_run_without_pictures_writes_none(root: Path, tmp_path: Path) -> None:
    said = done(
        "train", "--data", root / "split.parquet", "--dry-run", "--no-pictures", "--out", tmp_path / "d.png", *PICTURED
    )
    assert "none: report.pictures is false" in said.out
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_as_it_began(root: Path) -> None:
    said = trifacet("train", "--resume", root / "private", "--no-pictures")
    assert said.err.startswith("TRI104 --resume: goes on with the run as it is")
