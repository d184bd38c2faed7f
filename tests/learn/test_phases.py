from __future__ import annotations

import copy

import numpy as np
import polars as pl
import pytest
import torch

from tests.learn import tiny
from trifacet.core.errors import ConfigError
from trifacet.core.recipe import ModelSection, Recipe
from trifacet.core.recipe_photos import DataSection, LabelMapSection
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.learn.features import to_tensor
from trifacet.learn.models import Net, build_net
from trifacet.learn.norms import adapt_norm, put_norm_back
from trifacet.learn.phases import (
    Data,
    Phase,
    all_phase,
    head_phase,
    make_data,
    training_schema,
)

CPU = torch.device("cpu")


def opened(sets: tuple[str, ...] = (), *, base=tiny.SMALL, side: int = 24) -> tuple[Net, Data]:
    manifest, images = tiny.photos(side=side)
    torch.manual_seed(0)
    return build_net(DEFAULT_SCHEMA, tiny.recipe(sets, base=base).model).eval(), make_data(manifest, images, device=CPU)


def head(sets: tuple[str, ...] = (), seen: list[int] | None = None):
    net, data = opened(sets)
    told = [] if seen is None else seen
    return (
        net,
        data,
        head_phase(net, data, schema=DEFAULT_SCHEMA, recipe=tiny.recipe(sets), seed=0, on_photos=told.append),
    )


def whole(net: Net, data: Data, *, recipe: Recipe, seed: int) -> Phase:
    return all_phase(net, data, schema=DEFAULT_SCHEMA, recipe=recipe, seed=seed, on_photos=lambda _: None)


def test_data_are_the_manifests_rows() -> None:
    manifest, images = tiny.photos()
    weighed = manifest.table.with_columns(
        label_weight=np.where(np.arange(40) == 3, 0.5, np.nan).astype(np.float32)
    ).with_columns(label_weight=pl.col("label_weight").fill_nan(None))
    manifest = type(manifest)(weighed, manifest.schema, manifest.roots)
    data = make_data(manifest, images, device=CPU)
    assert data.train_rows.tolist() == list(range(27))
    assert data.val_rows.tolist() == list(range(27, 40))
    assert torch.equal(data.labels.classes, torch.from_numpy(manifest.classes))
    assert data.labels.weights.tolist() == [1, 1, 1, 0.5] + [1] * 36
    batch = data.inputs(np.array([5, 2]))
    assert (batch.dtype, tuple(batch.shape)) == (torch.uint8, (2, 3, 24, 24))
    assert np.array_equal(batch[1].permute(1, 2, 0).numpy(), images[2])


def answers(phase: Phase, epoch: int, examples: np.ndarray) -> dict[str, torch.Tensor]:
    """What the phase's module says of these examples as the loop asks it."""
    inputs, _ = phase.load(epoch)(examples)
    return phase.module(phase.view(epoch)(inputs, examples))


def test_photos_on_a_read_only_map_are_copied_without_a_warning() -> None:
    images = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    images.flags.writeable = False
    tensor = to_tensor(images, CPU)
    tensor += 1
    assert not images.any()


@pytest.mark.parametrize(
    ("sets", "n_views"), [((), 3), (("augment.flip=0", "train.head_copies=2"), 3), (("train.head_copies=0",), 2)]
)
def test_the_head_sees_every_photo_in_every_view(sets: tuple[str, ...], n_views: int) -> None:
    seen: list[int] = []
    _, data, phase = head(sets, seen)
    assert phase.n_examples == 27 * n_views
    assert sum(seen) == 27 * n_views + 13
    examples = np.array([0, 26, 27, 53, 54, 80])
    expected = data.labels.classes[torch.tensor([0, 26, 0, 26, 0, 26])]
    assert torch.equal(phase.load(0)(examples % phase.n_examples)[1].classes[:4], expected[:4])
    assert answers(phase, 0, np.arange(5))["age"].shape == (5, 101)


def test_the_head_reads_standardised_features_of_plain_and_mirrored_photos() -> None:
    net, data, phase = head()
    photos = data.inputs(data.train_rows).float()
    with torch.no_grad():
        plain, mirrored = net.features(photos), net.features(photos.flip(3))
        assert torch.allclose(answers(phase, 0, np.arange(27))["mask"], net.head(plain)["mask"], atol=1e-4)
        assert torch.allclose(answers(phase, 0, np.arange(27, 54))["mask"], net.head(mirrored)["mask"], atol=1e-4)
        val = net.head(net.features(data.inputs(data.val_rows).float()))
    assert torch.allclose(phase.answer_val()["gender"], val["gender"], atol=1e-4)
    assert not torch.equal(net.head.mean, torch.zeros_like(net.head.mean))


