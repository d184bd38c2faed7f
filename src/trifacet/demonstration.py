"""The whole pipeline on drawn faces: what `trifacet demo` does, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.choosing import open_recipe
from trifacet.core.evaluation import Evaluation
from trifacet.core.run import Run
from trifacet.data.drawn import DrawnDataset, draw_dataset
from trifacet.opening import Progress, quiet, require_train, telling
from trifacet.stages import evaluate, ingest, predict, split, submit, train
from trifacet.submission import Submission

if TYPE_CHECKING:
    from trifacet.learn.train import OnTick


@dataclass(frozen=True)
class Demo:
    """What the demo leaves behind, every path below `root`, and how well it did on people never seen."""

    root: Path
    drawn: DrawnDataset
    run: Run
    evaluation: Evaluation
    submission: Submission
    report_path: Path
    submission_path: Path
    page_path: Path


def demo(
    out: Path | str,
    *,
    recipe: str = "instant",
    n_people: int = 300,
    seed: int = 0,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Demo:
    """Drawn faces, and all that is done with a folder of photos: ingest, split, train, predict, evaluate, submit.

    It starts processes: a script calls it under `if __name__ == "__main__":`.
    """
    require_train()
    resolved = open_recipe(recipe, [f"train.seed={seed}"])  # before anybody is drawn
    root, told = Path(out), telling(progress, "drawing faces")
    drawn = draw_dataset(root / "photos", n_train_people=n_people, n_eval_people=n_people, seed=seed, progress=told)
    ingest([drawn.train_dir], root / "photos.parquet", progress=progress)
    data = split(root / "photos.parquet", root / "manifest.parquet", seed=seed)
    run = train(resolved, data=data, out=root / "run", progress=progress, on_tick=on_tick)
    answers, page = root / "answers.parquet", root / "answers.html"
    predict(run.path, drawn.eval_dir, out=answers, page=page, progress=progress)
    evaluation = evaluate(answers, drawn.truth_path, report=root / "report.html")
    submitted = submit(answers, drawn.eval_dir / "info.csv", out=root / "output.csv")
    return Demo(root, drawn, run, evaluation, submitted, root / "report.html", root / "output.csv", page)
