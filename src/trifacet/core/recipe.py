"""The recipe: every setting of a training run. Its defaults are the recipe `quick`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from trifacet.core.recipe_photos import (
    AugmentSection,
    DataSection,
    NotNegative,
    Positive,
    SamplerSection,
    Section,
    Share,
)
from trifacet.core.tta import check_tta

YEAR_TERMS = ("mean", "variance", "years")  # of loss.age_terms: those on years, not on the classes of age
Weighing = Literal["none", "balanced", "square_root", "effective"]


class ModelSection(Section):
    """The network."""

    backbone: str = Field(
        "face_resnet29", description="one of `trifacet backbones`, module:function, or A+B: side by side"
    )
    head: Literal["per_attribute", "joint"] = Field(
        "per_attribute", description="one answer per attribute, or one for all 18 classes jointly"
    )
    pretrained: bool = Field(True, description="start from trained weights")
    weights: str | None = Field(None, description="a safetensors file to start the backbone from")
    features: Literal["last", "levels"] = Field("last", description="the last pooled features, or several levels")
    is_frozen: bool = Field(False, description="train the head alone, on features computed once")
    norm: bool = Field(True, description="put batch norm back into a face backbone whose norm was folded")
    age: Literal["years", "corn", "bands"] = Field(
        "years", description="a distribution over years, the same as steps from year to year, or age classes alone"
    )
    classifier: Literal["linear", "cosine"] = Field("linear", description="cosine: of the angle to each class, no bias")
    cosine_scale: Positive = Field(16.0, description="what a cosine classifier's cosines are multiplied by")
    hidden: Annotated[int, Field(ge=0, le=8192)] = Field(256, description="width of the head's layer; 0: linear")
    hidden_layers: Annotated[int, Field(ge=1, le=8)] = Field(1, description="how many such layers it has")
    dropout: tuple[Share, Share] = Field((0.3, 0.5), description="before the head's layer, and before its answers")
    dropout_samples: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="dropout masks over each photo's features in training, the mean of whose losses is taken"
    )
    pooling: Literal["backbone", "avg", "gem", "attention"] = Field(
        "backbone", description="of the last map: as the backbone does it, mean, generalised mean, learned weights"
    )
    gem_p: Annotated[float, Field(ge=1, le=100)] = Field(
        3.0, description="of pooling: gem: where its power begins; 1 is the mean, and it is learned"
    )
    trained_stages: Annotated[int, Field(ge=1)] | None = Field(
        None, description="last stages of the backbone that are trained, the others stand still; null: all"
    )
    tasks: tuple[str, ...] = Field((), description="attributes that are learned and answered: [mask, age]; empty: all")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"model.tasks names an attribute twice: {', '.join(self.tasks)}")
        if self.pooling != "backbone" and self.features == "levels":
            raise ValueError("model.pooling is of the last map alone: set model.features to last")
        if self.hidden_layers > 1 and not self.hidden:
            raise ValueError("model.hidden_layers: without a width in model.hidden there are none")
        if self.dropout_samples > 1 and not any(self.dropout):
            raise ValueError("model.dropout_samples: without dropout all of them are alike")
        if self.is_frozen and self.pooling == "attention":
            raise ValueError(
                "model.pooling: attention is learned with the backbone, which model.is_frozen never trains"
            )
        if self.is_frozen and self.trained_stages:
            raise ValueError("model.is_frozen trains no stage: leave out model.trained_stages, or model.is_frozen")
        return self


class LossSection(Section):
    """What is minimised: for each attribute a weighted sum of terms, and their weighted sum. `trifacet losses`."""

    terms: dict[str, NotNegative] = Field({"cross_entropy": 1.0}, description="of classes: term to weight")
    age_terms: dict[str, NotNegative] = Field({"years": 1.0}, description="of age: terms on years or on its classes")
    weights: dict[str, NotNegative] = Field({}, description="weight per attribute; 1 where not named")
    balance: Literal["fixed", "uncertainty"] = Field(
        "fixed", description="uncertainty: attributes' weights are learned"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="mass taken from the true class")
    smoothing: Literal["all", "wrong"] = Field("all", description="classes that get it: all of them, or the wrong ones")
    class_weights: Weighing | dict[str, Weighing | tuple[NotNegative, ...]] = Field(
        "none",
        description="by inverse frequency, of every attribute or of those named: {mask: balanced, age: [1, 1, 3]}; "
        "of model.head: joint also {joint: [18 numbers]}",
    )
    effective_beta: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="of class_weights: effective")
    reweight_from: Share = Field(0.0, description="share of training after which class_weights count")
    focal_gamma: NotNegative = Field(2.0, description="of focal and binary_focal: how much sure answers are discounted")
    f1_memory: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="of macro_f1: share of earlier counts kept, from part to part of a step"
    )
    ldam_margin: NotNegative = Field(0.5, description="of ldam: margin of the rarest class, in logits")
    prior_tau: float = Field(1.0, description="of balanced_softmax: how far training's class shares are taken out")
    arc_margin_deg: Annotated[float, Field(ge=0, lt=90)] = Field(17.0, description="of arc_face, in degrees")
    teachers: tuple[str, ...] = Field((), description="finished runs or folds whose mean answer is learned from too")
    teachers_share: Share = Field(0.5, description="of the loss: 0 the labels alone, 1 the teachers alone")
    age_sigma_years: NotNegative = Field(2.0, description="width of the age target around the labelled year")


class OptimSection(Section):
    """The optimiser."""

    name: str = Field("adamw", description="any of timm's and torch's that keep their state in tensors: sgd, lamb, ...")
    lr: Positive = Field(1e-4, description="peak learning rate of the backbone")
    head_lr: Positive | None = Field(3e-4, description="peak learning rate of the head; null: as the backbone")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="learning rate of each layer of the backbone, as a share of that of the next; 1: all alike"
    )
    weight_decay: NotNegative = Field(0.02, description="decay of weights, not of biases and norms")
    momentum: Share = Field(0.9, description="where the optimiser has one")
    args: dict[str, bool | float | tuple[float, ...]] = Field(
        {}, description="more of the optimiser's own: {betas: [0.9, 0.95], nesterov: true}"
    )
    clip_norm: Positive | None = Field(5.0, description="largest norm of the gradient; null: no limit")
    sam: NotNegative = Field(0.0, description="radius of sharpness-aware steps, .05 say, at twice the time")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="decay of a running mean of the weights; 0: none")


class ScheduleSection(Section):
    """How the learning rate moves."""

    name: Literal[
        "one_cycle",
        "cosine",
        "poly",
        "tanh",
        "restarts",
        "wsd",
        "step",
        "multi_step",
        "exponential",
        "plateau",
        "constant",
    ] = Field("one_cycle", description="its shape; wsd: up, flat, down; restarts: cosines that begin anew")
    by_epoch: bool = Field(False, description="move once an epoch, as torch's schedulers do, instead of at every step")
    warmup: Share = Field(0.25, description="of one_cycle, cosine, poly, tanh, wsd: share of all steps that rise")
    decay: Share = Field(0.2, description="of wsd: share of all steps that fall")
    power: Positive = Field(1.0, description="of poly: 1 is a line down, 2 falls sooner, 0.5 later")
    floor: Share = Field(0.0, description="lowest rate, as a share of the peak; not of one_cycle and constant")
    step_epochs: Annotated[int, Field(ge=1)] = Field(20, description="of step: epochs between drops")
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="of multi_step: epochs of the drops")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="factor of a drop; of exponential: an epoch; of restarts: of the peak of each cycle"
    )
    patience: Annotated[int, Field(ge=0)] = Field(10, description="of plateau: epochs without a better val score")
    cycle_epochs: Annotated[int, Field(ge=1)] = Field(20, description="of restarts: the first cycle")
    cycle_mult: Annotated[float, Field(ge=1)] = Field(1.0, description="of restarts: each cycle to the one before")
    cycle_warmup: Annotated[int, Field(ge=0)] = Field(5, description="of restarts: epochs that rise, in each cycle")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.name == "restarts" and self.cycle_warmup >= self.cycle_epochs:
            raise ValueError("schedule.cycle_warmup must be shorter than schedule.cycle_epochs")
        if self.name == "multi_step" and not self.milestones:
            raise ValueError("schedule.milestones are needed for multi_step")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("schedule.milestones must rise, [10, 20]")
        return self


class TrainSection(Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(4, description="passes over the data with all weights")
    head_epochs: Annotated[int, Field(ge=0, le=100_000)] = Field(25, description="passes of the head alone, before")
    head_lr: Positive = Field(2e-3, description="peak learning rate of the head alone")
    head_batch_size: Annotated[int, Field(ge=1)] = Field(512, description="photos a step of the head alone")
    head_copies: Annotated[int, Field(ge=0, le=64)] = Field(1, description="augmented copies the head alone sees")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="photos a step")
    accumulate: Annotated[int, Field(ge=1)] = Field(
        1, description="parts a step is computed in: that much less memory, the gradient of the whole but for macro_f1"
    )
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs without a better val score that end it; 0: none"
    )
    choose: Literal["auto", "best", "last"] = Field(
        "auto", description="the epoch that answers: best on val, or the last; auto: with folds the last, else the best"
    )
    second_stage: Literal["none", "crt", "lws"] = Field(
        "none", description="then the last layers again, classes drawn alike: from new, or one factor a class"
    )
    second_epochs: Annotated[int, Field(ge=1)] = Field(10, description="passes of the second stage")
    unfreeze_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="train the backbone's last stage first and one more each so many epochs; 0: all at once"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] | Literal["random"] = Field(0, description="or `random`: recorded")
    amp: Literal["auto", "off"] = Field("auto", description="bfloat16 where the GPU or CPU computes it, or off")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="on the CPU; auto: tried"
    )
    memory_format: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="auto: tried, recorded")
    compile: bool = Field(False, description="have torch compile the backbone, which takes a minute")
    resident: Literal["auto", "off"] = Field("auto", description="keep all photos in the GPU's memory where they fit")
    keep_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="last epochs whose weights `trifacet average` finds"
    )
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
    wandb: str = Field("", description="project of Weights & Biases; needs the extra [wandb]")
    mlflow: str = Field("", description="experiment of MLflow; needs the extra [mlflow]")
    online: bool = Field(False, description="tell wandb's and mlflow's servers, instead of the run's folder alone")


class ReportSection(Section):
    """What a run shows of its photos."""

    pictures: bool = Field(True, description="photos in the report, pages, pictures/ and TensorBoard; false: none")


class Recipe(Section):
    """Every setting of a training run. `schema` (null: the data's own) may move the age edges: `{age_edges: [..]}`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True, allow_inf_nan=False
    )
    other_names: ClassVar[Mapping[str, str]] = {  # of keys, in torch and the replaced systems: to answer them
        "T_0": "schedule.cycle_epochs", "T_max": "train.epochs", "T_mult": "schedule.cycle_mult",
        "early_stop": "train.patience", "eta_min": "schedule.floor", "first_cycle": "schedule.cycle_epochs",
        "first_cycle_steps": "schedule.cycle_epochs", "learning_rate": "optim.lr",
        "lr_decay_step": "schedule.step_epochs", "max_lr": "optim.lr", "min_lr": "schedule.floor",
        "step_size": "schedule.step_epochs", "warmup_steps": "schedule.cycle_warmup",
    }  # fmt: skip

    label_schema: dict[str, Any] | None = Field(None, alias="schema", description="null: the manifest's own")
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    loss: LossSection = LossSection()
    sampler: SamplerSection = SamplerSection()
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
        late_keys = {
            "train.unfreeze_epochs": self.train.unfreeze_epochs,
            "optim.layer_decay": self.optim.layer_decay < 1,
        }
        asked = [key for key, is_asked in late_keys.items() if is_asked]
        if asked and self.model.is_frozen:
            raise ValueError(f"{asked[0]} is about training the backbone, which model.is_frozen never does")
        if self.train.second_stage == "lws" and self.model.classifier == "cosine":
            raise ValueError(
                "train.second_stage: lws scales weights, and a cosine classifier does not feel it: take crt"
            )
        angular = "arc_face" in (*self.loss.terms, *self.loss.age_terms)
        if angular and self.model.classifier != "cosine":
            raise ValueError("loss arc_face turns angles: set model.classifier to cosine")
        if "arc_face" in self.loss.age_terms and self.model.age != "bands":
            raise ValueError("loss.age_terms: arc_face needs model.age to be bands, whose classes have angles")
        moments = [name for name in YEAR_TERMS[:2] if name in self.loss.age_terms]
        if moments and (self.model.age == "bands" or self.model.head == "joint"):
            raise ValueError(f"loss.age_terms: {moments[0]} is about years, and this network answers none")
        self._is_felt()
        self.data.check_crops()
        if self.decide.tta == "d4" and len(set(self.data.image_size)) > 1:
            raise ValueError("decide.tta: d4 lays photos on their side: data.image_size must be a square")
        if self.augment.half_cutmix + self.augment.old_halves > 1:
            raise ValueError("augment.half_cutmix and augment.old_halves share all batches: together 1 at most")
        late = ("masks", "occluders", "degrade", "mixup", "cutmix", "half_cutmix", "old_halves")
        drawn = [name for name in late if getattr(self.augment, name)]
        if drawn and not self.train.epochs:
            raise ValueError(f"augment.{drawn[0]} changes what the whole net sees: the head alone never sees it")
        return self

    def _is_felt(self) -> None:
        """Refuses what would be accepted and change nothing. Raises ValueError."""
        loss, is_joint = self.loss, self.model.head == "joint"
        by_attribute = {
            "balance": loss.balance != "fixed",
            "weights": any(weight != 1 for weight in loss.weights.values()),
            "age_terms": loss.age_terms != LossSection().age_terms,
        }
        moved = [key for key, is_moved in by_attribute.items() if is_moved]
        if is_joint and moved:
            raise ValueError(
                f"loss.{moved[0]} is about attributes, and model.head: joint has one answer, whose loss is loss.terms: "
                f"leave it out, or set model.head to per_attribute"
            )
        told = loss.class_weights
        ways = told.values() if isinstance(told, dict) else (told,)
        if loss.reweight_from and all(way == "none" for way in ways):
            raise ValueError("loss.reweight_from puts class_weights off, and there are none: set loss.class_weights")
        learns_years = self.model.age != "bands" and not is_joint and set(loss.age_terms) <= set(YEAR_TERMS)
        if self.data.label_map.age_edges and learns_years:
            raise ValueError(
                "data.label_map.age_edges: this network learns years, which have no cut: set model.age to bands or "
                "model.head to joint, or leave it out"
            )
