"""The recipe: every setting of a training run. Its defaults are the recipe `quick`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from trifacet.core.tta import check_tta

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


Weighing = Literal["none", "balanced", "square_root"]


class Section(BaseModel):
    """A part of a recipe: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(Section):
    """How a photo becomes the network's input."""

    image_size: tuple[Annotated[int, Field(ge=16, le=2048)], Annotated[int, Field(ge=16, le=2048)]] = Field(
        (150, 150), description="[height, width] in pixels"
    )
    crop: Literal["face", "middle_square", "none"] = Field(
        "middle_square", description="what part of the photo is used; face: upright, needs the extra [faces]"
    )
    face_scale: Annotated[float, Field(ge=0.5, le=4)] = Field(
        1.25, description="side of the square of crop: face, in sides of the face's box"
    )


class ModelSection(Section):
    """The network."""

    backbone: str = Field("face_resnet29", description="`trifacet backbones` lists them; or module:function")
    head: Literal["per_attribute", "joint"] = Field(
        "per_attribute", description="one answer per attribute, or one for all 18 classes jointly"
    )
    pretrained: bool = Field(True, description="start from trained weights")
    weights: str | None = Field(None, description="a safetensors file to start the backbone from")
    features: Literal["last", "levels"] = Field("last", description="the last pooled features, or several levels")
    is_frozen: bool = Field(False, description="train the head alone, on features computed once")
    norm: bool = Field(True, description="put batch norm back into a face backbone whose norm was folded")
    hidden: Annotated[int, Field(ge=0, le=8192)] = Field(256, description="width of the head's layer; 0: linear")
    dropout: tuple[Share, Share] = Field((0.3, 0.5), description="before the head's layer, and before its answers")


class LossSection(Section):
    """What is minimised: a weighted sum of one cross-entropy per attribute."""

    weights: dict[str, NotNegative] = Field({}, description="weight per attribute; 1 where not named")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="mass spread over all classes")
    class_weights: Weighing | dict[str, Weighing] = Field(
        "none", description="by inverse frequency, of every attribute or of those named: {mask: balanced}"
    )
    teachers: tuple[str, ...] = Field((), description="finished runs whose mean answer is learned from too")
    teachers_share: Share = Field(0.5, description="of the loss: 0 the labels alone, 1 the teachers alone")
    age_sigma_years: NotNegative = Field(2.0, description="width of the age target around the labelled year")
    age_band_share: Share = Field(0.0, description="of the age loss: 0 the labelled year, 1 the class that it lies in")


class AugmentSection(Section):
    """Random changes of a training photo, each drawn evenly within plus and minus its range."""

    flip: Share = Field(0.5, description="probability of mirroring")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(0.12, description="zoom, as a share of the size")
    shift: Share = Field(0.06, description="move, as a share of height and width")
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(8.0, description="rotation, in degrees")
    brightness: Share = Field(0.25, description="gain of all channels")
    contrast: Share = Field(0.25, description="gain around the photo's mean")
    saturation: Share = Field(0.30, description="gain around the pixel's grey")
    channel_gain: Share = Field(0.08, description="gain of each channel by itself")
    noise: Annotated[float, Field(ge=0, le=128)] = Field(0.0, description="largest standard deviation, of 255")
    turn: Annotated[float, Field(ge=0, lt=0.5)] = Field(0.0, description="warp as of a head turned aside, .45 far")
    erase: Share = Field(0.0, description="probability of a rectangle of one colour over 2 to 20 % of the photo")
    mixup: NotNegative = Field(0.0, description="blend pairs of photos and their losses by Beta(mixup, mixup)")
    degrade: Share = Field(0.0, description="probability of lost resolution (up to 3 times) and JPEG marks")
    masks: Share = Field(0.0, description="probability that a bare face gets a drawn mask; needs the extra [faces]")
    mask_kinds: tuple[str, ...] = Field(
        (), description="of surgical, surgical_black, kf94, n95, cloth, patterned, sponge; empty: all"
    )
    occluders: Share = Field(0.0, description="probability that a bare face gets a hand, cup, phone, scarf or hair")


