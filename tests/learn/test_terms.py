from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torchvision.ops import sigmoid_focal_loss

from trifacet.core.errors import ConfigError
from trifacet.core.recipe import YEAR_TERMS as RECIPES_YEAR_TERMS
from trifacet.core.recipe import LossSection
from trifacet.learn.models import CosineLinear, year_log_probs
from trifacet.learn.terms import CLASS_TERMS, YEAR_TERMS, Facts, check_age_terms, check_terms, class_term

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([0, 1, 2, 2, 1, 0])
ONES = torch.ones(6)
GRID = torch.tensor([10.0, 20.0, 30.0])
COUNTS = torch.tensor([100.0, 10.0, 1.0])
PROBS = LOGITS.softmax(1)
OWN = PROBS[torch.arange(6), TARGET]


def term(name: str, logits=LOGITS, target=TARGET, weights=ONES, *, scale=1.0, running=None, **recipe) -> torch.Tensor:
    facts = Facts(LossSection(**recipe), COUNTS, weights, GRID, scale=scale, running=running)
    return CLASS_TERMS[name](logits, target, facts=facts)


def test_cross_entropy_smooths_over_all_classes_as_torch_does() -> None:
    expected = F.cross_entropy(LOGITS, TARGET, reduction="none", label_smoothing=0.1)
    assert torch.allclose(term("cross_entropy", label_smoothing=0.1), expected)


def test_cross_entropy_smooths_over_the_wrong_classes_alone_as_the_baseline_does() -> None:
    soft = torch.full((6, 3), 0.1 / 2).scatter(1, TARGET[:, None], 0.9)
    expected = F.cross_entropy(LOGITS, soft, reduction="none")
    assert torch.allclose(term("cross_entropy", label_smoothing=0.1, smoothing="wrong"), expected)


def test_focal_discounts_sure_answers() -> None:
    assert torch.allclose(term("focal", focal_gamma=3), -((1 - OWN) ** 3) * OWN.log())
    assert torch.allclose(term("focal", focal_gamma=0), F.cross_entropy(LOGITS, TARGET, reduction="none"))


def test_binary_focal_is_torchvisions() -> None:
    one_hot = F.one_hot(TARGET, 3).float()
    expected = sigmoid_focal_loss(LOGITS, one_hot, alpha=-1, gamma=2).sum(1)
    assert torch.allclose(term("binary_focal"), expected, atol=1e-6)


def test_macro_f1_of_sure_answers_is_that_of_scikit_learn() -> None:
    said = torch.tensor([0, 1, 1, 2, 0, 0])
    sure = F.one_hot(said, 3).float() * 100
    expected = 1 - f1_score(TARGET, said, average="macro")
    assert torch.allclose(term("macro_f1", sure), torch.full((6,), float(expected)), atol=1e-5)
    weights = torch.tensor([1.0, 1, 0, 1, 1, 0])  # unknown labels count for nothing
    known = weights > 0
    expected = 1 - f1_score(TARGET[known], said[known], average="macro")
    assert float(term("macro_f1", sure, weights=weights)[0]) == pytest.approx(expected, abs=1e-5)


def test_macro_f1_remembers_earlier_batches_so_that_small_ones_do() -> None:
    running = torch.zeros(3, 3)
    logits = LOGITS.clone().requires_grad_()
    whole = term("macro_f1", logits)[0]
    for i in range(6):
        last = term("macro_f1", logits[i : i + 1], TARGET[i : i + 1], ONES[:1], running=running, f1_memory=0.999999)[0]
    assert float(last.detach()) == pytest.approx(float(whole.detach()), abs=1e-4)
    fresh, filled = torch.zeros(3, 3), torch.ones(3, 3)
    for memory in (fresh, filled):
        term("macro_f1", logits, running=memory, f1_memory=0.5)
    assert torch.allclose(filled, fresh + 0.5)  # half of what was there before is kept
    before = running.clone()
    term("macro_f1", LOGITS, running=running)  # an answer on val leaves no trace
    assert torch.equal(running, before)


def test_ldam_moves_the_true_class_by_a_margin_that_grows_with_rarity() -> None:
    margins = 0.5 * np.array([100.0, 10, 1]) ** -0.25
    moved = LOGITS.clone()
    for i, c in enumerate(TARGET.tolist()):
        moved[i, c] -= 4 * margins[c]
    expected = F.cross_entropy(moved, TARGET, reduction="none")
    assert torch.allclose(term("ldam", scale=4.0), expected)


