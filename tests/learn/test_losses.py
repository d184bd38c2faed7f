from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trifacet.core.errors import ConfigError
from trifacet.core.recipe import LossSection, ModelSection
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema
from trifacet.learn.losses import Labels, Loss, blended, make_loss

MASK = Attribute(name="mask", classes=("worn", "incorrect", "not_worn"))
AGE = Attribute(name="age", classes=("young", "old"), edges=(2.0,))
BOTH = LabelSchema(attributes=(MASK, AGE), years=(0, 3))
ONLY_MASK, ONLY_AGE = (LabelSchema(attributes=(a,), years=(0, 3)) for a in (MASK, AGE))
NAN = math.nan


def labels(classes: list[list[int]], *, years: list[float] | None = None, weights: list[float] | None = None) -> Labels:
    n = len(classes)
    return Labels(torch.tensor(classes), torch.tensor(years or [NAN] * n), torch.tensor(weights or [1.0] * n))


def noise(n: int, size: int) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(0))


def loss(schema: LabelSchema, rarity: dict | None = None, **recipe) -> Loss:
    sizes = {**dict(zip(schema.names, schema.sizes, strict=True)), "joint": schema.n_joint}
    counts = {name: torch.ones(n) for name, n in sizes.items()}
    return Loss(schema, LossSection(**recipe), counts=counts, rarity=rarity or {})


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_are_torchs_cross_entropy_and_missing_labels_count_for_nothing(smoothing: float) -> None:
    logits, target = noise(6, 3), torch.tensor([0, -1, 2, 1, -1, 0])
    ours = loss(ONLY_MASK, label_smoothing=smoothing)({"mask": logits}, labels(target[:, None].tolist()))
    assert torch.allclose(ours, F.cross_entropy(logits, target, ignore_index=-1, label_smoothing=smoothing))


def test_class_weights_are_torchs() -> None:
    logits, target, weights = noise(6, 3), torch.tensor([0, -1, 2, 1, 1, 0]), torch.tensor([0.5, 2.0, 3.0])
    ours = loss(ONLY_MASK, {"mask": weights})({"mask": logits}, labels(target[:, None].tolist()))
    assert torch.allclose(ours, F.cross_entropy(logits, target, weight=weights, ignore_index=-1))


def test_label_weights_weigh_photos() -> None:
    logits = {"mask": noise(3, 3)}
    classes = [[0], [1], [2]]
    each = F.cross_entropy(logits["mask"], torch.tensor([0, 1, 2]), reduction="none")
    ours = loss(ONLY_MASK)(logits, labels(classes, weights=[1.0, 0.0, 3.0]))
    assert torch.allclose(ours, (each[0] + 3 * each[2]) / 4)


def test_even_answers_cost_the_logarithm_of_their_number() -> None:
    answers = {"mask": torch.zeros(2, 3), "age": torch.zeros(2, 4)}
    ours = loss(BOTH)(answers, labels([[0, 0], [1, 1]], years=[1.0, 3.0]))
    assert float(ours) == pytest.approx(math.log(3) + math.log(4))


def test_a_known_year_is_a_gaussian_around_its_whole_number() -> None:
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    target = np.array([math.exp(-0.5), 1, math.exp(-0.5), math.exp(-2)])  # year 1.7 counts as 1, width 1
    expected = -(target / target.sum() * np.log([0.1, 0.2, 0.3, 0.4])).sum()
    ours = loss(ONLY_AGE, age_sigma_years=1)({"age": probs.log()}, labels([[0]], years=[1.7]))
    assert float(ours) == pytest.approx(expected)


def test_a_year_without_width_is_torchs_cross_entropy() -> None:
    logits = noise(4, 4)
    for smoothing in (0.0, 0.2):
        ours = loss(ONLY_AGE, age_sigma_years=0, label_smoothing=smoothing)(
            {"age": logits}, labels([[0], [0], [1], [1]], years=[0.0, 1.99, 2.0, 3.5])
        )
        expected = F.cross_entropy(logits, torch.tensor([0, 1, 2, 3]), label_smoothing=smoothing)
        assert torch.allclose(ours, expected)


def test_a_known_class_costs_the_logarithm_of_its_years_mass() -> None:
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    ours = loss(ONLY_AGE)({"age": probs.log()}, labels([[0], [1], [-1]]))
    assert float(ours) == pytest.approx(-(math.log(0.3) + math.log(0.7)) / 2)


def test_terms_on_years_and_on_their_classes_are_summed_with_their_weights() -> None:
    logits, rows = {"age": noise(3, 4)}, labels([[1], [0], [1]], years=[3.0, 0.5, NAN])
    year, mean, band = (
        float(loss(ONLY_AGE, age_terms={name: 1})(logits, rows)) for name in ("years", "mean", "cross_entropy")
    )
    ours = loss(ONLY_AGE, age_terms={"years": 0.5, "mean": 2, "cross_entropy": 3})(logits, rows)
    assert float(ours) == pytest.approx(0.5 * year + 2 * mean + 3 * band)
    mass = logits["age"].softmax(1) @ torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert band == pytest.approx(float(F.nll_loss(mass.log(), torch.tensor([1, 0, 1]))), abs=1e-6)


