"""trifacet: from a folder of face photos to an audited dataset, an honest classifier and a submission.

What a command does is one function here. Names are imported when they are used, so that `import trifacet` is quick.

    import trifacet

    data = trifacet.split(trifacet.ingest(["photos"]).manifest, val=0.2)
    run = trifacet.train("quick", data=data, out="runs/first")
    answers = trifacet.load_model("runs/first").predict(images)  # paths, or upright RGB arrays (H, W, 3) uint8
    answers.answers()  # a polars table: class names, age, confidence
    trifacet.audit("photos", out="audit").findings.table  # what may be wrong with the photos
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trifacet.choosing import open_recipe, open_recipes
    from trifacet.committee import Committee
    from trifacet.core.decisions import Decision, read_decisions, write_decisions
    from trifacet.core.ensemble import Ensemble
    from trifacet.core.errors import TrifacetError
    from trifacet.core.evaluation import Evaluation
    from trifacet.core.findings import Findings, read_findings
    from trifacet.core.manifest import Manifest, read_manifest, write_manifest
    from trifacet.core.predictions import DecisionRule, Predictions, read_decision, read_predictions, write_predictions
    from trifacet.core.recipe import Recipe
    from trifacet.core.run import Run, open_run
    from trifacet.core.schema import (
        DEFAULT_SCHEMA,
        Attribute,
        LabelSchema,
        decode_multi_class,
        encode_multi_class,
        read_schema,
        with_age_edges,
    )
    from trifacet.data.drawn import draw_dataset
    from trifacet.data.sources import Reading
    from trifacet.demonstration import Demo, demo
    from trifacet.doctor import examine
    from trifacet.importing import import_weights
    from trifacet.labelling import pseudo
    from trifacet.learn.device import seed_everything
    from trifacet.learn.predictor import Model, load_model
    from trifacet.opening import open_data
    from trifacet.pages.contact import image_grid
    from trifacet.pixels.decode import decode
    from trifacet.pixels.statistics import calc_statistics
    from trifacet.resuming import resume
    from trifacet.searching import resume_search, search
    from trifacet.stages import (
        apply,
        audit,
        background,
        combine,
        compare,
        decide,
        ensemble,
        evaluate,
        explore,
        faces,
        ingest,
        predict,
        split,
        submit,
        train,
        train_folds,
    )
    from trifacet.trials.folder import SearchPlan
    from trifacet.varying import train_variants

    __version__: str

_HOMES = {
    "apply": "stages",
    "Attribute": "core.schema",
    "audit": "stages",
    "average": "stages",
    "background": "stages",
    "calc_statistics": "pixels.statistics",
    "combine": "stages",
    "Committee": "committee",
    "compare": "stages",
    "decide": "stages",
    "Decision": "core.decisions",
    "DecisionRule": "core.predictions",
    "decode": "pixels.decode",
    "decode_multi_class": "core.schema",
    "DEFAULT_SCHEMA": "core.schema",
    "Demo": "demonstration",
    "demo": "demonstration",
    "draw_dataset": "data.drawn",
    "encode_multi_class": "core.schema",
    "ensemble": "stages",
    "Ensemble": "core.ensemble",
    "evaluate": "stages",
    "Evaluation": "core.evaluation",
    "examine": "doctor",
    "explore": "stages",
    "faces": "stages",
    "Findings": "core.findings",
    "image_grid": "pages.contact",
    "import_weights": "importing",
    "ingest": "stages",
    "LabelSchema": "core.schema",
    "load_model": "learn.predictor",
    "Manifest": "core.manifest",
    "Model": "learn.predictor",
    "open_data": "opening",
    "open_recipe": "choosing",
    "open_recipes": "choosing",
    "open_run": "core.run",
    "predict": "stages",
    "Predictions": "core.predictions",
    "pseudo": "labelling",
    "read_decision": "core.predictions",
    "read_decisions": "core.decisions",
    "read_findings": "core.findings",
    "read_manifest": "core.manifest",
    "read_predictions": "core.predictions",
    "read_schema": "core.schema",
    "Reading": "data.sources",
    "Recipe": "core.recipe",
    "resume": "resuming",
    "resume_search": "searching",
    "Run": "core.run",
    "search": "searching",
    "SearchPlan": "trials.folder",
    "seed_everything": "learn.device",
    "split": "stages",
    "submit": "stages",
    "train": "stages",
    "train_folds": "stages",
    "train_variants": "varying",
    "TrifacetError": "core.errors",
    "with_age_edges": "core.schema",
    "write_decisions": "core.decisions",
    "write_manifest": "core.manifest",
    "write_predictions": "core.predictions",
}

__all__ = [
    "DEFAULT_SCHEMA",
    "Attribute",
    "Committee",
    "Decision",
    "DecisionRule",
    "Demo",
    "Ensemble",
    "Evaluation",
    "Findings",
    "LabelSchema",
    "Manifest",
    "Model",
    "Predictions",
    "Reading",
    "Recipe",
    "Run",
    "SearchPlan",
    "TrifacetError",
    "__version__",
    "apply",
    "audit",
    "average",
    "background",
    "calc_statistics",
    "combine",
    "compare",
    "decide",
    "decode",
    "decode_multi_class",
    "demo",
    "draw_dataset",
    "encode_multi_class",
    "ensemble",
    "evaluate",
    "examine",
    "explore",
    "faces",
    "image_grid",
    "import_weights",
    "ingest",
    "load_model",
    "open_data",
    "open_recipe",
    "open_recipes",
    "open_run",
    "predict",
    "pseudo",
    "read_decision",
    "read_decisions",
    "read_findings",
    "read_manifest",
    "read_predictions",
    "read_schema",
    "resume",
    "resume_search",
    "search",
    "seed_everything",
    "split",
    "submit",
    "train",
    "train_folds",
    "train_variants",
    "with_age_edges",
    "write_decisions",
    "write_manifest",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("trifacet")
    if name not in _HOMES:
        raise AttributeError(f"module 'trifacet' has no attribute {name!r}")
    try:
        return getattr(import_module(f"trifacet.{_HOMES[name]}"), name)
    except ModuleNotFoundError as problem:
        if problem.name not in ("torch", "torchvision", "timm"):
            raise
        error = import_module("trifacet.core.errors").error
        raise error("TRI600", "this needs the extra [train]", got=f"no {problem.name}") from None


def __dir__() -> list[str]:
    return __all__