def test_the_head_alone_competes_only_where_nothing_follows() -> None:
    assert not head()[2].selects
    frozen = ("train.epochs=0", "model.is_frozen=true")
    assert head(frozen)[2].selects
    assert [part[1] for part in head(("train.head_lr=0.01",))[2].parts] == [0.01]


def test_the_whole_net_sees_photos_anew_in_every_epoch_and_alike_in_every_run() -> None:
    net, data = opened()
    phase = whole(net, data, recipe=tiny.recipe(), seed=3)
    again = whole(net, data, recipe=tiny.recipe(), seed=3)
    with torch.no_grad():
        first, second = answers(phase, 0, np.arange(4))["mask"], answers(phase, 1, np.arange(4))["mask"]
        assert not torch.allclose(first, second, atol=1e-5)
        assert torch.allclose(answers(again, 1, np.array([2, 0]))["mask"], second[[2, 0]], atol=1e-5)
        assert torch.allclose(answers(phase, 0, np.arange(4))["mask"], first)
        other = answers(whole(net, data, recipe=tiny.recipe(), seed=4), 0, np.arange(4))["mask"]
        assert not torch.allclose(first, other, atol=1e-5)
    assert torch.equal(phase.load(2)(np.array([4, 1]))[1].classes, data.labels.classes[[4, 1]])


def test_val_is_answered_in_order_whatever_the_batch() -> None:
    net, data = opened()
    with torch.no_grad():
        small = whole(net, data, recipe=tiny.recipe(("train.batch_size=2",)), seed=0).answer_val()
        large = whole(net, data, recipe=tiny.recipe(("train.batch_size=64",)), seed=0).answer_val()
    assert small["age"].shape == (13, 101)
    assert torch.allclose(small["age"], large["age"], atol=1e-5)


def test_the_learning_rates_are_the_recipes() -> None:
    net, data = opened()
    for sets, expected in (
        (("optim.lr=0.5", "optim.head_lr=0.25"), [0.5, 0.25]),
        (("optim.head_lr=null",), [1e-3] * 2),
    ):
        phase = whole(net, data, recipe=tiny.recipe(sets), seed=0)
        assert [(part[0], part[1]) for part in phase.parts] == [(net.backbone, expected[0]), (net.head, expected[1])]


def test_norm_is_put_back_so_that_it_changes_nothing_yet() -> None:
    net, data = opened(base=tiny.FACES, side=33)
    recipe = tiny.recipe(base=tiny.FACES)
    photos = data.inputs(data.val_rows).float()
    with torch.no_grad():
        before = net.features(photos)
        put_norm_back(net, data, recipe=recipe, seed=0)
        after = net.eval().features(photos)
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    norms = [m for m in net.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 11
    assert all((norm.running_var != 1).any() for norm in norms)


def test_norm_is_left_alone_where_it_is_not_asked_for_or_not_there() -> None:
    for sets, base, side in ((("model.norm=false",), tiny.FACES, 33), ((), tiny.SMALL, 24)):
        net, data = opened(sets, base=base, side=side)
        before = copy.deepcopy(net.state_dict())
        put_norm_back(net, data, recipe=tiny.recipe(sets, base=base), seed=0)
        assert net.state_dict().keys() == before.keys()
        assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_norms_of_other_backbones_are_fitted_to_the_photos_before_the_head() -> None:
    torch.manual_seed(0)
    sets = ("model.backbone=timm/resnet10t", "model.pretrained=false")
    net, data = opened(sets, base=tiny.SMALL, side=48)
    weights = {name: tensor.clone() for name, tensor in net.named_parameters()}
    momenta = [m.momentum for m in net.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    photos = data.inputs(data.train_rows).float()

    def gap() -> float:
        """How far features of running statistics are from those of a batch's own, which training uses."""
        copied = copy.deepcopy(net)
        with torch.no_grad():
            running, own = copied.eval().features(photos), copied.train().features(photos)
        return float((running - own).norm() / own.norm())

    assert gap() > 0.5
    ranges = ("flip", "scale", "shift", "rotate_deg", "brightness", "contrast", "saturation", "channel_gain")
    still = [f"augment.{name}=0" for name in ranges]
    adapt_norm(net, data, recipe=tiny.recipe((*sets, *still, "train.batch_size=64")), seed=0)
    assert gap() < 0.05
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.named_parameters())
    assert [m.momentum for m in net.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)] == momenta