def test_a_network_that_answers_age_classes_alone_has_their_cross_entropy() -> None:
    logits, rows = {"age": noise(3, 2)}, labels([[1], [0], [-1]], years=[3.0, 0.5, NAN])
    expected = F.cross_entropy(logits["age"], torch.tensor([1, 0, -1]), ignore_index=-1)
    assert torch.allclose(loss(ONLY_AGE)(logits, rows), expected)
    assert torch.allclose(loss(ONLY_AGE, age_terms={"years": 1, "cross_entropy": 2})(logits, rows), 3 * expected)


def test_years_classes_and_missing_ages_share_a_batch() -> None:
    logits = {"age": noise(4, 4)}
    rows = labels([[0], [1], [1], [-1]], years=[0.5, NAN, 3.0, NAN])
    both = loss(ONLY_AGE)
    apart = [float(both({"age": logits["age"][i : i + 1]}, rows.rows(torch.tensor([i])))) for i in range(4)]
    assert apart[3] == 0
    assert float(both(logits, rows)) == pytest.approx(sum(apart[:3]) / 3)


def test_nothing_known_is_no_loss_and_no_gradient() -> None:
    answers = {"mask": noise(2, 3).requires_grad_(), "age": noise(2, 4).requires_grad_()}
    ours = loss(BOTH)(answers, labels([[-1, -1], [-1, -1]]))
    ours.backward()
    assert float(ours.detach()) == 0
    for answer in answers.values():
        assert answer.grad is not None
        assert (answer.grad == 0).all()


def test_gradients_are_finite_where_answers_are_certain() -> None:
    certain = torch.tensor([[200.0, -200, -200, -200]]).requires_grad_()
    for rows in (labels([[1]]), labels([[1]], years=[3.0])):
        value = loss(ONLY_AGE)({"age": certain}, rows)
        (gradient,) = torch.autograd.grad(value, certain)
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_attributes_are_summed_with_their_weights() -> None:
    answers, rows = {"mask": noise(3, 3), "age": noise(3, 4)}, labels([[0, 1], [1, 0], [2, -1]], years=[3.0, 0.0, NAN])
    mask = loss(ONLY_MASK)({"mask": answers["mask"]}, labels([[0], [1], [2]]))
    age = loss(ONLY_AGE)({"age": answers["age"]}, labels([[1], [0], [-1]], years=[3.0, 0.0, NAN]))
    assert torch.allclose(loss(BOTH)(answers, rows), mask + age)
    assert torch.allclose(loss(BOTH, weights={"age": 0.25})(answers, rows), mask + age / 4)
    assert torch.allclose(loss(BOTH, weights={"age": 0})(answers, rows), mask)


def test_joint_answers_need_every_label() -> None:
    logits = noise(3, 6)
    ours = loss(BOTH)({"joint": logits}, labels([[0, 1], [2, 0], [1, -1]], years=[3.0, 0.0, NAN]))
    assert torch.allclose(ours, F.cross_entropy(logits, torch.tensor([1, 4, -1]), ignore_index=-1))


CLASSES = np.array([[0, 0]] * 6 + [[1, 1]] * 2 + [[-1, 0]])  # mask 6, 2, 0; age 7, 2


def rarity(told) -> dict[str, torch.Tensor]:
    return dict(make_loss(BOTH, LossSection(class_weights=told, effective_beta=0.5), classes=CLASSES).rarity)


def test_class_weights_come_from_how_rare_a_class_is() -> None:
    balanced = rarity("balanced")
    assert torch.allclose(balanced["mask"], torch.tensor([8 / 18, 8 / 6, 0]))
    assert torch.allclose(balanced["age"], torch.tensor([9 / 14, 9 / 4]))
    assert torch.allclose(balanced["joint"], torch.tensor([8 / 36, 0, 0, 8 / 12, 0, 0]))
    assert torch.allclose(rarity("square_root")["mask"], balanced["mask"].sqrt())
    one = rarity({"mask": "balanced"})
    assert list(one) == ["mask"]
    assert torch.equal(one["mask"], balanced["mask"])
    assert rarity("none") == {}
    effective = torch.tensor([0.5 / (1 - 0.5**6), 0.5 / (1 - 0.5**2), 0])
    assert torch.allclose(rarity("effective")["mask"], effective / effective[:2].mean())


def test_class_weights_may_be_given_one_a_class() -> None:
    assert rarity({"age": [1, 3]})["age"].tolist() == [1, 3]
    for told in ([1, 2, 3], [0, 0]):
        with pytest.raises(ConfigError) as caught:
            rarity({"age": told})
        what = "'age' has 2 classes, and needs as many weights, not all 0"
        assert str(caught.value).startswith(f"TRI101 loss.class_weights: {what}, got {[float(w) for w in told]}.")
    with pytest.raises(ConfigError) as caught:
        rarity({"aeg": "balanced"})
    assert str(caught.value).startswith("TRI100 loss.class_weights: no attribute 'aeg'")