def test_the_largest_margin_is_that_of_the_rarest_class_with_photos() -> None:
    facts = Facts(LossSection(ldam_margin=0.5), torch.tensor([16.0, 0.0, 81.0]), ONES, GRID)
    margins = 0.5 * np.array([1.0, 1.0, 2 / 3])  # 16 ** -.25 is 1/2, 81 ** -.25 is 1/3
    moved = LOGITS.clone()
    for i, c in enumerate(TARGET.tolist()):
        moved[i, c] -= margins[c]
    assert torch.allclose(
        CLASS_TERMS["ldam"](LOGITS, TARGET, facts=facts), F.cross_entropy(moved, TARGET, reduction="none")
    )
    empty = Facts(LossSection(), torch.zeros(3), ONES, GRID)
    assert CLASS_TERMS["ldam"](LOGITS, TARGET, facts=empty).isfinite().all()


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_balanced_softmax_takes_the_shares_of_training_out(tau: float) -> None:
    weighed = LOGITS.exp() * (COUNTS / 111) ** tau
    expected = -(weighed / weighed.sum(1, keepdim=True))[torch.arange(6), TARGET].log()
    assert torch.allclose(term("balanced_softmax", prior_tau=tau), expected, atol=1e-6)


def test_arc_face_adds_an_angle_to_the_true_class() -> None:
    angles = torch.tensor([[0.3, 1.2, 2.0], [1.0, 3.1, 0.5]])
    target = torch.tensor([0, 1])
    ours = term("arc_face", 8 * angles.cos(), target, ONES[:2], scale=8.0, arc_margin_deg=math.degrees(0.2))
    turned = angles.clone()
    turned[0, 0] += 0.2
    cosines = turned.cos()
    cosines[1, 1] = math.cos(3.1) - 0.2 * math.sin(0.2)  # 3.1 + .2 is beyond 180 degrees
    assert torch.allclose(ours, F.cross_entropy(8 * cosines, target, reduction="none"), atol=1e-4)


def test_a_cosine_classifier_is_scaled_cosines() -> None:
    layer, features = CosineLinear(5, 3, scale=8.0), torch.randn(4, 5)
    expected = 8 * torch.cosine_similarity(features[:, None], layer.weight[None], dim=2)
    assert torch.allclose(layer(features), expected, atol=1e-5)


def test_mean_and_variance_are_those_of_the_distribution() -> None:
    probs, years = torch.tensor([[0.2, 0.5, 0.3]]), torch.tensor([24.0])
    facts = Facts(LossSection(), COUNTS, ONES[:1], GRID)
    assert float(YEAR_TERMS["mean"](probs.log(), years, facts=facts)) == pytest.approx((21 - 24) ** 2 / 2, rel=1e-5)
    assert float(YEAR_TERMS["variance"](probs.log(), years, facts=facts)) == pytest.approx(49, rel=1e-5)


def test_steps_from_year_to_year_are_corns_conditional_tasks() -> None:
    steps = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    years = torch.tensor([0, 1, 2, 3, 1])
    tasks = torch.zeros(5, dtype=torch.float64)
    for k in range(3):  # task k: of those who reached year k, who is older
        reached = years >= k
        said = F.binary_cross_entropy_with_logits(steps[:, k], (years > k).double(), reduction="none")
        tasks += said * reached
    log_probs = year_log_probs(steps.float())
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(5))
    assert torch.allclose(F.nll_loss(log_probs, years, reduction="none"), tasks.float(), atol=1e-5)


@pytest.mark.parametrize("name", CLASS_TERMS)
def test_every_term_falls_as_the_true_class_becomes_likelier_and_has_a_finite_gradient(name: str) -> None:
    logits = (4 * torch.tensor([[-0.99, 0.0, 0.9]])).requires_grad_()
    weights, target = torch.ones(1), torch.tensor([0])
    (gradient,) = torch.autograd.grad(term(name, logits, target, weights, scale=4.0).sum(), logits)
    assert gradient.isfinite().all()
    assert float(gradient[0, 0]) < 0


def test_names_of_terms_are_checked() -> None:
    assert check_terms({"focal": 0.6, "macro_f1": 0.4, "mine:loss": 1}) is None
    assert check_terms({"focla": 1}) == "no loss 'focla'. Did you mean 'focal'?"
    assert check_terms({"years": 1}) == f"no loss 'years'. Known: {', '.join(CLASS_TERMS)}."
    assert check_age_terms({"years": 1, "focal": 1}) is None
    assert set(YEAR_TERMS) == set(RECIPES_YEAR_TERMS)
    assert check_terms({"focal": 0.0}) == "every weight is 0: nothing would be learned"


def test_an_own_term_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_loss.py").write_text("def squared(logits, target):\n    return logits[:, 0] ** 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    own = class_term("my_loss:squared")
    assert torch.equal(own(LOGITS, TARGET, facts=Facts(LossSection(), COUNTS, ONES, GRID)), LOGITS[:, 0] ** 2)
    with pytest.raises(ConfigError) as told:
        class_term("my_loss:sqared")
    assert str(told.value).startswith("TRI105 loss.terms: cannot import 'my_loss:sqared'")
