"""Backgrounds by commands: from photos to photos of the same people, every one accounted for, through a kill too."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from filelock import FileLock
from PIL import Image

from tests.clean.segmenting import BLUE, draw_face, write_faces, write_model
from tests.flow.command import done, trifacet
from trifacet.clean.cutouts import Done
from trifacet.core.files import sha256_file
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.pixels.decode import decode

pytestmark = pytest.mark.skipif(find_spec("rembg") is None, reason="the extra [background] is not installed")

N_PHOTOS = 24
KEPT = ("photo_id", "person_id", *DEFAULT_SCHEMA.names, "age_years", "split", "fold", "label_source", "source")


class World(NamedTuple):
    """Photos of a drawn face with a split manifest of them, and the words that name the model."""

    root: Path
    data: Path
    model: tuple[str, ...]
    sha256: str


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_faces(tmp_path / "faces", N_PHOTOS)
    done("ingest", tmp_path / "faces/labels.csv", "--photos", "photos", "--out", tmp_path / "m.parquet")
    done("split", tmp_path / "m.parquet", "--val", 0.34, "--folds", 2, "--out", tmp_path / "split.parquet")
    path, sha256 = write_model(tmp_path / "tiny.onnx")
    return World(tmp_path, tmp_path / "split.parquet", ("--model", str(path), "--sha256", sha256), sha256)


def hashes(root: Path) -> dict[str, str]:
    """The hash of every file below `root`."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def accounted(made: Manifest, rejects: Path, given: Manifest) -> None:
    """Every photo that was given has a counterpart or a reason, and only one of them."""
    told = pl.read_csv(rejects)["path"].to_list()
    assert sorted([*made.photo_ids, *told]) == sorted(given.photo_ids)


def test_people_stand_before_another_background_and_keep_all_that_is_known_of_them(world: World) -> None:
    before = hashes(world.root)
    said = done("background", world.data, *world.model, "--out", world.root / "new")
    assert {name: sha for name, sha in hashes(world.root).items() if not name.startswith("new/")} == before
    given, made = read_manifest(world.data), read_manifest(world.root / "new/manifest.parquet")
    assert made.table.select(KEPT).equals(given.table.select(KEPT))
    assert made.table["derived_from"].to_list() == [f"photo={s} model={world.sha256}" for s in given.table["sha256"]]
    assert (made.stage, made.inputs) == (
        "background",
        {"model": world.sha256, "data": hashlib.sha256(world.data.read_bytes()).hexdigest()},
    )
    assert set(made.table["x_background"]) == {"white"}
    assert (made.table["x_kept_share"] - 0.235).abs().max() < 0.01  # an ellipse of 48 x 76 in 96 x 128 pixels
    accounted(made, world.root / "new/rejects.csv", given)
    for path, old, sha256 in zip(made.paths, given.paths, made.table["sha256"], strict=True):
        content = path.read_bytes()
        assert (content[:4], hashlib.sha256(content).hexdigest()) == (b"\x89PNG", sha256)
        new, image = decode(content).astype(int), decode(old.read_bytes()).astype(int)
        is_face = np.abs(image - BLUE).max(axis=2) > 60
        inner = is_face & np.roll(is_face, 3, 0) & np.roll(is_face, -3, 0) & np.roll(is_face, 3, 1)
        inner &= np.roll(is_face, -3, 1)
        outer = is_face | np.roll(is_face, 3, 0) | np.roll(is_face, -3, 0) | np.roll(is_face, 3, 1)
        outer |= np.roll(is_face, -3, 1)
        assert inner.sum() > 1000
        assert np.abs(new - image)[inner].max() <= 8
        assert (new[~outer] >= 250).all()
    assert "photo           24%     24%   24%      24" in said.out
    assert made.table["x_face_kept_share"].null_count() == N_PHOTOS  # nobody looked for faces


