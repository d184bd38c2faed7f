"""The pages say what is: every command, option, setting and name that they show exists, and every line has its row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import trifacet
from tests.house.commands import commands, fault
from tests.house.sources import PACKAGE, ROOT, kept_files
from trifacet.choosing import CHECKS, open_recipe, recipe_paths
from trifacet.core.catalogue import CATALOGUE
from trifacet.core.config import Layer, choices, describe, read_layer, resolve, set_layer
from trifacet.core.errors import TrifacetError
from trifacet.core.files import parse_yaml
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run
from trifacet.core.tta import TTA
from trifacet.learn.terms import CLASS_TERMS, YEAR_TERMS

HOW_TO = ROOT / "docs" / "how-to"
MIGRATE = HOW_TO / "migrate.md"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py")))
KEYS = describe(Recipe)
OF_THE_MACHINE = ("train.memory_format", "train.compile", "train.resident")  # how fast, and nothing of what is learned
SECTIONS = {key.partition(".")[0] for key in KEYS}
RUN = Run(Path(), None)  # type: ignore[arg-type]  # for the names of its files
RUN_FILES = {
    path.as_posix() for path in (RUN.weights_path("best"), RUN.weights_path("last"), RUN.report_path, RUN.metrics_path)
}

# What the replaced systems have, as their users type it. Each must stand in a first column of migrate.md.
THERE = {
    "official": """
        SM_CHANNEL_TRAIN SM_MODEL_DIR SM_CHANNEL_EVAL SM_CHANNEL_MODEL SM_OUTPUT_DATA_DIR SM_GROUND_TRUTH_DIR
        train.py inference.py evaluation.py
        --seed --epochs --dataset --augmentation --resize --batch_size --valid_batch_size --model --optimizer --lr
        --val_ratio --criterion --lr_decay_step --log_interval --name --data_dir --model_dir --output_dir
        config.json best.pth last.pth output.csv accuracy f1
        MaskBaseDataset MaskSplitByProfileDataset TestDataset BaseAugmentation CustomAugmentation AddGaussianNoise
        MaskLabels GenderLabels AgeLabels GenderLabels.from_str AgeLabels.from_number is_image_file
        set_transform split_dataset encode_multi_class decode_multi_class denormalize_image read_image calc_statistics
        create_criterion criterion_entrypoint is_criterion cross_entropy focal label_smoothing
        BaseModel MyModel seed_everything get_lr grid_image increment_path""",
    "system 1": """
        --config seed epochs dataset augmentation resize batch_size valid_batch_size model optimizer lr val_ratio
        criterion lr_decay_step log_interval name early_stop --data_dir --model_dir --label_dir auto_trainer.sh
        auto_trainer.py inference.py --exp ensamble_inference.py soft_vote.csv CosineAnnealingWarmupRestarts
        class_balanced arc_face MultiTaskLoss ResNet50 ResNet101 ResNet152 ResNext50 ResNext101 EfficientNet Swin""",
    "system 2": """
        one_model.ipynb learning_rate batch_size epoch model custom_model momentum img_x img_y kfold_num voting.ipynb
        3models_combined.ipynb new_train.csv soft_vote_result.csv""",
    "kaggle-hpa": """
        train.py data.name data.dir data.params model.name model.params train.dir train.batch_size train.num_epochs
        train.num_grad_acc eval.batch_size optimizer.name scheduler.name transform.name transform.num_preprocessor
        transform.params loss.name augmentation_search.py best_policy.data swa.py --num_checkpoint --epoch_end --output
        inference.py --num_tta --split --checkpoint make_submission.py""",
    "system 3": """
        train.py --data_multiply --smote --hidden_layer --freeze --lrscheduler train_split.py --task age gender mask
        --epochs inference.py --batch_size --resize --model inference_TTA.py output_tta.csv inference_ensemble_TTA.py
        --model_dir_m --model_dir_g --model_dir_a output_split.csv correct_label.py""",
}
HEADINGS = {
    "official": ("## The environment's variables", "## System 1"),
    "system 1": ("## System 1", "## System 2"),
    "system 2": ("## System 2", "### kaggle-hpa"),
    "kaggle-hpa": ("### kaggle-hpa", "## System 3"),
    "system 3": ("## System 3", "## Files"),
}


def pages() -> list[Path]:
    """The pages that tell how things are today; the log and the changelog tell how they were."""
    return [path for path in kept_files() if path.suffix == ".md" and path.name not in ("log.md", "CHANGELOG.md")]


def shown_commands(text: str) -> list[str]:
    """Command lines in code blocks and in code font; `a|b` in a name stands for each."""
    found = [line.strip() for line in text.splitlines() if line.startswith("    trifacet ")]
    found += [code for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text) if code.startswith("trifacet ")]
    return found


def rows(text: str) -> list[tuple[str, str]]:
    """(there, here) of every row of the tables."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    kept = [row for row in cells if row[0] not in ("there", "variable", "---")]
    return [(row[0], row[2] if row[0].startswith("`SM_") else row[1]) for row in kept]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def wrong(name: str, *, cell: str) -> str:
    """Why a name that the page calls ours is none; "" where it is one."""
    if name.startswith("trifacet "):
        return fault(name)
    if name.startswith("trifacet."):
        return "" if name.removeprefix("trifacet.") in trifacet.__all__ else f"no public name {name}"
    key, equals, _ = name.partition("=")
    if equals and key in KEYS:
        others = [
            other for other in code(cell) if "=" in other and other.partition("=")[0] not in (key, "model.weights")
        ]
        try:
            open_recipe("quick", [*(o for o in others if o.partition("=")[0] in KEYS), name])
        except TrifacetError as problem:
            return str(problem)
        return ""
    known = {*KEYS, *SECTIONS, *RUN_FILES, *CATALOGUE, *recipe_paths()}
    return "" if name in known or (not equals and name in SOURCE) else f"nothing is called {name}"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages()])
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    shown = shown_commands(page.read_text(encoding="utf-8"))
    assert [f"{line}: {said}" for line in shown if (said := fault(line))] == []


