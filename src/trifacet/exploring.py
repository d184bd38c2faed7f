"""Photos to a page that shows what a dataset is, or in what two differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trifacet.core.errors import count_text, error, first_few
from trifacet.core.files import atomic_folder, write_text
from trifacet.core.manifest import Manifest
from trifacet.data.archive import is_archive, unpacked
from trifacet.data.explore import Data, Gathering, choose_any, choose_sheets, kept
from trifacet.data.explore_page import explore_page
from trifacet.data.explore_pair import pair_page
from trifacet.data.ingest import Source, ingest
from trifacet.opening import Progress, open_data, quiet, telling
from trifacet.pixels.looks import look

PAGE_NAME = "index.html"
MAX_NAMED = 20  # files that the page names; `trifacet ingest` and `audit` list all
PER_CLASS = 8  # photos that a contact sheet shows: a row on a desktop
ROWS_OF_PAIR = 3  # rows of so many photos that stand for each of two datasets


@dataclass(frozen=True)
class Explored:
    """What was looked at, one dataset or two, and where the page lies."""

    data: tuple[Data, ...]
    page_path: Path


def explore(
    data: Path | str,
    out: Path | str,
    *,
    other: Path | str | None = None,
    seed: int = 0,
    n_per_class: int = PER_CLASS,
    pictures: bool = True,
    progress: Progress = quiet,
) -> Explored:
    """A manifest or a folder of photos, or two beside each other, to a page in a new folder. Nothing is changed.

    seed, n_per_class: which photos are shown, and how many of each class. pictures: whether any pixel of a photo is.

    Raises:
        ManifestError: TRI202, TRI203, TRI205. RunError: TRI402.
    """
    asked, out = [Path(path) for path in (data, other) if path], Path(out)
    wanted = _Shown(n_per_class if pictures else 0, seed=seed, is_beside=len(asked) > 1)
    with atomic_folder(out) as folder:
        made = [
            _looked_at(path, name, wanted=wanted, progress=progress)
            for path, name in zip(asked, _names(asked), strict=True)
        ]
        if len(made) > 1:
            page = pair_page((made[0], made[1]), title=f"{made[0].name} and {made[1].name}")
        else:
            page = explore_page(made[0], title=f"What is in {made[0].name}")
        write_text(folder / PAGE_NAME, page)
    return Explored(tuple(made), out / PAGE_NAME)


@dataclass(frozen=True)
class _Shown:
    """Which photos a page shows: so many of each class, or of two datasets some of each; none without pictures."""

    n_per_class: int
    seed: int
    is_beside: bool


def _names(paths: list[Path]) -> list[str]:
    """What the page calls the data: the last part of each path, or all of it where that is the same."""
    short = [path.absolute().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def _looked_at(path: Path, name: str, *, wanted: _Shown, progress: Progress) -> Data:
    """The data at `path`, each photo decoded once: how it looks, and what the page shows of it."""
    opened, notes, remarks, n_rejected = _opened(path, progress=progress)
    manifest, more = kept(opened)
    if not len(manifest):
        raise error("TRI205", "no photo that was not dropped", where=path, do="Pass a manifest with photos to look at.")
    gathering, n = None, wanted.n_per_class
    if n and wanted.is_beside:
        gathering = Gathering(manifest, choose_any(manifest, n=ROWS_OF_PAIR * n, seed=wanted.seed))
    elif n:
        gathering = Gathering(manifest, choose_sheets(manifest, n_per_class=n, seed=wanted.seed))
    looks = look(
        manifest.paths,
        hashes=manifest.table["sha256"].to_list(),
        also=gathering.add if gathering else None,
        is_keeping_small=False,
        progress=telling(progress, f"looking at {name}"),
    )
    if looks.failed:
        ids = [f"{manifest.photo_ids[i]} ({why})" for i, why in sorted(looks.failed.items())]
        more += (f"{count_text(len(ids), 'photo')} could not be read: {first_few(ids, MAX_NAMED)}",)
    shown = gathering.pictures() if gathering else None
    return Data(name, manifest, looks, shown, (*notes, *more), remarks=remarks, n_rejected=n_rejected)


def _opened(path: Path, *, progress: Progress) -> tuple[Manifest, tuple[str, ...], tuple[str, ...], int]:
    """The manifest of the data, which of its files are no photos, how it was read, and how many those are."""
    if not (path.is_dir() or is_archive(path)):
        return open_data(path, progress=progress), (), (), 0
    source = unpacked(Source(path), into=None, progress=progress)
    found = ingest([source], progress=telling(progress, f"reading {path.name}"))
    rejects = [
        f"{name} ({why})" for name, why in found.rejects.select("path", "status").iter_rows() if why != "ignored"
    ]
    told = f"{count_text(len(rejects), 'file')} cannot be used: {first_few(rejects, MAX_NAMED)}"
    return found.manifest, (told,) if rejects else (), found.notes, len(rejects)
