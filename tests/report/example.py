"""Predictions as a fair network makes them, on people that do not exist: what the pages are tried on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from trifacet.core.evaluation import Evaluation
from trifacet.core.predictions import DecisionRule, Predictions
from trifacet.core.recipe import Recipe
from trifacet.core.run import RunInfo
from trifacet.core.schema import DEFAULT_SCHEMA, LabelSchema
from trifacet.core.truth import Truth
from trifacet.report.compare import Compared
from trifacet.report.material import Attention, Look, photos_to_show
from trifacet.scoring import evaluate

MASKS = (0, 0, 0, 0, 0, 1, 2)  # the seven photos of a person in the original data


def _soft(classes: np.ndarray, n_classes: int, *, rng: np.random.Generator, edge: float) -> np.ndarray:
    logits = rng.normal(0, 1, (len(classes), n_classes))
    logits[np.arange(len(classes)), classes] += edge
    exps = np.exp(1.4 * logits)
    return exps / exps.sum(axis=1, keepdims=True)


def example(n_people: int = 60, *, schema: LabelSchema = DEFAULT_SCHEMA, seed: int = 0) -> tuple[Predictions, Truth]:
    """Seven photos each of `n_people` people, two photos unread; and what is true of them."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(n_people), len(MASKS))
    n = len(people)
    ages = np.repeat(np.clip(rng.choice([24, 52], n_people) + rng.normal(0, 7, n_people), 18, 79), len(MASKS))
    columns = {a.name: np.repeat(rng.integers(len(a.classes), size=n_people), len(MASKS)) for a in schema.attributes}
    columns["mask"] = np.tile(MASKS, n_people) % len(schema.attribute("mask").classes)
    guess = ages + np.repeat(rng.normal(0, 4, n_people), len(MASKS)) + rng.normal(0, 3, n)
    years = np.exp(-0.5 * ((schema.year_grid[None, :] + 0.5 - guess[:, None]) / 5) ** 2)
    years /= years.sum(axis=1, keepdims=True)
    marginals = {"mask": _soft(columns["mask"], len(schema.attribute("mask").classes), rng=rng, edge=5.0)}
    if "gender" in schema.names:
        marginals["gender"] = _soft(columns["gender"], 2, rng=rng, edge=3.2)
    if schema.age is not None:
        columns["age"] = schema.age.band(ages)
        marginals["age"] = schema.band_probs(years)
    unread = np.isin(np.arange(n), (3, n // 2))
    probs = schema.joint(marginals).astype(np.float32)
    probs[unread] = np.nan
    years[unread] = np.nan
    names = [
        f"{p:06d}_{int(a)}/{'mask' if m == 0 else 'other'}{i}.jpg"
        for i, (p, a, m) in enumerate(zip(people, ages, columns["mask"], strict=True))
    ]
    rule = DecisionRule(label_schema=schema, temperature={"mask": 1.21}, fitted_on="val", n_photos=518, n_persons=74)
    predictions = Predictions(
        ids=names,
        probs=probs,
        age_probs=years.astype(np.float32) if schema.age is not None else None,
        errors=["truncated" if u else None for u in unread],
        schema=schema,
        made_by={"weights": "3f" * 32, "manifest": "a7" * 32},
        decision=rule,
    )
    truth = Truth(
        schema=schema,
        ids=names,
        classes=np.stack([columns[name] for name in schema.names], axis=1),
        ages=ages,
        persons=[f"p{p}" for p in people],
        splits=["test"] * n,
    )
    return predictions, truth


def scored(n_people: int = 60, *, schema: LabelSchema = DEFAULT_SCHEMA, seed: int = 0) -> Evaluation:
    """The evaluation of `example`."""
    return evaluate(*example(n_people, schema=schema, seed=seed), n_boot=200)


def history(n_epochs: int = 12) -> list[dict[str, float | int | str]]:
    """Records as metrics.jsonl holds them, of a training that goes well."""
    return [
        {
            "phase": "all",
            "epoch": e,
            "step": 120 * e,
            "train_loss": 2.4 * 0.82**e + 0.25,
            "val_loss": 2.2 * 0.8**e + 0.55 + 0.01 * max(0, e - 8),
            "val_macro_f1": 0.72 - 0.55 * 0.72**e - 0.004 * max(0, e - 9),
            "val_accuracy": 0.83 - 0.5 * 0.74**e,
            "val_age_mae_years": 5.1 + 6 * 0.7**e,
            "lr": 1e-3 * (1 - abs(e - 4) / 10),
            "seconds": 41.5,
            "seconds_forward": 12.5,
            "seconds_backward": 25.0,
            "images_per_second": 272.0 + e,
        }
        for e in range(1, n_epochs + 1)
    ]


RUN_INFO = {
    "name": "quick-3",
    "recipe": "quick",
    "seed": 42,
    "status": "finished",
    "created": "2026-02-11T09:14:07+00:00",
    "Photos": {"train": 8_113, "val": 1_876, "test": 2_506},
    "People": {"train": 1_159, "val": 268, "test": 358},
    "Versions": {"trifacet": "0.1.0", "torch": "2.13.1", "timm": "1.0.22", "python": "3.11.14"},
    "Hashes": {"manifest": "a7" * 32, "weights/best.safetensors": "3f" * 32},
}


def attention(evaluation: Evaluation, *, n_photos: int = 90, picture: str = "data:image/webp;,") -> Attention:
    """Maps as a network gives them that looks at one eye for gender and age, at the mouth for the mask."""
    rng, grid, n_places = np.random.default_rng(0), 6, 9
    places = np.stack([rng.permutation(grid**2)[:n_places] for _ in range(n_photos)])
    seen = np.where(np.isin(places, (14, 15)), 0.3, 0.01)[:, :, None] * np.ones(len(evaluation.schema.names))
    seen[:, :, 0] = np.where(np.isin(places, (26, 27)), 0.4, 0.0)
    persons = evaluation.photos["person_id"][:n_photos].to_list()
    ids = photos_to_show(evaluation)["photo_id"][:-3]  # the time was up before the last ones
    looks = {photo: Look(picture, evaluation.schema.names[i % 2], 0.21) for i, photo in enumerate(ids)}
    return Attention(seen, places, grid, persons, looks=looks, backdrop=picture)


def source_columns(evaluation: Evaluation) -> Evaluation:
    """The evaluation of photos of which a source tells more: few words, many numbers, a name a photo."""
    n = evaluation.photos.height
    more = {
        "race": [("East Asian", "Black", "Latino or Hispanic", None)[i // 7 % 4] for i in range(n)],
        "height_px": [str(180 + 3 * i) for i in range(n)],
        "name": [f"photo {i}" for i in range(n)],
    }
    return replace(evaluation, photos=evaluation.photos.with_columns(pl.Series(f"x_{k}", v) for k, v in more.items()))


def compared(n_runs: int = 3) -> list[Compared]:
    """Runs whose names, machines and recipes differ."""
    made, (predictions, truth) = [], example(40)
    for i in range(n_runs):
        model = {"backbone": f"timm/resnet{18 * (i + 1)}"}
        machine = (
            {"device": "cpu", "n_threads": 2} if i else {"device": "NVIDIA H100 80GB HBM3", "precision": "bfloat16"}
        )
        info = RunInfo(
            name=f"run-{i}-with-a-name-as-long-as-people-make-them" if i else "first",
            created="2026-02-11T09:14:07+00:00",
            seed=i,
            recipe=Recipe.model_validate({"optim": {"lr": 1e-4 * (1 + i)}, "model": model}),
            label_schema=DEFAULT_SCHEMA,
            priors={},
            n_photos={"train": 8_113},
            n_persons={"train": 1_159},
            inputs={"manifest": "a7" * 32},
            machine=machine,
            seconds=241.0 * (i + 1),
        )
        worse = replace(
            predictions, probs=(1 - 0.2 * i) * predictions.probs + 0.2 * i * np.roll(predictions.probs, 1, axis=1)
        )
        made.append(Compared(info.name, info, evaluate(worse, truth, n_boot=200), 22_400_000 + i, 5 * i))
    return made
