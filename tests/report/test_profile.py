from __future__ import annotations

from tests.report.example import scored
from trifacet.report.material import Material
from trifacet.report.profile import memory_facts, profile, time_profile

HISTORY = [
    {"phase": "head", "epoch": 1, "seconds": 2.0, "seconds_forward": 1.0, "seconds_save": 0.5},
    {"phase": "all", "epoch": 2, "seconds": 10.0, "seconds_forward": 4.0, "seconds_save": 1.0},
    {"phase": "all", "epoch": 3, "seconds": 10.0, "seconds_forward": 6.0, "seconds_save": 3.0},
    {"phase": "all", "epoch": 4, "seconds": 9.0},  # of a version that did not tell
]


def test_seconds_are_summed_by_phase_and_part_and_the_rest_is_told() -> None:
    assert time_profile(HISTORY) == {
        "the head alone": {"forward": 1.0, "save": 0.5, "the rest": 0.5},
        "the whole net": {"forward": 10.0, "save": 4.0, "the rest": 6.0},
    }
    assert time_profile([]) == {}


def test_memory_is_told_in_words() -> None:
    machine = {"device": "cpu", "peak_host_bytes": 2_300_000_000, "kept_for_backward": {"bfloat16": 5_400_000}}
    assert memory_facts(machine) == {
        "most memory of the process": "2.30 GB",
        "kept for the backward pass of a step in bfloat16": "5 MB",
    }
    assert memory_facts({}) == {}


def test_the_page_has_a_table_a_phase_and_nothing_without_times() -> None:
    section = profile(Material({"val": scored()}, HISTORY))
    assert section is not None
    for said in ("Epochs of the head alone, 2 seconds", "Epochs of the whole net, 20 seconds", "the rest"):
        assert said in section.html
    assert profile(Material({"val": scored()}, HISTORY[3:])) is None
