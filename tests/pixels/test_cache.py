from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trifacet.core.errors import ConfigError, MachineError, ManifestError
from trifacet.pixels.cache import cache_folder, cache_limit_bytes, clear_cache, clear_caches, list_caches, open_cache
from trifacet.pixels.decode import decode
from trifacet.pixels.preprocess import Geometry, fit

SMALL = Geometry(16, 16)


def photos(folder: Path, n: int, *, size: tuple[int, int] = (24, 20), seed: int = 0) -> tuple[list[Path], list[str]]:
    """`n` random photos and the hashes of their files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{i:05d}.png" for i in range(n)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path, compress_level=1)
    return paths, [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def names(folder: Path) -> list[str]:
    return sorted(p.suffix for p in folder.iterdir())


def built_anew(done: int, n: int) -> None:
    pytest.fail("built anew")


WAIT = """
    Path({here!r}).touch()
    for _ in range(12_000):
        if Path({go!r}).exists():
            return
        time.sleep(0.01)
    raise SystemExit("waited for nothing")
"""  # what a builder's progress does: says that it is there, and waits until it may go on


def builder(folder: Path, paths: list[Path], hashes: list[str], *, body: str) -> subprocess.Popen[str]:
    """A process that builds a cache of `paths`; `body` is what its progress does with `done`."""
    asked = folder.parent / "asked.txt"
    asked.write_text("\n".join(f"{p} {h}" for p, h in zip(paths, hashes, strict=True)))
    code = f"""
import os, signal, sys, time
from pathlib import Path
from trifacet.pixels.cache import open_cache
from trifacet.pixels.preprocess import Geometry

def progress(done, n):
    {body.strip()}

paths, hashes = zip(*(line.split() for line in Path({str(asked)!r}).read_text().splitlines()))
folder = Path({str(folder)!r})
built = open_cache([Path(p) for p in paths], hashes, geometry=Geometry(16, 16), folder=folder, workers=1,
                   progress=progress)
print(int(built.sum()))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_cache_is_built_once_and_holds_what_predicting_would_see(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 130)
    seen: list[tuple[int, int]] = []
    geometry = Geometry(16, 12, crop="middle_square")
    images = open_cache(
        paths, hashes, geometry=geometry, folder=tmp_path / "c", progress=lambda *told: seen.append(told)
    )
    assert (images.shape, images.dtype) == ((130, 16, 12, 3), np.uint8)
    for i in (0, 63, 64, 129):
        assert np.array_equal(images[i], fit(decode(paths[i].read_bytes()), geometry))
    assert seen == [(64, 130), (128, 130), (130, 130)]
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    again = open_cache(paths, hashes, geometry=geometry, folder=tmp_path / "c", progress=built_anew)
    assert np.array_equal(again, images)
    assert names(tmp_path / "c") == [".json", ".u8"]


def test_a_cache_is_found_by_content_wherever_the_photos_lie(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 5)
    images = np.array(open_cache(paths, hashes, geometry=SMALL, folder=tmp_path / "c"))
    moved = [tmp_path / "moved" / f"other{i}.jpg" for i in range(5)]
    shutil.move(tmp_path / "photos", tmp_path / "moved")  # the old paths are gone, the new ones do not exist either
    assert np.array_equal(open_cache(moved, hashes, geometry=SMALL, folder=tmp_path / "c"), images)
    assert len(list_caches(tmp_path / "c")) == 1


def test_another_size_or_order_is_another_cache(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 3)
    first = open_cache(paths, hashes, geometry=SMALL, folder=tmp_path / "c")
    turned = open_cache(paths[::-1], hashes[::-1], geometry=SMALL, folder=tmp_path / "c")
    assert np.array_equal(turned[::-1], first)
    open_cache(paths, hashes, geometry=Geometry(16, 16, crop="middle_square"), folder=tmp_path / "c")
    assert len(list_caches(tmp_path / "c")) == 3


def test_no_photos_are_no_cache(tmp_path: Path) -> None:
    assert open_cache([], [], geometry=SMALL, folder=tmp_path / "c").shape == (0, 16, 16, 3)


def test_photos_that_changed_are_named_and_nothing_is_left(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 4)
    paths[1].write_bytes(paths[0].read_bytes())
    paths[2].unlink()
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    hashes[3] = hashlib.sha256(paths[3].read_bytes()).hexdigest()
    with pytest.raises(ManifestError) as caught:
        open_cache(paths, hashes, geometry=SMALL, folder=tmp_path / "c")
    assert str(caught.value) == (
        f"TRI204 photos changed since they were ingested, got {paths[1]} (other bytes), "
        f"{paths[2]} (No such file or directory), {paths[3]} (truncated). "
        "Ingest the folder again, so that the manifest describes what is on disk."
    )
    assert list((tmp_path / "c").iterdir()) == []


