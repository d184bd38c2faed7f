"""A trained network that reads photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from trifacet.committee import Committee, committee, seated
from trifacet.core.ensemble import is_ensemble, open_ensemble
from trifacet.core.errors import error
from trifacet.core.files import sha256_file
from trifacet.core.manifest import Crop
from trifacet.core.predictions import (
    DecisionRule,
    Float32Array,
    ImageArray,
    Predictions,
    argmax_rule,
    read_decision,
)
from trifacet.core.predictor import near_ties
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, open_finished_run
from trifacet.core.schema import LabelSchema
from trifacet.learn.backbones import load_weights
from trifacet.learn.device import choose_device, has_fast_bf16
from trifacet.learn.features import to_tensor
from trifacet.learn.models import Net, answer_probs, build_net
from trifacet.learn.trunks import fold_norm
from trifacet.learn.views import VIEWS, Views, views_of
from trifacet.pixels.faces import FaceFinder
from trifacet.pixels.preprocess import Geometry, fit
from trifacet.prediction import predict_images

BFLOAT16 = {"precision": "bfloat16"}  # what answers say that were not computed in float32


def geometry_of(recipe: Recipe) -> Geometry:
    """The size and crop that a recipe asks for; of `data.random_crop` the network itself takes the middle."""
    data = recipe.data
    return Geometry(
        *data.stored_size,
        crop=data.crop,
        face_scale=data.face_scale,
        crop_size=data.crop_size,
        strict_px=data.strict_px,
    )


@dataclass(frozen=True, eq=False)
class Model:
    """A network with the weights of a run, its labels and its decision rule. A `Predictor`.

    `manifest_paths` is where the photos stand that it was trained on. `has_pictures`: whether a page of its answers may
    show photos. `views`: what its answer about a photo is the mean over, by `tta`. `exact`: the same model in float32
    where this one rounds, for photos whose answer that could change.
    """

    net: nn.Module
    schema: LabelSchema
    decision: DecisionRule
    geometry: Geometry
    device: torch.device
    tta: str
    made_by: dict[str, str]
    backbone: str
    stamps: tuple[str, ...] = ()
    manifest_paths: tuple[Path, ...] = ()
    has_pictures: bool = True
    finder: FaceFinder | None = None
    views: Views = VIEWS["none"]
    same_people: int = 0
    exact: Model | None = None

    def __repr__(self) -> str:
        classes = " x ".join(f"{a.name} {len(a.classes)}" for a in self.schema.attributes)
        return f"Model(run {self.made_by['run']!r}, {self.backbone}, {classes}, on {self.device})"

    @property
    def is_cutting_faces(self) -> bool:
        """Whether it is shown the square around the face."""
        return self.finder is not None

    def locate(self, image: ImageArray) -> Crop | None:
        """The square around the largest face of an upright RGB image; None without one, or when it is not asked for."""
        faces = self.finder.find(image) if self.finder else []
        return faces[0].crop() if faces else None

    def prepare(self, image: ImageArray, crop: Crop | None = None) -> ImageArray:
        """The input (h, w, 3) uint8 of an upright RGB image (H, W, 3) uint8; several threads may call it.

        crop: the square around the face where `locate` was asked already; without a face it is the middle square.
        """
        return fit(image, self.geometry, crop=crop)

    @torch.inference_mode()
    def probs(self, inputs: Sequence[ImageArray] | ImageArray) -> tuple[Float32Array, Float32Array | None]:
        """Joint probabilities (B, K) and the year distribution (B, A) of prepared inputs (B, h, w, 3) uint8.

        Both are means over the views of each photo that `tta` names.
        """
        photos = to_tensor(np.asarray(inputs), self.device)
        answers = [answer_probs(self.net(view), self.schema) for view in self.views(photos)]
        joint = torch.stack([joint for joint, _ in answers]).mean(dim=0).cpu().numpy()
        seen = [y for _, y in answers if y is not None]
        years = torch.stack(seen).mean(dim=0).cpu().numpy() if seen else None
        if self.exact is not None and (near := near_ties(joint, self.decision)).size:
            joint[near], sure = self.exact.probs(np.asarray(inputs)[near])
            if years is not None:
                years[near] = sure
        return joint, years

    @torch.inference_mode()
    def features(self, inputs: Sequence[ImageArray] | ImageArray) -> Float32Array:
        """What the head reads of prepared inputs (B, h, w, 3) uint8, (B, n_features): of a face backbone a template."""
        photos = to_tensor(np.asarray(inputs), self.device)
        net = self.exact.net if self.exact else self.net
        seen: Float32Array = net.features(photos.float()).cpu().numpy()  # type: ignore[operator]
        return seen

    @contextmanager
    def threads(self, n: int) -> Iterator[ThreadPoolExecutor]:
        """`n` threads that may all call `probs` at once, each with one core of its own.

        A pass on one core answers the same bits as a pass on several, and nobody waits for anybody: two passes side by
        side take three fifths of the CPU time of two passes on two cores each (docs/log.md, 2026-11-22).
        """
        before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(n, initializer=partial(torch.set_num_threads, 1)) as pool:
                yield pool
        finally:
            torch.set_num_threads(before)  # for threads to come; those that are there keep their own

    def predict(self, images: Sequence[str | Path | ImageArray]) -> Predictions:
        """Predictions for photos on disk and upright RGB images (H, W, 3) uint8, of any sizes.

        The id of a photo on disk is its path as given, of an image its place: "0", "1", ... A photo that cannot be
        read has its status in `errors`.

        Raises:
            TypeError: something else than paths and such images. ValueError: a path stands twice.
        """
        return predict_images(self, images, stamps=self.stamps)


def load_run_net(run: Run, which: Literal["best", "last"] = "best") -> Net:
    """The network of a run, with its weights, in evaluation mode on the CPU. Raises RunError TRI403."""
    model = run.info.recipe.model.model_copy(update={"pretrained": False, "weights": None})
    net = build_net(run.info.label_schema, model, data=run.info.recipe.data)
    load_weights(net, run.weights_path(which))
    return net.eval()


def load_init(run: Run) -> Callable[[Net], None]:
    """What puts a run's best weights into another net, for a warm start: every tensor of the same name and shape.

    A head for other classes keeps its fresh weights; a backbone must fit whole, but for norms it is yet to be given.

    Raises:
        RunError: TRI403, no weights, or (when applied) weights of another backbone.
    """
    weights = load_run_net(run).state_dict()

    def put(net: Net) -> None:
        own = net.state_dict()
        fits = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
        lacking = [k for k in own if k.startswith("backbone.") and k not in fits and ".norm." not in k]
        lacking += [k for k in weights if k.startswith("backbone.") and k not in own]
        if lacking:
            is_norm = all(".norm." in name for name in lacking)
            got = f"{len(lacking)} tensors on one side only, first '{lacking[0]}'" + "; model.norm differs" * is_norm
            raise error("TRI403", "this run has another backbone", where=str(run.path), got=got)
        net.load_state_dict({**own, **fits})

    return put


def open_model(
    run: Run, *, device: str = "auto", tta: str | None = None, pictures: bool | None = None, is_fast: bool = False
) -> Model:
    """The best weights of a run as a predictor, whatever the run's status; argmax where no rule is fitted yet.

    tta, pictures: None takes the recipe's. is_fast: bfloat16 where the hardware computes it; else, and everywhere
    else, answers are computed in float32. Raises RunError TRI403; ConfigError TRI104, a `tta` that cannot be.
    """
    recipe, chosen = run.info.recipe, choose_device(device)
    geometry, asked = geometry_of(recipe), tta or recipe.decide.tta
    views = views_of(asked, recipe=recipe, geometry=geometry, seed=run.info.seed)
    weights = run.weights_path("best")
    net = load_run_net(run)
    fold_norm(net)
    net = net.to(chosen, memory_format=torch.channels_last)  # type: ignore[call-overload]
    has_rule = run.decision_path.exists()
    told = {} if asked == recipe.decide.tta else {"tta": asked}
    model = Model(
        net=net,
        schema=run.info.label_schema,
        decision=read_decision(run.decision_path) if has_rule else argmax_rule(run.info.label_schema),
        geometry=geometry,
        device=chosen,
        tta=asked,
        views=views,
        made_by={"run": run.info.name, "weights": sha256_file(weights), **told},
        backbone=recipe.model.backbone,
        stamps=run.info.stamps,
        manifest_paths=(run.manifest_path,),
        has_pictures=recipe.report.pictures if pictures is None else pictures,
        finder=FaceFinder() if recipe.data.crop == "face" else None,
    )
    return _rounded(model, net) if is_fast and has_fast_bf16(chosen) else model


def _rounded(model: Model, net: Net) -> Model:
    """The model in bfloat16, with itself for photos near a tie: the same weights, each net in one precision."""
    fast = copy(net)
    fast.amp = "auto"
    return replace(model, net=fast, exact=model, made_by={**model.made_by, **BFLOAT16})


def _settled(made: Committee) -> Committee:
    """A committee that asks all its members in float32 about photos on which together they are near a tie.

    Members of a hard vote ask themselves too: one that is near a tie may change its vote.
    """
    exact = [member.exact or member for member in made.members if isinstance(member, Model | Committee)]
    if exact == list(made.members):
        return made
    members = made.members
    if made.voting == "soft":
        members = tuple(replace(member, exact=None) for member in members if isinstance(member, Model | Committee))
    return replace(made, members=members, exact=replace(made, members=tuple(exact)))


def load_model(
    path: str | Path | Sequence[str | Path],
    *,
    device: str = "auto",
    tta: str | None = None,
    pictures: bool | None = None,
    is_fast: bool = False,
    same_people: int = 0,
) -> Model | Committee:
    """The model in a finished run or an ensemble, ready to `predict(images)`; None takes the recipe's setting.

    Several paths answer together, as the mean of their probabilities under the labels of the first.
    pictures: whether a page of its answers shows photos. is_fast: bfloat16 where the hardware computes it, in half the
    time; probabilities move by a few hundredths at most, and a photo whose answer that could change is computed in
    float32 (docs/log.md, 2026-11-22). same_people: photos that look like
    one person, up to so many, share their answers of gender and age (`measure.people`); 0: each photo for itself.

    Raises:
        ConfigError: TRI104, is_fast with same_people. RunError: TRI400 no run, TRI401 not finished, TRI403 its weights
            are damaged, TRI420 no ensemble, TRI421 a member is not what it was. PredictionsError: TRI301, members of
            other labels.
    """
    if is_fast and same_people:
        what = "goes without --same-people: rounding could change what photos of a person say together"
        raise error("TRI104", what, where="--fast")
    load = partial(load_model, device=device, tta=tta, pictures=pictures, is_fast=is_fast, same_people=same_people)
    if not isinstance(path, str | Path):
        return _settled(committee([load(one) for one in path])) if len(path) > 1 else load(path[0])
    if is_ensemble(Path(path)):
        ensemble = open_ensemble(Path(path))
        return _settled(seated(ensemble, [load(ensemble.member_path(member)) for member in ensemble.heard]))
    model = open_model(open_finished_run(Path(path)), device=device, tta=tta, pictures=pictures, is_fast=is_fast)
    return replace(model, same_people=same_people)