def test_how_much_of_each_face_was_kept_is_told_where_faces_are_known(world: World) -> None:
    given = read_manifest(world.data)
    x0 = [24.0 + int(i[:3]) % 20 - 10 for i in given.photo_ids]  # the ellipse's box, in the square of a face finder
    box = {"crop_x0_px": [x - 6 for x in x0], "crop_x1_px": [x + 54 for x in x0]}
    low = {"crop_y0_px": [32.0] * 24, "crop_y1_px": [92.0] * 24, "crop_angle_deg": [0.0] * 24}
    table = given.table.with_columns(pl.Series(name, c, dtype=pl.Float32) for name, c in (box | low).items())
    nobody = pl.when(pl.col("photo_id") == "005.png").then(None)
    table = table.with_columns(nobody.otherwise(pl.col(name)).alias(name) for name in (*box, *low))
    write_manifest(world.root / "known.parquet", Manifest(table, given.schema, given.roots))
    said = done("background", world.root / "known.parquet", *world.model, "--out", world.root / "new")
    made = read_manifest(world.root / "new/manifest.parquet").table
    assert made.filter(pl.col("x_face_kept_share").is_null())["photo_id"].to_list() == ["005.png"]
    expected = draw_face()[1][38:86, 24:72].mean()  # of the box, what the ellipse fills: about .93
    assert (made["x_face_kept_share"] - expected).abs().max() < 0.02
    assert "face            93%     94%   94%      23" in said.out


def test_several_fills_make_a_whole_data_set_each(world: World) -> None:
    fills = ("black", "blur", "transparent", "ff8000")
    done(
        "background", world.data, *world.model, "--out", world.root / "new", *(w for f in fills for w in ("--fill", f))
    )
    made = {fill: read_manifest(world.root / "new" / fill / "manifest.parquet") for fill in fills}
    corner = {fill: np.asarray(Image.open(m.paths[0]))[-1, -1].tolist() for fill, m in made.items()}
    assert corner == {"black": [0, 0, 0], "blur": list(BLUE), "transparent": [0, 0, 0, 0], "ff8000": [255, 128, 0]}
    assert {m.table["x_background"][0] for m in made.values()} == {*fills}
    for manifest in made.values():
        accounted(manifest, world.root / "new/rejects.csv", read_manifest(world.data))


def test_a_photo_that_cannot_be_cut_out_is_named_with_its_reason(world: World) -> None:
    photos = world.root / "faces/photos"
    (photos / "003.png").unlink()
    (photos / "004.png").write_bytes(b"other bytes")
    plain = Image.new("RGB", (40, 40), BLUE)
    plain.save(photos / "plain.png")
    sideways = Image.fromarray(draw_face()[0]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it back, clockwise
    sideways.save(photos / "turned.jpg", quality=95, exif=exif)
    manifest = read_manifest(world.data)
    for name in ("plain.png", "turned.jpg"):
        sha256 = hashlib.sha256((photos / name).read_bytes()).hexdigest()
        row = manifest.table[0].with_columns(photo_id=pl.lit(name), path=pl.lit(name), sha256=pl.lit(sha256))
        manifest = Manifest(manifest.table.vstack(row), manifest.schema, manifest.roots)
    leads_out = manifest.table[1].with_columns(photo_id=pl.lit("out"), path=pl.lit("../photos/001.png"))
    given = Manifest(manifest.table.vstack(leads_out), manifest.schema, manifest.roots)
    given_path = world.root / "given.parquet"
    write_manifest(given_path, given)
    said = done("background", given_path, *world.model, "--out", world.root / "new")
    made = read_manifest(world.root / "new/manifest.parquet")
    assert (world.root / "new/rejects.csv").read_text() == (
        "path,status,reason\n"
        "out,outside,its path in the manifest leads out of the folder of photos\n"
        "003.png,unreadable,cannot be opened (No such file or directory)\n"
        "004.png,changed,not the bytes that were ingested: ingest the folder again\n"
        "plain.png,empty,the model sees nobody in it\n"
    )
    assert said.err == f"Note 4 files have no counterpart: {world.root}/new/rejects.csv says why\n"
    accounted(made, world.root / "new/rejects.csv", given)
    upright = np.asarray(Image.open(made.paths[-1]))
    assert (made.photo_ids[-1], upright.shape) == ("turned.jpg", (128, 96, 3))
    assert (upright[0, 0] >= 250).all()
    assert np.abs(upright[60, 48].astype(int) - (225, 170, 140)).max() < 12


def test_names_that_would_be_one_as_png_are_kept_apart(world: World) -> None:
    photos = world.root / "faces/photos"
    for i, name in enumerate(("a.png", "a.jpg", "A.png", "a.jpg.jpg")):
        shutil.copy(photos / f"{i:03d}.png", photos / name)
    done("background", photos, *world.model, "--out", world.root / "new")
    made = read_manifest(world.root / "new/manifest.parquet")
    paths = [path for photo_id, path in made.table.select("photo_id", "path").iter_rows() if photo_id[0] in "aA"]
    assert len({path.casefold() for path in paths}) == 4
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in made.paths] == made.table["sha256"].to_list()


