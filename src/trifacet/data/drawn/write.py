"""Drawn people written to disk in the original competition's layout, all or nothing, on several processes."""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trifacet.core.errors import error
from trifacet.core.files import is_disk_full
from trifacet.data.drawn.person import Person, draw_person
from trifacet.data.drawn.scene import PHOTO_NAMES, draw_photo

EVAL_START = 1_000_000  # people of the eval side are numbered from here: never the same as any of the train side
RACE = "Drawn"
JPEG_QUALITY = 90
MASK_CLASSES = dict.fromkeys(PHOTO_NAMES[:5], "worn") | {"incorrect_mask": "incorrect", "normal": "not_worn"}


@dataclass(frozen=True)
class DrawnDataset:
    """Where a drawn data set lies and how much there is of it."""

    root: Path
    train_dir: Path  # train.csv, images/{id}_{gender}_{race}_{age}/{mask1..mask5,incorrect_mask,normal}.jpg
    eval_dir: Path  # info.csv (all answers 0), images/{40 hex}.jpg
    truth_path: Path  # eval/truth.csv: ImageID, mask, gender, age (years), person_id
    n_train_people: int
    n_eval_people: int
    n_photos: int


@dataclass(frozen=True)
class _Job:
    seed: int
    index: int
    files: tuple[tuple[str, str], ...]  # photo name, path below the root
    root: Path
    size_px: tuple[int, int]


def person_folder(person: Person) -> str:
    """The folder of one person in the original layout: `000007_female_Drawn_43`."""
    return f"{person.index:06d}_{person.gender}_{RACE}_{person.age_years}"


def eval_name(seed: int, index: int, *, photo: str) -> str:
    """The file name of an eval photo: 40 hex digits that tell nothing."""
    return hashlib.sha1(f"trifacet/{seed}/{index}/{photo}".encode(), usedforsecurity=False).hexdigest() + ".jpg"


def _draw_job(job: _Job) -> int:
    person = draw_person(job.seed, job.index)
    for photo, name in job.files:
        pixels = draw_photo(person, photo, seed=job.seed, size_px=job.size_px)
        Image.fromarray(pixels).save(job.root / name, quality=JPEG_QUALITY)
    return len(job.files)


def _results(jobs: Sequence[_Job], workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(_draw_job, jobs)
        return
    # spawn: a fork of a process that already runs threads (torch, a progress bar) may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(_draw_job, jobs, chunksize=4)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_csv(path: Path, header: Sequence[str], *, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that becomes `out` when the block ends well and vanishes when it does not."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise error(
            "TRI901", "the place for the drawn faces is taken", where=str(out), do="Choose an empty or a new folder."
        )
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            out.rmdir()
        temporary.replace(out)
    except OSError as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=str(out)) from problem
        raise error("TRI901", "cannot write here", where=str(out), got=problem.strerror or str(problem)) from problem
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def draw_dataset(
    out: Path | str,
    *,
    n_train_people: int = 300,
    n_eval_people: int = 300,
    seed: int = 0,
    size_px: tuple[int, int] = (384, 512),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DrawnDataset:
    """Draws people and writes them under `out` in the original layout, seven photos a person; says what lies where.

    A photo depends on `seed`, the person's number and the photo's name alone, so neither the number of people nor of
    `workers` (default: one a processor) changes it. Train and eval people differ. `size_px` is (width, height);
    `progress(done, total)` is called with numbers of photos. Several workers are processes: a script calls this under
    `if __name__ == "__main__":`.

    Raises:
        MachineError: TRI900 disk full, TRI901 `out` is not empty or cannot be written.
    """
    if min(n_train_people, n_eval_people) < 0 or n_train_people + n_eval_people < 1 or min(size_px) < 32:
        raise ValueError(
            f"expected people and at least 32 pixels a side, got {n_train_people}, {n_eval_people}, {size_px}"
        )
    out = Path(out)
    train = [draw_person(seed, index) for index in range(n_train_people)]
    others = [draw_person(seed, EVAL_START + index) for index in range(n_eval_people)]
    total = (len(train) + len(others)) * len(PHOTO_NAMES)
    with _whole_folder(out) as root:
        jobs = []
        for side in ("train", "eval"):
            (root / side / "images").mkdir(parents=True)
        for person in train:
            folder = f"train/images/{person_folder(person)}"
            (root / folder).mkdir()
            jobs.append(_Job(seed, person.index, tuple((p, f"{folder}/{p}.jpg") for p in PHOTO_NAMES), root, size_px))
        for person in others:
            names = tuple((p, f"eval/images/{eval_name(seed, person.index, photo=p)}") for p in PHOTO_NAMES)
            jobs.append(_Job(seed, person.index, names, root, size_px))
        _write_tables(root, train, others=others, seed=seed)
        done = 0
        for n_drawn in _results(jobs, min(workers or os.cpu_count() or 1, len(jobs))):
            done += n_drawn
            if progress is not None:
                progress(done, total)
    return DrawnDataset(out, out / "train", out / "eval", out / "eval" / "truth.csv", len(train), len(others), total)


def _write_tables(root: Path, train: Sequence[Person], *, others: Sequence[Person], seed: int) -> None:
    people = [(f"{p.index:06d}", p.gender, RACE, p.age_years, person_folder(p)) for p in train]
    _write_csv(root / "train" / "train.csv", ("id", "gender", "race", "age", "path"), rows=people)
    truth = [
        (eval_name(seed, p.index, photo=photo), MASK_CLASSES[photo], p.gender, p.age_years, f"{p.index:07d}")
        for p in others
        for photo in PHOTO_NAMES
    ]
    truth = [truth[k] for k in np.random.default_rng([seed, 3]).permutation(len(truth))]
    _write_csv(root / "eval" / "info.csv", ("ImageID", "ans"), rows=[(row[0], 0) for row in truth])
    _write_csv(root / "eval" / "truth.csv", ("ImageID", "mask", "gender", "age", "person_id"), rows=truth)
