from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.core.tiny import FOUR_BANDS
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import LossSection, ModelSection
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.learn.convnets import BaselineCNN
from trifacet.learn.losses import Labels, make_loss
from trifacet.learn.models import Head, answer_probs, answer_sizes, build_net, year_bands

NO_AGE = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[:2])
PLAIN = ModelSection(backbone="baseline_cnn")
SIZES = {"mask": 3, "gender": 2, "age": 101}


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("schema", "head", "sizes"),
    [
        pytest.param(DEFAULT_SCHEMA, "per_attribute", {"mask": 3, "gender": 2, "age": 101}, id="default"),
        pytest.param(DEFAULT_SCHEMA, "joint", {"joint": 18}, id="joint"),
        pytest.param(FOUR_BANDS, "per_attribute", {"mask": 2, "age": 91}, id="four bands"),
        pytest.param(FOUR_BANDS, "joint", {"joint": 8}, id="four bands, joint"),
        pytest.param(NO_AGE, "per_attribute", {"mask": 3, "gender": 2}, id="no age"),
    ],
)
def test_a_head_has_the_answers_its_schema_needs(schema: LabelSchema, head: str, sizes: dict[str, int]) -> None:
    model = PLAIN.model_copy(update={"head": head})
    assert answer_sizes(schema, model) == sizes
    net = build_net(schema, model).eval()
    logits = net(torch.zeros(2, 3, 24, 20))
    assert {name: tuple(answer.shape) for name, answer in logits.items()} == {n: (2, s) for n, s in sizes.items()}
    joint, years = answer_probs(logits, schema)
    assert joint.shape == (2, schema.n_joint)
    assert torch.allclose(joint.sum(dim=1), torch.ones(2))
    assert (years is None) == (head == "joint" or schema.age is None)


def test_joint_probabilities_agree_with_each_attributes_own() -> None:
    for schema in (DEFAULT_SCHEMA, FOUR_BANDS, NO_AGE):
        logits = {name: 3 * noise(5, size) for name, size in answer_sizes(schema, PLAIN).items()}
        joint, years = answer_probs(logits, schema)
        assert torch.allclose(joint.sum(dim=1), torch.ones(5))
        for attribute in schema.attributes:
            own = logits[attribute.name].softmax(dim=1)
            if attribute.edges:
                assert years is not None
                assert torch.equal(years, own)
                own = torch.from_numpy(schema.band_probs(own.numpy()))
            marginal = schema.marginal(joint.numpy(), attribute.name)
            assert torch.allclose(torch.from_numpy(marginal), own, atol=1e-6)


def test_a_joint_heads_softmax_is_its_answer() -> None:
    logits = noise(4, 18)
    joint, years = answer_probs({"joint": logits}, DEFAULT_SCHEMA)
    assert torch.equal(joint, logits.softmax(dim=1))
    assert years is None


def test_every_year_belongs_to_one_age_class() -> None:
    bands = year_bands(DEFAULT_SCHEMA)
    assert bands.shape == (3, 101)
    assert (bands.sum(dim=0) == 1).all()
    assert bands.sum(dim=1).tolist() == [30, 30, 41]


def test_baseline_cnn_has_the_official_number_of_parameters_and_normalises_as_it_did() -> None:
    net = BaselineCNN().eval()
    official = (3 * 7 * 7 + 1) * 32 + (32 * 3 * 3 + 1) * 64 + (64 * 3 * 3 + 1) * 128  # its three convolutions
    assert sum(p.numel() for p in net.parameters()) == official == 97_088
    assert official + (128 + 1) * 18 == 99_410  # with its classifier
    mean = 255 * torch.tensor([0.548, 0.504, 0.479]).view(1, 3, 1, 1)
    assert torch.allclose(net(mean.expand(1, 3, 24, 24)), net.layers(torch.zeros(1, 3, 24, 24)).mean(dim=(2, 3)))


def test_a_head_standardises_what_it_reads() -> None:
    features = 5 * noise(64, 6) + torch.arange(6.0)
    features[:, 3] = 7  # one that never changes must not divide by zero
    head = Head(6, {"mask": 3}, model=PLAIN.model_copy(update={"hidden": 0, "dropout": (0.0, 0.0)})).eval()
    head.standardise(features)
    scaled = (features - features.mean(dim=0)) / features.std(dim=0).clamp_min(1e-4)
    assert torch.allclose(head(features)["mask"], head.answers["mask"](scaled), atol=1e-5)
    assert head(features)["mask"].isfinite().all()
    assert {"mean", "std"} <= head.state_dict().keys()