class OptimSection(Section):
    """The optimiser."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="the optimiser")
    lr: Positive = Field(1e-4, description="peak learning rate of the backbone")
    head_lr: Positive | None = Field(3e-4, description="peak learning rate of the head; null: as the backbone")
    weight_decay: NotNegative = Field(0.02, description="decay of weights, not of biases and norms")
    momentum: Share = Field(0.9, description="of sgd")
    clip_norm: Positive | None = Field(5.0, description="largest norm of the gradient; null: no limit")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="decay of a running mean of the weights; 0: none")


class ScheduleSection(Section):
    """How the learning rate moves, step by step."""

    name: Literal["one_cycle", "cosine", "step", "constant"] = Field("one_cycle", description="its shape")
    warmup: Share = Field(0.25, description="share of all steps that rise from near 0 to the peak")
    step_epochs: Annotated[int, Field(ge=1)] = Field(20, description="of `step`: epochs between drops")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="of `step`: factor of a drop")


class TrainSection(Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(4, description="passes over the data with all weights")
    head_epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(25, description="passes of the head alone, before")
    head_lr: Positive = Field(2e-3, description="peak learning rate of the head alone")
    head_batch_size: Annotated[int, Field(ge=1)] = Field(512, description="photos a step of the head alone")
    head_copies: Annotated[int, Field(ge=0, le=64)] = Field(1, description="augmented copies the head alone sees")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="photos a step")
    seed: Annotated[int, Field(ge=0, lt=2**32)] | Literal["random"] = Field(0, description="or `random`: recorded")
    amp: Literal["auto", "off"] = Field("auto", description="bfloat16 where the GPU or CPU computes it, or off")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="on the CPU; auto: tried"
    )
    memory_format: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="auto: tried, recorded")
    compile: bool = Field(False, description="have torch compile the backbone, which takes a minute")
    resident: Literal["auto", "off"] = Field("auto", description="keep all photos in the GPU's memory where they fit")
    checkpoint_seconds: NotNegative = Field(60.0, description="between checkpoints, inside an epoch too; 0: every step")


class DecideSection(Section):
    """How probabilities become answers."""

    fit: Literal["auto", "argmax", "rates"] = Field(
        "auto", description="fit temperature and tau on val; or plain argmax; or meet val's class rates"
    )
    tta: Annotated[str, AfterValidator(check_tta)] = Field(
        "flip", description="average over views of the photo: none, flip, crops, random:K, flips4 or d4"
    )


class TrackSection(Section):
    """Who is told of the figures, besides metrics.jsonl."""

    tensorboard: bool = Field(True, description="write TensorBoard events into the run")


class ReportSection(Section):
    """What a run shows of its photos."""

    pictures: bool = Field(True, description="photos in the report, pages, pictures/ and TensorBoard; false: none")


class Recipe(Section):
    """Every setting of a training run. `schema` (null: the data's own) may move the age edges: `{age_edges: [..]}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True)

    label_schema: dict[str, Any] | None = Field(None, alias="schema", description="null: the manifest's own")
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    loss: LossSection = LossSection()
    augment: AugmentSection = AugmentSection()
    optim: OptimSection = OptimSection()
    schedule: ScheduleSection = ScheduleSection()
    train: TrainSection = TrainSection()
    decide: DecideSection = DecideSection()
    track: TrackSection = TrackSection()
    report: ReportSection = ReportSection()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.train.epochs + self.train.head_epochs == 0:
            raise ValueError("train.epochs and train.head_epochs are both 0: nothing would be trained")
        if self.model.is_frozen and self.train.epochs:
            raise ValueError("model.is_frozen trains the head alone: set train.epochs to 0")
        if not self.model.is_frozen and not self.train.epochs:
            raise ValueError("train.epochs is 0: set model.is_frozen to train the head alone")
        if self.decide.tta == "d4" and len(set(self.data.image_size)) > 1:
            raise ValueError("decide.tta: d4 lays photos on their side: data.image_size must be a square")
        drawn = [name for name in ("masks", "occluders", "degrade", "mixup") if getattr(self.augment, name)]
        if drawn and not self.train.epochs:
            raise ValueError(f"augment.{drawn[0]} changes what the whole net sees: the head alone never sees it")
        return self
