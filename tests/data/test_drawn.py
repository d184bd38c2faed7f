"""Drawn faces: exact labels, the original layout, and the same picture from the same seed everywhere."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trifacet.core.errors import MachineError
from trifacet.data.drawn import PHOTO_NAMES, DrawnDataset, draw_dataset, draw_person, draw_photo
from trifacet.pixels import masks

SMALL = (96, 128)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def _files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnDataset:
    out = tmp_path_factory.mktemp("drawn") / "faces"
    return draw_dataset(out, n_train_people=6, n_eval_people=3, seed=3, size_px=SMALL, workers=1)


def test_two_workers_draw_what_one_draws_byte_by_byte(drawn: DrawnDataset, tmp_path: Path) -> None:
    again = draw_dataset(tmp_path / "b", n_train_people=6, n_eval_people=3, seed=3, size_px=SMALL, workers=2)
    assert _files(again.root) == _files(drawn.root)


def test_a_person_does_not_depend_on_how_many_others_are_drawn(drawn: DrawnDataset, tmp_path: Path) -> None:
    fewer = draw_dataset(tmp_path / "few", n_train_people=2, n_eval_people=1, seed=3, size_px=SMALL, workers=1)
    photos = {name: content for name, content in _files(fewer.root).items() if name.endswith(".jpg")}
    assert photos.items() <= _files(drawn.root).items()


def test_another_seed_draws_other_people_and_other_photos() -> None:
    first, second = draw_person(0, 4), draw_person(1, 4)
    assert first != second
    assert not np.array_equal(
        draw_photo(first, "normal", size_px=SMALL), draw_photo(first, "normal", seed=1, size_px=SMALL)
    )


def test_train_csv_names_every_folder_and_each_holds_the_seven_photos(drawn: DrawnDataset) -> None:
    lines = (drawn.train_dir / "train.csv").read_text().split("\n")
    assert lines[0] == "id,gender,race,age,path"
    rows = _rows(drawn.train_dir / "train.csv")
    assert [row["id"] for row in rows] == [f"{k:06d}" for k in range(6)]
    assert all(row["path"] == "{id}_{gender}_{race}_{age}".format(**row) and row["race"] == "Drawn" for row in rows)
    folders = {p.name: sorted(f.name for f in p.iterdir()) for p in (drawn.train_dir / "images").iterdir()}
    assert folders == {row["path"]: sorted(f"{photo}.jpg" for photo in PHOTO_NAMES) for row in rows}


def test_info_csv_hides_the_answers_that_truth_csv_keeps(drawn: DrawnDataset) -> None:
    info, truth = _rows(drawn.eval_dir / "info.csv"), _rows(drawn.truth_path)
    assert list(info[0]) == ["ImageID", "ans"]
    assert list(truth[0]) == ["ImageID", "mask", "gender", "age", "person_id"]
    assert [row["ImageID"] for row in info] == [row["ImageID"] for row in truth]
    assert {row["ans"] for row in info} == {"0"}
    assert all(re.fullmatch(r"[0-9a-f]{40}\.jpg", row["ImageID"]) for row in info)
    assert {p.name for p in (drawn.eval_dir / "images").iterdir()} == {row["ImageID"] for row in info}
    per_person = {p: sorted(r["mask"] for r in truth if r["person_id"] == p) for p in {r["person_id"] for r in truth}}
    assert len(per_person) == 3
    assert all(kinds == ["incorrect", "not_worn", *["worn"] * 5] for kinds in per_person.values())


def test_eval_rows_are_shuffled_and_eval_people_are_others(drawn: DrawnDataset) -> None:
    people = [row["person_id"] for row in _rows(drawn.truth_path)]
    assert people != sorted(people)
    assert not {int(p) for p in people} & {int(row["id"]) for row in _rows(drawn.train_dir / "train.csv")}


def test_photos_decode_upright_at_the_stated_size(drawn: DrawnDataset) -> None:
    for path in [*drawn.train_dir.rglob("*.jpg"), *drawn.eval_dir.rglob("*.jpg")]:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode, image.size, image.getexif().get(274, 1)) == ("JPEG", "RGB", SMALL, 1)


def test_the_counts_say_what_was_drawn(drawn: DrawnDataset) -> None:
    assert (drawn.n_train_people, drawn.n_eval_people, drawn.n_photos) == (6, 3, 9 * 7)
    assert len(list(drawn.root.rglob("*.jpg"))) == drawn.n_photos


def test_progress_counts_up_to_all_photos(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_dataset(
        tmp_path / "p",
        n_train_people=2,
        n_eval_people=1,
        size_px=(48, 64),
        workers=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(7, 21), (14, 21), (21, 21)]


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(MachineError) as caught:
        draw_dataset(tmp_path, n_train_people=1, n_eval_people=1, size_px=SMALL, workers=1)
    assert str(caught.value) == (
        f"TRI901 {tmp_path}: the place for the drawn faces is taken. Choose an empty or a new folder."
    )
    assert _files(tmp_path) == {"mine.txt": b"keep"}


def test_nothing_is_left_behind_when_drawing_stops_midway(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_dataset(tmp_path / "d", n_train_people=3, n_eval_people=1, size_px=(48, 64), workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    made = draw_dataset(tmp_path, n_train_people=1, n_eval_people=0, size_px=(48, 64), workers=1)
    assert made.n_photos == 7
    assert (tmp_path / "train" / "train.csv").is_file()


def test_ages_and_genders_have_the_stated_shares_in_every_drawing() -> None:
    for seed in range(3):
        people = [draw_person(seed, k) for k in range(300)]
        ages = np.array([p.age_years for p in people])
        assert abs((ages < 30).mean() - 0.45) < 0.03
        assert abs((ages >= 60).mean() - 0.12) < 0.02
        assert abs(np.mean([p.gender == "female" for p in people]) - 0.54) < 0.02
        assert len(set(ages.tolist())) > 50
        assert all(sum(lo <= a < lo + 5 for a in ages) >= 3 for lo in range(20, 75, 5))  # no gap at either edge


def test_age_marks_grow_with_age_and_nothing_else_changes() -> None:
    for index in range(5):
        young, old = draw_person(0, index, age_years=22), draw_person(0, index, age_years=75)
        assert sum(vars(old.marks).values()) > sum(vars(young.marks).values()) + 3
        same = ("gender", "iris_rgb", "glasses", "earrings", "blemishes")
        assert [getattr(young, name) for name in same] == [getattr(old, name) for name in same]


def test_age_marks_overlap_between_the_bands() -> None:
    marks = {
        years: np.array([sum(vars(draw_person(0, k, age_years=years).marks).values()) for k in range(200)])
        for years in (22, 40, 59, 61, 75)
    }
    means = [m.mean() for m in marks.values()]
    assert means == sorted(means)
    younger_looks_older = (marks[59][:, None] > marks[61][None]).mean()
    assert 0.05 < younger_looks_older < 0.5


def test_no_single_cue_of_gender_decides() -> None:
    people = [draw_person(0, k) for k in range(300)]
    men, women = ([p for p in people if p.gender == g] for g in ("male", "female"))
    for cue in ("jaw", "brow", "lips", "eye", "neck"):
        m, w = (np.array([getattr(p.shape, cue) for p in group]) for group in (men, women))
        assert 0.002 < min((m[:, None] > w[None]).mean(), (m[:, None] < w[None]).mean()) < 0.45, cue
    assert {p.hair.style for p in men} & {p.hair.style for p in women} >= {"curls", "bob", "side_part"}
    assert 0.3 < np.mean([p.beard == "none" for p in men]) < 0.8
    assert 0.1 < np.mean([p.makeup == 0 for p in women]) < 0.5


def test_every_kind_of_mask_and_every_wrong_way_is_drawn() -> None:
    rng = np.random.default_rng(0)
    assert {masks.choose_mask(rng)[0] for _ in range(200)} == set(masks.MASK_KINDS)
    ways = [masks.wear_wrongly(rng)[0] for _ in range(400)]
    assert set(ways) == {way for way, (share, _, _) in masks.WRONG_WAYS.items() if share}
    assert 0.5 < ways.count("nose_out") / 400 < 0.7


def test_the_photos_of_a_person_all_differ_and_none_is_flat_or_blown_out() -> None:
    person = draw_person(0, 1)
    photos = [draw_photo(person, name, size_px=SMALL).astype(float) for name in PHOTO_NAMES]
    assert all(p.shape == (128, 96, 3) and 25 < p.std() < 90 and 60 < p.mean() < 220 for p in photos)
    assert len({p.tobytes() for p in photos}) == 7


def test_an_unknown_photo_name_or_age_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"expected one of mask1, .*normal, got 'mask9'"):
        draw_photo(draw_person(0, 0), "mask9", size_px=SMALL)
    with pytest.raises(ValueError, match="age_years"):
        draw_person(0, 0, age_years=12)
