from __future__ import annotations

import pytest

from trifacet.core import errors
from trifacet.core.errors import (
    CATALOGUE,
    BundleError,
    ConfigError,
    MachineError,
    ManifestError,
    MissingExtraError,
    PausedError,
    PredictionsError,
    RunError,
    StoreError,
    TrifacetError,
    error,
    first_few,
    nearest,
    pick,
)

FAMILIES = {
    "1": ConfigError,
    "2": ManifestError,
    "3": PredictionsError,
    "4": RunError,
    "5": BundleError,
    "6": MissingExtraError,
    "7": StoreError,
    "9": MachineError,
}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param({}, "TRI200 it broke.", id="what alone"),
        pytest.param({"where": "m.parquet"}, "TRI200 m.parquet: it broke.", id="where"),
        pytest.param({"got": "5"}, "TRI200 it broke, got 5.", id="got"),
        pytest.param(
            {"where": "m", "got": "5?", "do": "Mend it."}, "TRI200 m: it broke, got 5? Mend it.", id="all of it"
        ),
    ],
)
def test_a_message_says_what_where_got_and_what_to_do(parts: dict[str, str], message: str) -> None:
    assert str(TrifacetError("TRI200", "it broke", **parts)) == message


def test_what_to_do_stands_on_its_own_line_after_a_list() -> None:
    assert str(TrifacetError("TRI101", "two mistakes:\n  a\n  b\n", do="Mend them.")) == (
        "TRI101 two mistakes:\n  a\n  b\nMend them."
    )


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_has_its_family_and_its_remedy(code: str) -> None:
    problem = error(code, "it broke")
    assert type(problem) is (PausedError if code == "TRI904" else FAMILIES[code[3]])
    assert isinstance(problem, FAMILIES[code[3]])
    assert problem.do == CATALOGUE[code].remedy
    assert all(text.endswith(".") for text in (CATALOGUE[code].why, CATALOGUE[code].remedy))


def test_exit_statuses_differ_by_family() -> None:
    kinds = (*FAMILIES.values(), PausedError, TrifacetError)
    statuses = [kind.exit_status for kind in kinds]
    assert len(set(statuses)) == len(kinds)
    assert all(0 < status < 126 for status in statuses)


def test_a_code_that_is_not_in_the_catalogue_is_a_programmers_error() -> None:
    with pytest.raises(KeyError, match="TRI199"):
        errors.error("TRI199", "it broke")


def test_a_typo_is_answered_with_the_nearest_name() -> None:
    table = {"timm/resnet18": 1, "baseline_cnn": 2}
    assert pick(table, "baseline_cnn", what="backbone") == 2
    with pytest.raises(ConfigError) as caught:
        pick(table, "resnet81", what="backbone", where="recipe.yaml [model]", do="See `trifacet backbones`.")
    assert str(caught.value) == (
        "TRI100 recipe.yaml [model]: no backbone 'resnet81'. Did you mean 'timm/resnet18'? See `trifacet backbones`."
    )
    with pytest.raises(ConfigError) as caught:
        pick(table, "q", what="backbone")
    assert str(caught.value) == "TRI100 no backbone 'q'. Known: baseline_cnn, timm/resnet18."


def test_the_nearest_name_may_be_none() -> None:
    assert nearest("mask", ["gender", "age"]) is None
    assert nearest("gendr", ["gender", "age"]) == "gender"


def test_the_first_few_are_shown_and_all_are_counted() -> None:
    assert first_few([1, 2]) == "1, 2"
    assert first_few(range(5)) == "0, 1, 2, 3, 4"
    assert first_few(range(2000), n=2) == "0, 1, ... (2,000 in all)"