def test_class_weights_may_wait_until_a_share_of_training_is_done() -> None:
    logits, rows, weights = {"mask": noise(3, 3)}, labels([[0], [1], [2]]), {"mask": torch.tensor([1.0, 5.0, 0.0])}
    late = loss(ONLY_MASK, weights, reweight_from=0.5)
    assert torch.equal(late(logits, rows, progress=0.49), loss(ONLY_MASK)(logits, rows))
    assert torch.equal(late(logits, rows, progress=0.5), loss(ONLY_MASK, weights)(logits, rows))


def test_weights_of_attributes_can_be_learned() -> None:
    answers, rows = {"mask": noise(3, 3), "age": noise(3, 4)}, labels([[0, 1], [1, 0], [2, 1]], years=[3.0, 0.0, 2.0])
    mask = loss(ONLY_MASK)({"mask": answers["mask"]}, labels([[0], [1], [2]]))
    age = loss(ONLY_AGE)({"age": answers["age"]}, labels([[1], [0], [1]], years=[3.0, 0.0, 2.0]))
    learned = loss(BOTH, balance="uncertainty")
    learned.log_variances["age"].data += 0.6
    value = learned(answers, rows)
    assert torch.allclose(value, mask + math.exp(-0.6) * age + 0.3)
    value.backward()
    assert learned.log_variances["age"].grad is not None
    assert float(learned.log_variances["age"].grad) == pytest.approx(0.5 - math.exp(-0.6) * float(age), abs=1e-5)


def test_a_weight_for_an_attribute_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        make_loss(BOTH, LossSection(weights={"msak": 2}), classes=np.zeros((1, 2), dtype=np.int64))
    assert str(caught.value) == "TRI100 loss.weights: no attribute 'msak'. Did you mean 'mask'?"


def test_the_joint_classes_have_weights_where_the_head_knows_them_alone() -> None:
    n = BOTH.n_joint
    asked = LossSection(class_weights={"joint": tuple(range(1, n + 1))})
    loss = make_loss(BOTH, asked, classes=CLASSES, model=ModelSection(head="joint"))
    assert loss.rarity["joint"].tolist() == list(range(1, n + 1))
    with pytest.raises(ConfigError, match=r"TRI100 loss\.class_weights: no attribute 'joint'"):
        make_loss(BOTH, asked, classes=CLASSES, model=ModelSection())
    with pytest.raises(ConfigError, match=r"TRI100 loss\.class_weights: no attribute 'age'. Known: joint\."):
        make_loss(
            BOTH, LossSection(class_weights={"age": "balanced"}), classes=CLASSES, model=ModelSection(head="joint")
        )


def test_a_teachers_share_is_the_cross_entropy_against_what_it_said() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    soft = torch.tensor([[0.9, 0.1], [float("nan"), float("nan")], [0.2, 0.8]])
    schema = LabelSchema(attributes=(Attribute(name="mask", classes=("worn", "not_worn")),))
    labels = Labels(torch.tensor([[0], [1], [1]]), torch.full((3,), math.nan), torch.ones(3), {"mask": soft})
    hard = F.cross_entropy(logits, labels.classes[:, 0])
    said = -(soft[[0, 2]] * logits[[0, 2]].log_softmax(1)).sum(1).mean()
    for share in (0.0, 0.3, 1.0):
        value = loss(schema, teachers_share=share)({"mask": logits}, labels)
        assert value == pytest.approx(float((1 - share) * hard + share * said), abs=1e-6)


def test_a_teacher_without_years_is_compared_by_the_mass_of_each_class() -> None:
    age = DEFAULT_SCHEMA.attributes[2]
    schema = LabelSchema(attributes=(age,))
    logits = torch.randn(2, len(schema.year_grid), generator=torch.Generator().manual_seed(0))
    soft = torch.tensor([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    labels = Labels(torch.tensor([[0], [2]]), torch.tensor([20.0, 70.0]), torch.ones(2), {"age": soft})
    bands = torch.from_numpy(age.band(schema.year_grid))
    mass = torch.stack([logits.softmax(1)[:, bands == band].sum(1) for band in range(3)], dim=1)
    value = loss(schema, teachers_share=1.0)({"age": logits}, labels)
    assert value == pytest.approx(float(-(soft * mass.log()).sum(1).mean()), abs=1e-5)


def test_mixed_photos_share_the_losses_of_both_labels() -> None:
    logits, own, theirs = {"mask": noise(3, 3)}, [[0], [1], [2]], [[1], [2], [0]]
    one, other = (loss(ONLY_MASK)(logits, labels(classes)) for classes in (own, theirs))
    ours = blended(loss(ONLY_MASK), logits, labels=labels(own), others=labels(theirs), share=0.25)
    assert torch.allclose(ours, 0.25 * one + 0.75 * other)
    assert torch.equal(blended(loss(ONLY_MASK), logits, labels=labels(own), others=None, share=1.0), one)
