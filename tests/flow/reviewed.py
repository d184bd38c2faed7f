"""`trifacet review` as a process of its own, ruled on over HTTP as its page does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import sleep
from typing import Any
from urllib.error import URLError

import pytest

NEEDS = ("fastapi", "uvicorn")


@dataclass(frozen=True)
class Page:
    """An open review page."""

    url: str

    def get(self, place: str) -> bytes:
        """What lies at a place below the page's address."""
        with urllib.request.urlopen(f"{self.url}/{place}") as answer:
            return bytes(answer.read())

    def next(self, who: str, *, of: str = "rule") -> dict[str, Any] | None:
        """The photo that this reviewer is shown next in a pass, None for none."""
        told = json.loads(self.get(f"api/next?who={who}&pass={of}"))
        item: dict[str, Any] | None = told["item"]
        return item

    def rule(self, *, row: int, who: str, changes: Mapping[str, str], seen: int = 0) -> list[int]:
        """The numbers of the events that an answer became."""
        answer = json.dumps({"row": row, "who": who, "changes": changes, "seen": seen}).encode()
        asked = urllib.request.Request(f"{self.url}/api/rule", answer, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked) as told:
            numbers: list[int] = json.load(told)["numbers"]
        return numbers


@contextmanager
def reviewing(*words: object, at: Path | None = None) -> Iterator[Page]:
    """The page of `trifacet review WORDS...`, on a free port, within the block; the test is skipped without FastAPI."""
    if absent := [name for name in NEEDS if find_spec(name) is None]:
        pytest.skip(f"needs {', '.join(absent)}")
    program = [sys.executable, "-c", "from trifacet.cli.main import main; main()"]
    command = [*program, "review", *map(str, words), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=at) as server:
        try:
            assert server.stdout
            urls = (word for line in server.stdout for word in line.split() if word.startswith("http"))
            url = next(urls, None)
            assert url, server.communicate()[1]
            yield _answering(Page(url.rstrip("/")), server)
        finally:
            server.send_signal(signal.SIGINT)


def _answering(page: Page, server: subprocess.Popen[str]) -> Page:
    """The page once it answers: its address is told a moment before."""
    while server.poll() is None:
        try:
            page.get("api/about")
            return page
        except URLError:
            sleep(0.05)
    raise AssertionError(server.communicate()[1])