def test_photos_of_several_folders_do_not_meet(world: World) -> None:
    shutil.copytree(world.root / "faces", world.root / "more")
    both = (f"one={world.root}/faces/photos", f"two={world.root}/more/photos")
    done("ingest", *both, "--out", world.root / "both.parquet")
    done("background", world.root / "both.parquet", *world.model, "--out", world.root / "new")
    made = read_manifest(world.root / "new/manifest.parquet")
    assert made.roots == {name: world.root / "new/photos" / name for name in ("one", "two")}
    assert len(set(made.paths)) == len(made) == 2 * N_PHOTOS


def test_the_number_of_workers_changes_nothing(world: World) -> None:
    for workers in (1, 4):
        done("background", world.data, *world.model, "--out", world.root / f"by{workers}", "--workers", workers)
    one, four = (hashes(world.root / f"by{workers}/photos") for workers in (1, 4))
    assert one == four
    assert len(one) == N_PHOTOS


def test_after_a_kill_the_same_command_goes_on_and_ends_in_the_same_bytes(world: World) -> None:
    n_photos = 60
    data = write_faces(world.root / "many", n_photos) / "photos"
    words = ("background", data, *world.model, "--workers", 1, "--fill", "blur", "--fill", "white", "--out")
    done(*words, world.root / "whole")
    part = world.root / "new.part"
    journal = part / "done.jsonl"
    for n_wanted in (5, 15):
        command = [sys.executable, "-m", "trifacet", *map(str, words), str(world.root / "new")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < n_wanted):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
        assert n_wanted <= journal.read_bytes().count(b"\n") < n_photos
        assert not (world.root / "new").exists()
    n_before = journal.read_bytes().count(b"\n")
    kept = {path: path.stat().st_mtime_ns for path in (part / "new/white/photos").glob("00[0-4].png")}
    (part / "new/white/photos/.torn.png").write_bytes(b"as a kill in the midst of writing leaves it")
    journal.write_bytes(journal.read_bytes() + b'{"photo_id": "torn')
    said = done(*words, world.root / "new")
    assert f"{n_before} of them had been cut out before" in said.out
    assert not part.exists()
    whole, new = (hashes(world.root / name) for name in ("whole", "new"))
    assert new == whole
    assert len(new) == 2 * n_photos + 3
    for path, mtime_ns in kept.items():  # what was done was not done again
        assert (world.root / "new" / path.relative_to(part / "new")).stat().st_mtime_ns == mtime_ns
    assert len(kept) == 5


def test_a_counterpart_that_changed_meanwhile_is_made_again(world: World) -> None:
    out = world.root / "new"
    done("background", world.data, *world.model, "--out", out)
    made, before = read_manifest(out / "manifest.parquet"), hashes(out)
    rows = zip(made.photo_ids, made.table["derived_from"], made.table["sha256"], strict=True)
    lines = [Done(photo_id=i, sha256=d[6:70], kept_share=0.2, face_share=None, made={"white": s}) for i, d, s in rows]
    settings = begun(world)
    part = world.root / "new.part"
    out.rename(part / "new")
    (part / "done.jsonl").write_text("".join(line.model_dump_json() + "\n" for line in lines))
    (part / "settings.json").write_bytes(settings)
    (part / "new/photos/005.png").write_bytes(b"damaged")
    said = done("background", world.data, *world.model, "--out", out)
    assert f"{N_PHOTOS - 1} of them had been cut out before" in said.out
    after = hashes(out)
    assert {name for name in after if after[name] != before[name]} == {"manifest.parquet"}  # its shares, given here


def begun(world: World) -> bytes:
    """The settings of an unfinished run; its folder stands."""
    part = world.root / "new.part"
    part.mkdir()
    process = [sys.executable, "-c", BEGIN, str(world.data), str(world.root / "new2"), *world.model[1::2]]
    subprocess.run(process, check=True)
    shutil.rmtree(part)
    (world.root / "new2.part").rename(part)
    shutil.rmtree(part / "new", ignore_errors=True)
    return (part / "settings.json").read_bytes()


# Ends at the first photo, as a kill would.
BEGIN = """
import os, sys
from trifacet.stages import background
background(sys.argv[1], sys.argv[2], model=sys.argv[3], sha256=sys.argv[4],
           progress=lambda what, n, of: os._exit(0) if what.startswith("cutting") and n == 1 else None)
"""