def test_the_pages_show_commands() -> None:  # so that the test above has something to look at
    shown = {line.split()[1] for page in pages() for line in shown_commands(page.read_text(encoding="utf-8"))}
    named = {name.split()[1] for name, _ in commands() if " " in name}
    assert sorted(named - shown) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("trifacet ingest a --out b.parquet  # why", "", id="all is there"),
        pytest.param("trifacet --version", "", id="an option of the program"),
        pytest.param("trifacet cache clear ID", "", id="a command of a group"),
        pytest.param("trifacet ingset a", "no command 'trifacet ingset'", id="no such command"),
        pytest.param("trifacet cache empty", "no command 'trifacet cache empty'", id="no such command of a group"),
        pytest.param("trifacet split m --vla 0.2", "trifacet split has no --vla", id="no such option"),
    ],
)
def test_a_command_line_is_judged(line: str, said: str) -> None:
    assert fault(line) == said


@pytest.mark.parametrize("system", THERE)
def test_everything_that_the_replaced_systems_have_has_its_row(system: str) -> None:
    text = MIGRATE.read_text(encoding="utf-8")
    first, last = HEADINGS[system]
    part = text[text.index(f"\n{first}") : text.index(f"\n{last}")]
    there = " ".join(word for cell, _ in rows(part) for name in code(cell) for word in re.split(r"[\s,]+", name))
    lacking = [name for name in THERE[system].split() if name not in there.split()]
    assert lacking == []


def test_everything_that_the_migration_page_calls_ours_is_there() -> None:
    found = rows(MIGRATE.read_text(encoding="utf-8"))
    assert len(found) > 120
    said = [f"{there}: {why}" for there, here in found for name in code(here) if (why := wrong(name, cell=here))]
    assert said == []


