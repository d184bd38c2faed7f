"""What every test stands on: no network, few threads, a cache folder of its own, a browser where one is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before numpy, polars and torch are imported: two workers share the cores.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")
os.environ.update(MPLBACKEND="Agg", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", NO_COLOR="1", COLUMNS="110")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: any way out of this machine is an error; loopback and Unix sockets pass."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    else:
        return
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not text.startswith(LOOPBACK):
        raise RuntimeError(f"tests have no network, got {event} to {text}")


sys.addaudithook(_refuse_network)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every second module after all the others: halves of the list, a worker each, take alike long.

    A module that a worker begins and another ends has its fixtures made twice.
    """
    places = {path: (i % 2, i) for i, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True, scope="session")
def own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for this run of the tests, so that nothing of the user's is read or written."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIFACET_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Where CI runs it must be there; elsewhere its tests are skipped without one."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        message = f"no Chromium among {', '.join(CHROMIUM_NAMES)}; see CONTRIBUTING.md"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return str(found)


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts an empty file system of a size such as "64k" and says where; the test is skipped where that may not be."""
    disk = tmp_path / "disk"

    def mount(size: str) -> Path:
        if os.geteuid() != 0 or sys.platform != "linux":
            pytest.skip("only root on Linux may mount a tiny disk")
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True)
        if done.returncode:
            pytest.skip(f"no tiny disk to be had: {done.stderr.decode().strip()}")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", disk], check=True)