@pytest.mark.parametrize(
    ("words", "got"),
    [
        pytest.param(("--fill", "black"), "other fills", id="fills"),
        pytest.param(("--session", "dis_custom"), "other session", id="session"),
    ],
)
def test_an_unfinished_folder_is_gone_on_with_by_the_same_settings_alone(
    world: World, words: tuple[str, ...], got: str
) -> None:
    begun(world)
    before = hashes(world.root)
    said = trifacet("background", world.data, *world.model, "--out", world.root / "new", *words)
    do = f"Give the same settings as then, or delete {world.root}/new.part, or name another --out."
    what = f"TRI124 {world.root}/new.part: photos were being cut out here otherwise, got {got}."
    assert (said.status, said.err) == (3, f"{what} {do}\n")
    assert hashes(world.root) == before


def test_what_stopped_before_the_first_photo_is_in_nobodys_way(world: World) -> None:
    (world.root / "no.onnx").write_bytes(b"no network")
    wrong = ("--model", world.root / "no.onnx", "--sha256", sha256_file(world.root / "no.onnx"))
    assert "TRI122" in trifacet("background", world.data, *wrong, "--out", world.root / "new").err
    done("background", world.data, *world.model, "--out", world.root / "new")
    assert not (world.root / "new.part").exists()


def test_two_commands_do_not_cut_into_one_folder(world: World) -> None:
    begun(world)
    with FileLock(world.root / "new.part/lock"):
        said = trifacet("background", world.data, *world.model, "--out", world.root / "new")
    assert (said.status, said.err) == (
        3,
        f"TRI124 {world.root}/new.part: another process cuts photos out here. Wait for it, or name another --out.\n",
    )


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        pytest.param(
            ("--out", "ROOT/new", "--fill", "whit"),
            3,
            "TRI104 --fill: no fill 'whit'. Did you mean 'white'?",
            id="fill",
        ),
        pytest.param(
            ("--out", "ROOT/faces"),
            6,
            "TRI402 ROOT/faces: this place is taken. Choose another --out (`train --name` numbers runs by itself); "
            "a folder is never overwritten.",
            id="taken",
        ),
        pytest.param(
            ("--out", "ROOT/mine"),
            3,
            "TRI124 ROOT/mine.part: this folder is in the way. Delete it, or name another --out.",
            id="in the way",
        ),
    ],
)
def test_a_place_or_a_fill_that_does_not_do_is_told_and_leaves_nothing(
    world: World, words: tuple[str, ...], status: int, message: str
) -> None:
    (world.root / "mine.part").mkdir()
    (world.root / "mine.part/letter.txt").write_text("dear")
    before = hashes(world.root)
    said = trifacet("background", world.data, *world.model, *(word.replace("ROOT", str(world.root)) for word in words))
    assert (said.status, said.err) == (status, message.replace("ROOT", str(world.root)) + "\n")
    assert hashes(world.root) == before


def test_a_folder_of_photos_is_never_written_to(world: World) -> None:
    photos = world.root / "faces/photos"
    said = trifacet("background", photos, *world.model, "--out", photos / "new")
    do = "Name a folder beside them: what is read is never written to."
    what = f"TRI104 --out: the output lies among the photos, got '{photos}/new'."
    assert (said.status, said.err) == (3, f"{what} {do}\n")


def test_where_nobody_can_be_cut_out_nothing_is_made(world: World) -> None:
    root = world.root / "plain"
    root.mkdir()
    Image.new("RGB", (40, 40), BLUE).save(root / "a.png")
    said = trifacet("background", root, *world.model, "--out", world.root / "new")
    what = f"TRI205 {world.root}/new: not one photo could be cut out, got a.png (empty: the model sees nobody in it)."
    assert (said.status, said.err) == (4, f"{what} Mend the first of them.\n")
    assert not (world.root / "new").exists()


def test_files_of_a_folder_that_are_no_photos_are_accounted_for(world: World) -> None:
    photos = world.root / "faces/photos"
    (photos / "broken.jpg").write_bytes(b"")
    done("background", photos, *world.model, "--out", world.root / "new")
    told = pl.read_csv(world.root / "new/rejects.csv")
    assert told.rows() == [("broken.jpg", "truncated", "the file is empty: copy or download it again")]
    assert len(read_manifest(world.root / "new/manifest.parquet")) == N_PHOTOS