def test_a_killed_builder_leaves_no_false_cache(tmp_path: Path) -> None:
    n = 1_000  # workers may be a few hundred ahead of a builder that waits for its core
    paths, hashes = photos(tmp_path / "photos", n)
    folder = tmp_path / "c"
    with builder(folder, paths, hashes, body="done == 128 and os.kill(os.getpid(), signal.SIGKILL)") as killed:
        assert killed.wait(timeout=900) == -signal.SIGKILL
    # The kill landed while it was building: its file has the full size, its first photos, and not its last.
    assert names(folder) == [".part"]
    left = np.fromfile(next(folder.iterdir()), dtype=np.uint8).reshape(n, 16, 16, 3)
    assert np.array_equal(left[0], fit(decode(paths[0].read_bytes()), SMALL))
    assert not left[-1].any()
    assert list_caches(folder) == []
    images = open_cache(paths, hashes, geometry=SMALL, folder=folder)
    assert np.array_equal(images[-1], fit(decode(paths[-1].read_bytes()), SMALL))
    assert names(folder) == [".json", ".u8"]  # what the killed one left is gone, too


def test_two_builders_at_once_do_no_harm(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 100)
    folder = tmp_path / "c"
    a, b = str(tmp_path / "a"), str(tmp_path / "b")  # each waits in its first progress until the other builds as well
    with (
        builder(folder, paths, hashes, body=WAIT.format(here=a, go=b)) as one,
        builder(folder, paths, hashes, body=WAIT.format(here=b, go=a)) as other,
    ):
        told = [process.communicate(timeout=900)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0]
    images = open_cache(paths, hashes, geometry=SMALL, folder=folder, progress=built_anew)
    assert [int(text) for text in told] == [int(images.sum())] * 2
    assert names(folder) == [".json", ".u8"]


def test_clearing_lets_a_living_builder_be(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 70)
    folder, here, go = tmp_path / "c", tmp_path / "here", tmp_path / "go"
    with builder(folder, paths, hashes, body=WAIT.format(here=str(here), go=str(go))) as process:
        while not here.exists() and process.poll() is None:
            time.sleep(0.01)
        assert clear_caches(folder) == 0
        assert names(folder) == [".part"]
        go.touch()
        assert process.wait(timeout=900) == 0
    assert clear_caches(folder) > 70 * 16 * 16 * 3
    assert list(folder.iterdir()) == []


def test_the_cache_used_longest_ago_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, hashes = photos(tmp_path / "photos", 3)
    folder, each = tmp_path / "c", 16 * 16 * 3
    monkeypatch.setenv("TRIFACET_CACHE_GB", str(2.5 * each / 1e9))
    for i in range(2):
        open_cache(paths[i : i + 1], hashes[i : i + 1], geometry=SMALL, folder=folder)
        os.utime(list_caches(folder)[0].path, (1000 + i, 1000 + i))
    oldest, second = list_caches(folder)[::-1]
    open_cache(paths[:1], hashes[:1], geometry=SMALL, folder=folder)  # used again, so the second is the oldest now
    open_cache(paths[2:], hashes[2:], geometry=SMALL, folder=folder)
    left = {cache.key for cache in list_caches(folder)}
    assert oldest.key in left
    assert second.key not in left
    assert len(left) == 2
    assert names(folder) == [".json", ".json", ".u8", ".u8"]


def test_a_cache_larger_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, hashes = photos(tmp_path / "photos", 2)
    open_cache(paths[:1], hashes[:1], geometry=SMALL, folder=tmp_path / "c")
    monkeypatch.setenv("TRIFACET_CACHE_GB", "0.2")
    with pytest.raises(MachineError) as caught:
        open_cache(paths, hashes, geometry=Geometry(10_000, 10_000), folder=tmp_path / "c")
    assert str(caught.value) == (
        f"TRI903 {tmp_path / 'c'}: this pixel cache is larger than the limit, got 0.6 GB for a limit of 0.2 GB. "
        "Raise TRIFACET_CACHE_GB, or lower data.image_size."
    )
    assert len(list_caches(tmp_path / "c")) == 1


def test_the_place_and_the_limit_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIFACET_CACHE_DIR", "/somewhere")
    assert cache_folder() == Path("/somewhere/pixels")
    monkeypatch.delenv("TRIFACET_CACHE_GB", raising=False)
    assert cache_limit_bytes() == 20_000_000_000
    for text in ("plenty", "0", "-1", "nan"):
        monkeypatch.setenv("TRIFACET_CACHE_GB", text)
        with pytest.raises(ConfigError) as caught:
            cache_limit_bytes()
        assert str(caught.value) == (
            f"TRI104 TRIFACET_CACHE_GB: must be a number above 0, got '{text}'. Set it to a number of GB, such as 20."
        )


