"""What `--over` means, and what it refuses."""

from __future__ import annotations

import pytest

from trifacet.core.errors import TrifacetError
from trifacet.trials.space import Axis, number_of, parse_axes


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        pytest.param("optim.lr=log:1e-5..1e-3", Axis("optim.lr", "", "real", 1e-5, 1e-3, is_log=True), id="log"),
        pytest.param("augment.mixup=0..0.4", Axis("augment.mixup", "", "real", 0, 0.4), id="real"),
        pytest.param("augment.mixup=0..1", Axis("augment.mixup", "", "real", 0, 1), id="real with whole ends"),
        pytest.param("augment.mixup=0...5", Axis("augment.mixup", "", "real", 0, 0.5), id="an end without its 0"),
        pytest.param("train.epochs=2..8", Axis("train.epochs", "", "whole", 2, 8), id="whole"),
        pytest.param("loss.prior_tau=-1..1.0", Axis("loss.prior_tau", "", "real", -1, 1), id="below 0"),
        pytest.param("loss.weights.age=.5..2", Axis("loss.weights.age", "", "real", 0.5, 2), id="in a mapping"),
        pytest.param("model.backbone = a | b", Axis("model.backbone", "", choices=("a", "b")), id="choices"),
        pytest.param(
            "data.image_size=[64, 48]|[96, 72]",
            Axis("data.image_size", "", choices=("[64, 48]", "[96, 72]")),
            id="choices of lists",
        ),
    ],
)
def test_an_axis_is_read(text: str, axis: Axis) -> None:
    (made,) = parse_axes([text])
    assert made == Axis(**{**axis.__dict__, "text": text})


@pytest.mark.parametrize(
    ("over", "message"),
    [
        pytest.param(
            ["optim.lr"],
            "TRI104 --over: must look like KEY=LOW..HIGH, KEY=log:LOW..HIGH or KEY=A|B, got 'optim.lr'. See --help.",
            id="no values",
        ),
        pytest.param(
            ["optim.lr=1e-4"],
            "TRI104 --over: needs a range LOW..HIGH, or two or more different choices A|B, got 'optim.lr=1e-4'."
            " See --help.",
            id="one value",
        ),
        pytest.param(
            ["optim.name=sgd|sgd"],
            "TRI104 --over: needs a range LOW..HIGH, or two or more different choices A|B, got 'optim.name=sgd|sgd'."
            " See --help.",
            id="one value twice",
        ),
        pytest.param(
            ["optim.lr=1e-3..1e-4"],
            "TRI104 --over: a range goes from its lower to its higher end, got 'optim.lr=1e-3..1e-4'. See --help.",
            id="upside down",
        ),
        pytest.param(
            ["augment.mixup=0..1."],
            "TRI104 --over: needs a range LOW..HIGH, or two or more different choices A|B, got 'augment.mixup=0..1.'."
            " See --help.",
            id="a dot at the end",
        ),
        pytest.param(
            ["augment.mixup=log:0..1"],
            "TRI104 --over: a range on a log scale begins above 0, got 'augment.mixup=log:0..1'. See --help.",
            id="log of 0",
        ),
        pytest.param(
            ["train.epochs=1..2.5"],
            "TRI104 --over: 'train.epochs' is a whole number, and so are the ends of its range, got 1..2.5."
            " See --help.",
            id="half an epoch",
        ),
        pytest.param(
            ["model.backbone=1..2"],
            "TRI104 --over: 'model.backbone' is no number, so it has no range: give choices, A|B, got 1..2."
            " See --help.",
            id="no number",
        ),
        pytest.param(
            ["optim.lrr=0..1"],
            "TRI104 --over: no setting 'optim.lrr'. Did you mean 'optim.lr'? See --help.",
            id="a typo",
        ),
        pytest.param(
            ["decide.tta=none|flip"],
            "TRI104 --over: 'decide.tta' cannot be searched: trials are scored by the most probable class, before any "
            "rule or view. See --help.",
            id="what changes no score",
        ),
        pytest.param(
            ["model.tasks=[mask]|[mask, age]"],
            "TRI104 --over: 'model.tasks' cannot be searched: it changes what is scored. See --help.",
            id="an easier task",
        ),
        pytest.param(
            ["model={tasks: [mask]}|{backbone: face_resnet10}"],
            "TRI104 --over: 'model.tasks' cannot be searched: it changes what is scored. See --help.",
            id="an easier task in a mapping",
        ),
        pytest.param(
            ["schema.age_edges=[30, 60]|[50, 60]"],
            "TRI104 --over: 'schema.age_edges' cannot be searched: it changes what is scored. See --help.",
            id="easier ages",
        ),
        pytest.param(
            ["label_schema={age_edges: [30, 60]}|{age_edges: [50, 60]}"],
            "TRI104 --over: 'label_schema' cannot be searched: it changes what is scored. See --help.",
            id="easier ages by another name",
        ),
        pytest.param(
            ["optim.lr=1..2", "optim.lr=2..3"], "TRI104 --over: 'optim.lr' is searched twice. See --help.", id="twice"
        ),
    ],
)
def test_what_is_no_axis_is_refused(over: list[str], message: str) -> None:
    with pytest.raises(TrifacetError) as told:
        parse_axes(over)
    assert str(told.value) == message


def test_the_kind_of_a_number_is_that_of_its_setting() -> None:
    kinds = {"optim.head_lr": "real", "train.threads": "whole", "sampler.share": "real", "model.age": None}
    assert {key: number_of(key) for key in kinds} == kinds
    assert number_of("optim.no_such_key") is None


@pytest.mark.parametrize(
    ("value", "text"), [(0.000123456, "0.0001235"), (0.3, "0.3"), (0.99996, "0.99995"), (1e-5, "1.2e-05")]
)
def test_a_real_number_has_four_digits_and_never_leaves_its_range(value: float, text: str) -> None:
    assert Axis("optim.lr", "", "real", 1.2e-5, 0.99995).value_text(value) == text
