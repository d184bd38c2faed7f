"""The review page is measured by its keys, on a table of a few photos; what it measures there means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import reviewing
from bench.__main__ import main

pytestmark = pytest.mark.browser


def test_rulings_by_script_and_the_time_to_the_next_photo_are_measured(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"N_ROWS": 60, "N_PHOTOS": 14, "SIZE_PX": (48, 64), "N_BEFORE": 10, "N_RULINGS": 12, "N_UNCOUNTED": 2}
    for name, value in few.items():
        monkeypatch.setattr(reviewing, name, value)
    words = ["review", "--rounds", "1", "--history", tmp_path / "history.jsonl", "--page", tmp_path / "page.html"]
    figures = main([str(word) for word in words])
    assert [(f.unit, f.must, f.is_at_most, f.n) for f in figures] == [
        ("a minute", 60, False, 10),
        ("ms", 100, True, 10),
        ("ms", 100, True, 10),
    ]
    assert all(f.low > 0 for f in figures)
    assert "Reviewing a large table" in (tmp_path / "page.html").read_text(encoding="utf-8")