SAMPLED = PLAIN.model_copy(update={"dropout_samples": 3, "hidden": 8, "dropout": (0.3, 0.5)})


def test_several_dropout_masks_lie_over_each_feature_in_training_alone() -> None:
    torch.manual_seed(0)
    head, features = Head(6, {"mask": 3, "age": 5}, model=SAMPLED, steps="age"), noise(4, 6)
    logits = head.train()(features)
    assert {name: tuple(answer.shape) for name, answer in logits.items()} == {"mask": (12, 3), "age": (12, 5)}
    sets = logits["mask"].reshape(3, 4, 3)
    assert all(not torch.allclose(sets[i], sets[j], atol=1e-3) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert head.eval()(features)["mask"].shape == (4, 3)
    still = Head(6, {"mask": 3}, model=SAMPLED.model_copy(update={"dropout": (0.0, 0.0)}))
    plain = still.eval()(features)["mask"]
    assert torch.allclose(
        still.train()(features)["mask"], torch.cat([plain] * 3), atol=1e-6
    )  # one whole set after the other
    one = Head(6, {"mask": 3}, model=SAMPLED.model_copy(update={"dropout_samples": 1})).train()
    assert one(features)["mask"].shape == (4, 3)


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(LossSection(), id="cross-entropy and years"),
        pytest.param(LossSection(class_weights="balanced", balance="uncertainty", label_smoothing=0.1), id="weighed"),
        pytest.param(LossSection(terms={"focal": 1}, age_terms={"years": 1, "mean": 0.2, "variance": 0.1}), id="more"),
    ],
)
@torch.no_grad()
def test_the_loss_of_several_masks_is_the_mean_of_their_losses(recipe: LossSection) -> None:
    classes = torch.tensor([[0, 1, 2], [2, -1, 0], [1, 0, 1], [0, 0, -1]])
    ages = torch.tensor([62.0, 20.0, 40.0, torch.nan])
    soft = torch.full((4, 3), 1 / 3)
    soft[2] = torch.nan
    labels = Labels(classes, ages, torch.tensor([1.0, 2.0, 0.5, 1.0]), {"mask": soft})
    sets = [{name: noise(12, n)[4 * i : 4 * i + 4] for name, n in SIZES.items()} for i in range(3)]
    loss = make_loss(DEFAULT_SCHEMA, recipe, classes=classes.numpy())
    whole = loss({name: torch.cat([one[name] for one in sets]) for name in SIZES}, labels)
    each = [loss(one, labels) for one in sets]
    assert float(whole) == pytest.approx(float(sum(each)) / 3, rel=1e-5)
    assert float(each[0]) != pytest.approx(float(each[1]), rel=1e-3)


def test_a_head_is_linear_or_has_hidden_layers_of_one_width() -> None:
    def layers(hidden: int, n: int = 1) -> list[tuple[int, int]]:
        head = Head(6, {"mask": 3}, model=PLAIN.model_copy(update={"hidden": hidden, "hidden_layers": n}))
        assert sum(isinstance(m, nn.GELU) for m in head.modules()) == n * bool(hidden)
        return [(m.in_features, m.out_features) for m in head.modules() if isinstance(m, nn.Linear)]

    assert layers(0) == [(6, 3)]
    assert layers(4) == [(6, 4), (4, 3)]
    assert layers(4, 3) == [(6, 4), (4, 4), (4, 4), (4, 3)]


def test_levels_are_refused_where_a_backbone_has_none() -> None:
    with pytest.raises(ConfigError) as caught:
        build_net(DEFAULT_SCHEMA, PLAIN.model_copy(update={"features": "levels"}))
    assert str(caught.value) == (
        "TRI101 model.features: 'baseline_cnn' has no levels. Use a face backbone, or model.features: last."
    )


@pytest.mark.parametrize(("features", "width"), [("last", 256), ("levels", 64 + 256 + 128 + 512 + 256 + 256)])
def test_a_face_backbone_gives_its_last_features_or_several_levels(features: str, width: int) -> None:
    model = ModelSection(backbone="face_resnet10", pretrained=False, features=features)
    net = build_net(DEFAULT_SCHEMA, model).eval()
    images = 255 * torch.rand(1, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    assert net.features(images).shape == (1, width)
    assert torch.equal(net(images)["mask"], net.head(net.features(images))["mask"])