@pytest.mark.parametrize(
    ("name", "is_wrong"),
    [
        pytest.param("trifacet.split", False, id="a public name"),
        pytest.param("trifacet.splitt", True, id="no public name"),
        pytest.param("optim.name=sgd", False, id="a setting"),
        pytest.param("schedule.name=cosinus", True, id="a value that it cannot hold"),
        pytest.param("optim.nam=sgd", True, id="no setting"),
        pytest.param("TRI101", False, id="a code"),
        pytest.param("weights/best.safetensors", False, id="a file of a run"),
        pytest.param("no_such_thing_anywhere", True, id="nothing"),
    ],
)
def test_a_name_is_judged(name: str, is_wrong: bool) -> None:
    assert bool(wrong(name, cell=f"`{name}`")) is is_wrong


def test_what_is_told_to_be_missing_is_missing() -> None:
    text = MIGRATE.read_text(encoding="utf-8")
    awaited = [(line, name) for line in text.splitlines() for name in re.findall(r"<!-- until: (.+?) -->", line)]
    assert [name for line, name in awaited if "not yet" not in line] == []
    names = {
        name: fault(name) if name.startswith("trifacet ") else name not in {*KEYS, *SECTIONS} for _, name in awaited
    }
    there = [name for name, is_missing in names.items() if not is_missing]
    assert there == [], "docs/how-to/migrate.md says 'not yet' of what is there now: mend those rows"


def shown_recipes(text: str) -> list[str]:
    """Blocks of code that are recipes, as their first key says; where a key stands twice they are several."""
    found = []
    for block in map(dedent, re.findall(r"(?:^    .*\S.*\n)+", text, flags=re.MULTILINE)):
        parts = re.findall(r"^\S.*\n(?: .*\n)*", block, flags=re.MULTILINE)
        keys = [part.partition(":")[0] for part in parts]
        if set(keys) <= SECTIONS:
            found += [block] if len(set(keys)) == len(keys) else parts
    return found


def test_the_recipes_that_the_pages_show_can_be_trained_by(tmp_path: Path) -> None:
    shown = {page.name: shown_recipes(page.read_text(encoding="utf-8")) for page in sorted(HOW_TO.glob("*.md"))}
    assert len(shown["models.md"]) >= 6
    assert len(shown["losses.md"]) >= 20
    assert len(shown["augment.md"]) >= 6
    (tmp_path / "found.yaml").write_text("[[[[rotate, 0.5, 0.4], [blur, 0.25, 0.2]]]]", encoding="utf-8")
    for name, recipes in shown.items():
        for recipe in recipes:
            content = parse_yaml(recipe.replace("found.yaml", f"{tmp_path}/found.yaml"))
            resolve(Recipe, [Layer(name, content)], checks=CHECKS)


def features() -> Iterator[str]:
    """What a recipe may ask for: its keys, the values that a key chooses among, terms of losses, and views."""
    yield from (key.rpartition(".")[2] for key in KEYS if key not in OF_THE_MACHINE)
    yield from (value for key, values in choices(Recipe).items() if key not in OF_THE_MACHINE for value in values)
    yield from (*CLASS_TERMS, *YEAR_TERMS, *(name.partition(":")[0] for name in TTA))


def test_every_feature_has_its_line_in_the_reference_and_an_example() -> None:
    reference = (
        (ROOT / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8").partition("## The recipes of")[0]
    )
    pages = [*recipe_paths().values(), *HOW_TO.glob("*.md"), ROOT / "docs" / "tutorial.md", ROOT / "README.md"]
    examples = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    names = sorted(set(features()))
    assert len(names) > 150
    for text, what in ((reference, "the reference"), (examples, "a recipe or an example")):
        words = set(re.findall(r"\w+", text))
        assert [name for name in names if name not in words] == [], f"not in {what}"


def test_the_recipes_that_the_pages_name_as_keys_are_settings() -> None:
    settings = [
        (page.name, word)
        for page in pages()
        for line in shown_commands(page.read_text(encoding="utf-8"))
        for word in re.findall(r"--set (\S+=\S+)", line)
        if "KEY" not in word
    ]
    assert len(settings) > 5
    unknown = [(page, word) for page, word in settings if word.partition("=")[0] not in KEYS]
    assert unknown == []
    assert all(set_layer([word]).content for _, word in settings)
    assert all(read_layer(path) for path in recipe_paths().values())
