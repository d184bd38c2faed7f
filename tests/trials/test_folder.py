"""The folder of a search: what it tells, and what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trifacet.core.errors import TrifacetError
from trifacet.core.files import write_json
from trifacet.trials.folder import Search, SearchInfo, SearchPlan, open_search

INFO = SearchInfo(
    name="s", created="2026-01-01T00:00:00+00:00", plan=SearchPlan(has_policies=True), recipe_name="quick", recipe={}
)


def test_a_search_is_opened_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "search.json", INFO.model_dump(mode="json"))
    assert open_search(tmp_path) == Search(tmp_path, INFO)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            {"format": 2},
            "TRI440 ROOT: search format 2 is newer than this trifacet. Update trifacet.",
            id="of a newer trifacet",
        ),
        pytest.param(
            {"format": 1, "plan": {"n_trials": "many"}},
            "TRI440 ROOT: search.json is not of this trifacet, got name, created, plan.n_trials, recipe_name, recipe. "
            "Pass the folder that `trifacet search --out` made.",
            id="of something else",
        ),
    ],
)
def test_what_is_no_search_is_told(content: dict[str, object], said: str, tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps(content))
    with pytest.raises(TrifacetError) as told:
        open_search(tmp_path)
    assert str(told.value) == said.replace("ROOT", str(tmp_path))