@pytest.mark.parametrize("key", ["train.epochs=0", "train.head_epochs=0"])
def test_norms_stay_where_the_head_is_not_trained_before_the_whole_net(key: str) -> None:
    sets = ("model.backbone=timm/resnet10t", "model.pretrained=false", "model.is_frozen=true")
    net, data = opened(sets[:2], base=tiny.SMALL, side=48)
    before = copy.deepcopy(net.state_dict())
    adapt_norm(net, data, recipe=tiny.recipe((*sets[: 2 + (key == "train.epochs=0")], key)), seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_an_epoch_draws_what_the_sampler_says() -> None:
    net, data = opened()
    recipe = tiny.recipe(("sampler.share=2", "sampler.factors={age: [0, 1, 1]}"))
    phase = whole(net, data, recipe=recipe, seed=0)
    order = phase.order(1, np.random.default_rng(0))
    assert len(order) == phase.n_examples == 2 * 27
    ages = data.labels_of(data.train_rows[order]).classes[:, 2]
    assert set(ages.tolist()) == {1, 2}


def mapped(label_map: LabelMapSection) -> Recipe:
    return Recipe(data=DataSection(label_map=label_map), model=ModelSection(age="bands"))


def test_training_alone_moves_its_age_edges_and_drops_ages() -> None:
    manifest, images = tiny.photos()
    ages = manifest.ages
    label_map = LabelMapSection(age_edges=(30, 44), drop_ages=("61-120",))  # there are people of 45
    data = make_data(manifest, images, device=CPU, recipe=mapped(label_map))
    is_train = (manifest.table["split"] == "train").to_numpy()
    assert data.train_rows.tolist() == np.flatnonzero(is_train & ~(ages >= 61)).tolist()
    assert len(data.train_rows) < is_train.sum()
    moved = np.digitize(ages, [30, 44])
    assert (moved[data.val_rows] != manifest.classes[data.val_rows, 2]).any()
    known = data.labels.classes.numpy()
    assert np.array_equal(known[data.train_rows, 2], moved[data.train_rows])
    assert np.array_equal(known[data.val_rows], manifest.classes[data.val_rows])
    schema = training_schema(DEFAULT_SCHEMA, label_map)
    assert schema.age is not None
    assert schema.age.edges == (30, 44)
    assert schema.age.classes == DEFAULT_SCHEMA.attributes[2].classes
    assert schema.fingerprint != DEFAULT_SCHEMA.fingerprint
    for edges in ((58,), (58, 30)):
        with pytest.raises(ConfigError) as told:
            training_schema(DEFAULT_SCHEMA, LabelMapSection(age_edges=edges))
        what = "TRI101 data.label_map.age_edges: 3 age classes need 2 edges that ascend, got"
        assert str(told.value).startswith(what)
    for edges in ((0, 58), (30, 101)):
        with pytest.raises(ConfigError) as told:
            training_schema(DEFAULT_SCHEMA, LabelMapSection(age_edges=edges))
        what = "TRI101 data.label_map.age_edges: must lie within the years 0 to 100, got"
        assert str(told.value).startswith(what)
    with pytest.raises(ConfigError, match=r"TRI101 data\.label_map\.drop_ages: no training photo is left"):
        make_data(manifest, images, device=CPU, recipe=mapped(LabelMapSection(drop_ages=("0+",))))


WILD = (
    "augment.policy=rand", "augment.noise=40", "augment.cutout=1", "augment.elastic=1", "augment.hue=0.5",
    "augment.cutmix=1", "augment.old_halves=0.5", "augment.degrade=1", "data.random_crop=[0.75, 0.75]",
)  # fmt: skip


def test_validation_never_sees_augmentation() -> None:
    recipe, (manifest, images) = tiny.recipe(WILD), tiny.photos(side=32)
    net = build_net(DEFAULT_SCHEMA, recipe.model, data=recipe.data)
    data, shown = make_data(manifest, images, device=CPU), []
    net.backbone.register_forward_pre_hook(lambda _, seen: shown.append(seen[0]))
    phase = whole(net, data, recipe=recipe, seed=0)
    with torch.no_grad():
        phase.answer_val()
        stored = torch.from_numpy(images[data.val_rows]).permute(0, 3, 1, 2).float()
        assert torch.equal(torch.cat(shown), stored[:, :, 4:28, 4:28])  # the middle, every pixel as it is on disk
        shown.clear()
        answers(phase, 0, np.arange(27))
        middles = torch.from_numpy(images[data.train_rows]).permute(0, 3, 1, 2).float()[:, :, 4:28, 4:28]
        assert ((shown[0] - middles).abs().amax(dim=(1, 2, 3)) > 10).all()  # and training sees nothing but
    head = head_phase(net, data, schema=DEFAULT_SCHEMA, recipe=recipe, seed=0, on_photos=lambda _: None)
    shown.clear()
    with torch.no_grad():
        val = net.head(net.features(stored))
    assert all(torch.allclose(answer, val[name], atol=1e-4) for name, answer in head.answer_val().items())


def test_the_photos_that_are_pasted_are_of_the_oldest_class() -> None:
    net, data = opened()
    phase = whole(net, data, recipe=tiny.recipe(("augment.old_halves=1",)), seed=0)
    assert phase.mixing is not None
    assert phase.mixing.oldest.tolist() == [i for i in range(27) if i % 3 == 2]
    assert whole(net, data, recipe=tiny.recipe(), seed=0).mixing is None
