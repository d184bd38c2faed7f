"""An audit of a folder of broken files ends, and every file has exactly one status."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.mutations import FORMATS, MUTATIONS, mutated, originals
from tests.faults.test_nasty_files import FILES, JPEG, write_nasty
from trifacet.auditing import Audit, audit
from trifacet.pixels.scan import STATUSES


def on_disk(folder: Path) -> list[str]:
    """Every file below the folder as ingest names it, found without the code that is tested."""
    found = (Path(home, name) for home, _, names in os.walk(folder) for name in names)
    links = (Path(home, name) for home, names, _ in os.walk(folder) for name in names if Path(home, name).is_symlink())
    paths = [p.relative_to(folder).as_posix() for p in (*found, *links)]
    return sorted(os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths)


def check_every_file(made: Audit, folder: Path, photos: list[str]) -> None:
    """Fails unless each file is a photo of the manifest or one finding with its status, and the counts say the same.

    photos: the ids of the photos that the manifest holds.
    """
    told = made.findings.table.filter(kind="unusable")
    statuses = dict(zip(told["photo_id"], (detail.partition(":")[0] for detail in told["detail"]), strict=True))
    assert len(statuses) == len(told), "a file was told twice"
    assert not set(statuses) & set(photos), "a file is a photo and none"
    assert sorted([*statuses, *photos]) == on_disk(folder), "a file is missing, or was made up"
    assert made.counts == {status: [*statuses.values(), *["ok"] * len(photos)].count(status) for status in STATUSES}
    assert all(detail.partition(": ")[2] for detail in told["detail"]), "a file without a reason"


def photos_of(folder: Path) -> list[str]:
    from trifacet.opening import open_data

    return open_data(folder).photo_ids


def write_broken(folder: Path, n_mutated: int) -> None:
    """All broken-file cases of the field notes, and so many mutated files."""
    write_nasty(folder)
    for name, content in mutated(n_mutated):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken") / "photos"
    write_broken(folder, 4 * len(FORMATS) * len(MUTATIONS))
    return folder


@pytest.fixture(scope="module")
def audited(broken: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return audit(broken, tmp_path_factory.mktemp("audit") / "out")


def test_every_broken_file_has_one_status(broken: Path, audited: Audit) -> None:
    check_every_file(audited, broken, photos_of(broken))


def test_broken_files_that_are_known_have_the_status_that_is_known(broken: Path, audited: Audit) -> None:
    told = audited.findings.table.filter(kind="unusable")
    of = dict(zip(told["photo_id"], (detail.partition(":")[0] for detail in told["detail"]), strict=True))
    known = {os.fsencode(n).decode("utf-8", "backslashreplace"): status for n, (status, _) in FILES.items()}
    known |= {name: "ok" for name, status in known.items() if status == "extra"}  # no table names photos here
    assert {name: of.get(name, "ok") for name in known} == known


def test_rejects_are_for_people_to_look_at_unless_they_were_never_photos(audited: Audit) -> None:
    told = audited.findings.table.filter(kind="unusable")
    for is_issue, detail in told.select("is_issue", "detail").iter_rows():
        assert is_issue != detail.startswith("ignored:")


@pytest.mark.prove
def test_an_audit_of_a_thousand_mutated_files_ends_with_one_status_each(tmp_path: Path) -> None:
    write_broken(tmp_path / "photos", 1000)
    made = audit(tmp_path / "photos", tmp_path / "out")
    check_every_file(made, tmp_path / "photos", photos_of(tmp_path / "photos"))
    n_mutated = Counter(p.partition("-")[2] for p in on_disk(tmp_path / "photos") if p.startswith("mutated/"))
    assert len(n_mutated) == len(FORMATS) * len(MUTATIONS)
    assert sum(n_mutated.values()) == 1000


def dropped(made: Audit, photo: str) -> Audit:
    """The audit as one that says nothing of a file."""
    table = made.findings.table.filter(made.findings.table["photo_id"] != photo)
    return replace(made, findings=replace(made.findings, table=table))


@pytest.mark.parametrize("name", ["half.jpg", "bomb.png", "._plain.jpg", "link-to-nothing.jpg", "pipe.jpg"])
def test_a_file_that_is_dropped_silently_is_noticed(broken: Path, audited: Audit, name: str) -> None:
    with pytest.raises(AssertionError, match="a file is missing, or was made up"):
        check_every_file(dropped(audited, name), broken, photos_of(broken))


def test_a_photo_that_is_dropped_silently_is_noticed(broken: Path, audited: Audit) -> None:
    with pytest.raises(AssertionError, match="a file is missing, or was made up"):
        check_every_file(audited, broken, photos_of(broken)[1:])


def test_a_count_that_does_not_add_up_is_noticed(broken: Path, audited: Audit) -> None:
    wrong = replace(audited, counts={**audited.counts, "ok": audited.counts["ok"] - 1})
    with pytest.raises(AssertionError):
        check_every_file(wrong, broken, photos_of(broken))


def test_mutations_change_every_format_in_every_way_and_always_alike() -> None:
    n = len(FORMATS) * len(MUTATIONS)
    made = list(mutated(3 * n))
    assert made == list(mutated(3 * n))
    whole = {content for name in FORMATS for content in originals(name)}
    assert sum(content in whole for _, content in made) <= 2  # a splice may fit, hardly ever
    assert JPEG not in whole
