from __future__ import annotations

from pathlib import Path

import pytest

from trifacet.core.config import resolve, set_layer
from trifacet.core.errors import ConfigError
from trifacet.core.policies import OPERATIONS, parse_policies
from trifacet.core.recipe import Recipe

PAIRS = [[["rotate", 0.5, 0.25], ["blur", 1, 0.1]]] * 5
OLD = """[[(('ElasticTransform', {'alpha': 1, 'sigma': 37, 'alpha_affine': 5, 'p': 0.75}), ('RandomContrast',
{'limit': 0.18, 'p': 0.25})), (('MotionBlur', {'blur_limit': 5, 'p': 0.0}), ('Rotate', {'limit': 36, 'p': 0.25})),
(('InvertImg', {'p': 0.5}), ('RandomGamma', {'gamma_limit': (75, 110), 'p': 0.5})),
(('ShiftScaleRotate', {'shift_limit': 0.09, 'scale_limit': 0.0, 'rotate_limit': 0, 'p': 0.25}), ('RandomScale',
{'scale_limit': 0.15, 'p': 0.5})), (('GridDistortion', {'num_steps': 5, 'distort_limit': 0.4, 'p': 0.5}), ('Blur',
{'blur_limit': 5, 'p': 0.25}))], [(('RandomBrightness', {'limit': 0.9, 'p': 0}), ('Rotate', {'limit': 90, 'p': 1}))]]"""
FORM = "Correct each line."


def refusal(path: Path | str) -> str:
    with pytest.raises(ConfigError) as told:
        resolve(Recipe, [set_layer([f"augment.policy={path}"])])
    return str(told.value).replace(str(path), "FILE")


def test_a_file_of_policies_is_read_and_stays_in_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"# found by a search\n- {PAIRS}\n- {PAIRS}\n")
    recipe = resolve(Recipe, [set_layer([f"augment.policy={file}"])]).settings
    file.unlink()  # a run does not need it any more
    assert recipe.augment.policy == (((("rotate", 0.5, 0.25), ("blur", 1.0, 0.1)),) * 5,) * 2
    assert Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True)) == recipe


@pytest.mark.parametrize("name", ["none", "rand", "trivial"])
def test_some_policies_need_no_file(name: str) -> None:
    assert parse_policies(name) == name


def test_an_old_file_is_read_as_a_literal_and_its_names_are_mapped(tmp_path: Path) -> None:
    file = tmp_path / "best_policy.data"
    file.write_text(OLD)
    assert parse_policies(str(file)) == (
        (
            (("elastic", 0.75, 0.651), ("contrast", 0.25, 0.2)),
            (("motion_blur", 0.0, 0.1628), ("rotate", 0.25, 0.8)),
            (("invert", 0.5, 1.0), ("gamma", 0.5, 0.5)),
            (("shift", 0.25, 0.2), ("zoom", 0.5, 0.5)),
            (("grid", 0.5, 0.8), ("blur", 0.25, 0.1381)),
        ),
        ((("brightness", 0.0, 1.0), ("rotate", 1.0, 1.0)),),  # as far as ours goes
    )


def test_code_in_an_old_file_is_refused_and_does_not_run(tmp_path: Path) -> None:
    file, mark = tmp_path / "best_policy.data", tmp_path / "it ran"
    file.write_text(f"[__import__('pathlib').Path({str(mark)!r}).touch()]")
    assert refusal(file) == (
        "TRI101 1 mistake in the recipe:\n  augment.policy (--set): this file of policies must hold one Python literal "
        f"and no code, got 'FILE'.\n{FORM}"
    )
    assert not mark.exists()


ASKED = "expected [operation, probability, magnitude], both from 0 to 1, not"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "p.yaml",
            "a: [",
            "this file of policies is no YAML (line 1: expected the node content, but found '<stream end>')",
        ),
        ("p.yaml", "{}", "must be a list of policies, each a list of pairs of [operation, probability, magnitude]"),
        ("p.yaml", "[]", "must be a list of policies, each a list of pairs of [operation, probability, magnitude]"),
        ("p.yaml", "[[]]", "policy 1 must be a list of sub-policies"),
        (
            "p.yaml",
            "[[[[rotate, 1, 1]]]]",
            "policy 1, sub-policy 1 must be two of [operation, probability, magnitude]",
        ),
        (
            "p.yaml",
            "[[[[rotat, 1, 1], [blur, 1, 1]]]]",
            "policy 1, sub-policy 1: no operation 'rotat' (did you mean 'rotate'?)",
        ),
        (
            "p.yaml",
            "[[[[zzz, 1, 1], [blur, 1, 1]]]]",
            "policy 1, sub-policy 1: no operation 'zzz' (`trifacet augmentations` lists them)",
        ),
        (
            "p.yaml",
            "[[[[blur, 1, 1], [blur, 2, 1]]]]",
            f"policy 1, sub-policy 1: {ASKED} ['blur', 2, 1]",
        ),
        (
            "p.data",
            "[[(('Rotat', {'p': 1}), ('Blur', {'p': 1}))]]",
            "policy 1, sub-policy 1: no operation 'Rotat' (did you mean 'Rotate'?)",
        ),
        (
            "p.data",
            "[[(('InvertImg', {'p': 1}), ('Blur', {'p': 1}))]]",
            "policy 1, sub-policy 1: Blur lacks its parameters, or they are no numbers",
        ),
        (
            "p.data",
            "[[(('InvertImg', {'p': 1}), ('ShiftScaleRotate', {'shift_limit': .1, 'scale_limit': .1, 'p': 1}))]]",
            "policy 1, sub-policy 1: ShiftScaleRotate that scales too is two operations, shift and zoom",
        ),
        (
            "p.data",
            "[[(('InvertImg', {'p': 1}), ('ShiftScaleRotate', {'shift_limit': .1, 'rotate_limit': 9, 'p': 1}))]]",
            "policy 1, sub-policy 1: ShiftScaleRotate that rotates too is two operations, shift and rotate",
        ),
    ],
)
def test_what_is_wrong_with_a_file_of_policies_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    told = refusal(file)
    assert told.startswith(f"TRI101 1 mistake in the recipe:\n  augment.policy (--set): {said}"), told
    assert told.endswith(f", got 'FILE'.\n{FORM}")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rant", "neither none, rand, trivial nor a file (did you mean 'rand'?), got 'FILE'."),
        ("xxxx", "neither none, rand, trivial nor a file (a file ends in .yaml, .json or .data), got 'FILE'."),
    ],
)
def test_a_policy_that_is_no_file_is_answered_with_the_nearest(word: str, said: str) -> None:
    assert refusal(word) == f"TRI101 1 mistake in the recipe:\n  augment.policy (--set): {said}\n{FORM}"


def test_every_operation_tells_what_it_does_in_a_line() -> None:
    assert all(0 < len(about) < 100 and about[-1] != "." for about in OPERATIONS.values())