def test_caches_are_listed_last_used_first_and_cleared(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 3)
    folder = tmp_path / "c"
    assert list_caches(folder) == []
    assert clear_caches(folder) == 0
    open_cache(paths, hashes, geometry=SMALL, folder=folder)
    os.utime(list_caches(folder)[0].path, (1000, 1000))
    open_cache(paths[:2], hashes[:2], geometry=Geometry(20, 30), folder=folder)
    told = [(c.n_photos, c.height_px, c.width_px, c.n_bytes) for c in list_caches(folder)]
    assert told == [(2, 20, 30, 2 * 20 * 30 * 3), (3, 16, 16, 3 * 16 * 16 * 3)]
    assert [c.photos for c in list_caches(folder)] == [str(tmp_path / "photos")] * 2
    (folder / "notes.txt").write_text("mine")
    assert clear_caches(folder) > sum(n for *_, n in told)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


def test_one_cache_is_cleared_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 2)
    folder = tmp_path / "c"
    open_cache(paths, hashes, geometry=SMALL, folder=folder)
    open_cache(paths, hashes, geometry=Geometry(20, 30), folder=folder)
    other, wanted = sorted(list_caches(folder), key=lambda c: c.height_px)
    assert clear_cache(wanted.key[:12], folder=folder) == 2 * 20 * 30 * 3
    assert list_caches(folder) == [other]
    assert sorted(p.stem for p in folder.iterdir()) == [other.key, other.key]
    for key, what in (("nothing", "no cache 'nothing'"), ("", "no cache ''")):
        with pytest.raises(ConfigError) as caught:
            clear_cache(key, folder=folder)
        assert str(caught.value) == f"TRI100 {what}. `trifacet cache list` shows their ids."


def test_the_photos_of_a_cache_are_named_by_the_folder_they_share(tmp_path: Path) -> None:
    one, two = photos(tmp_path / "all" / "a", 1), photos(tmp_path / "all" / "b", 1, seed=1)
    open_cache([*one[0], *two[0]], [*one[1], *two[1]], geometry=SMALL, folder=tmp_path / "c")
    (made,) = list_caches(tmp_path / "c")
    assert made.photos == str(tmp_path / "all")
    about = made.path.with_suffix(".json")
    about.write_text('{"shape": [2, 16, 16, 3]}')  # as an earlier trifacet wrote it
    assert [c.photos for c in list_caches(tmp_path / "c")] == [""]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    paths, hashes = photos(tmp_path / "photos", 1)
    (tmp_path / "file").touch()
    with pytest.raises(MachineError) as caught:
        open_cache(paths, hashes, geometry=SMALL, folder=tmp_path / "file")
    assert str(caught.value) == (
        f"TRI901 {tmp_path / 'file'}: cannot write here, got File exists. "
        "Choose another path or correct its permissions."
    )


def test_a_disk_too_small_is_found_before_the_work(tmp_path: Path, mount_disk: Callable[[str], Path]) -> None:
    disk = mount_disk("100k")
    gone = [tmp_path / f"{i}.png" for i in range(200)]  # nothing was decoded, or these would be missed first
    with pytest.raises(MachineError) as caught:
        open_cache(gone, [str(i) for i in range(200)], geometry=SMALL, folder=disk)
    assert str(caught.value) == (
        f"TRI900 {disk}: no space left for the pixel cache, got 0.00 GB, 0.00 GB free. "
        "Free some space, or write to another disk, and run the command again."
    )
    assert list(disk.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_building_takes_little_memory_of_its_own(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        import numpy as np
        from trifacet.pixels.cache import open_cache
        from trifacet.pixels.preprocess import Geometry

        def anonymous():
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

        folder, photo, digest = sys.argv[1:]
        geometry = Geometry(512, 512)
        # What loading takes comes first.
        open_cache([Path(photo)] * 2, [digest] * 2, geometry=geometry, folder=Path(folder), workers=2)
        before, most = anonymous(), 0
        def progress(done, n):
            global most
            most = max(most, anonymous())
        built = open_cache([Path(photo)] * 256, [digest] * 256, geometry=geometry, folder=Path(folder), workers=2,
                           progress=progress)
        cache_mib = built.nbytes / 2**20
        held = np.array(built)
        print(cache_mib, most - before, anonymous() - before)
    """
    (photo,), (digest,) = photos(tmp_path / "photos", 1)
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "c"), str(photo), digest]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cache_mib, own_mib, control_mib = map(float, told.split())
    assert cache_mib == 192
    assert own_mib < 64
    assert control_mib > 150  # the same pixels held in memory do show
