"""One frozen dataclass describes a run: the notebook's third cell, the CLI and `config.json`."""

import dataclasses
import functools
import hashlib
import json
import math
import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any, get_args, get_origin, get_type_hints

from .data.datasets import dataset_spec
from .errors import ConfigError, choose, shown
from .models import MODELS, build_model, option_defaults

CHOICES: dict[str, tuple[str, ...]] = {
    "mode": ("fine", "coarse"), "select_by": ("last", "miou", "loss"),
    "loss": ("cross_entropy", "dice", "iou", "cross_entropy+dice", "cross_entropy+iou"),
    "class_weights": ("none", "sqrt_median"), "optimizer": ("adam", "adamw", "adamax"),
    "schedule": ("step", "one_cycle"), "precision": ("fp32", "bf16", "fp16"),
}
# Fields, what their values must fulfil (None always may be), and that in words.
RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("width dilation epochs batch_size accumulation", lambda v: v >= 1, "1 or more"),
    ("train_images validate_every", lambda v: v >= 1, "1 or more"),
    ("learning_rate encoder_rate clip_norm", lambda v: 0 < v < math.inf, "above 0"),
    ("weight_decay rotation freeze skips", lambda v: 0 <= v < math.inf, "0 or more"),
    ("dropout stochastic_depth warm_up", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("ema label_smoothing", lambda v: 0 < v < 1, "between 0 and 1"),
    ("levels", lambda v: 1 <= v <= 6, "1 to 6"),
    ("hold_out", lambda v: len(set(v)) == len(v) > 0, "names of cities, each once"),
    ("jitter", lambda v: 0 <= v <= 1, "between 0 and 1"),
    ("gamma", lambda v: 0 < v <= 1, "above 0 and at most 1"),
    ("scale", lambda v: 0 < v[0] <= v[1] < math.inf, "two numbers, 0 < lowest <= highest"),
    ("window", lambda v: 1 <= min(v) <= max(v) <= 32, "a height and a width of 1 to 32 tokens"),
    ("image_size crop_size", lambda v: min(v) > 0, "a height and a width in pixels above 0"),
    ("init_from", lambda v: v and not set("/\\") & set(v), "the id of a recorded run"),
    ("seed", lambda v: 0 <= v < 2**63, "at least 0 and below 2**63"),
)
WARM_UP = 0.1  # share of a one-cycle run in which the learning rate rises, if not said otherwise
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run's result; the run's id is a hash of these values.

    None stands for the default of the architecture or the dataset and does not count in the hash,
    so that new fields leave the ids of older records alone; nor does one that is spelled out.
    """

    dataset: str = "miniscapes"  # One of miniscapes, miniscapes2560, camvid and cityscapes
    model: str = "unet"  # Architecture: fcn, unet, vit, swin or timm; `seglib models` compares
    width: int | None = None  # Channels at full size, timm's at half (fcn, unet: 64; timm: 32)
    norm: bool | None = None  # Batch normalisation after convolutions (unet: yes; fcn: no)
    skips: int | None = None  # Skip connections, counted from the coarsest (None: all)
    levels: int | None = None  # Times the size is halved (unet: 4)
    bottleneck: str | None = None  # Channels there, doubling or keeping those before (unet)
    dilation: int | None = None  # Spread of the kernels of stages 2 and 3 (fcn: 1)
    window: tuple[int, int] | None = None  # Height and width of a window in tokens (swin: 7 7)
    size: str | None = None  # Size of a transformer (vit: mini, b16; swin: mini, t, b)
    encoder: str | None = None  # Encoder by its name in timm (timm: tf_efficientnet_lite0)
    pretrained: bool | None = None  # Start from published ImageNet weights (vit, swin and timm)
    freeze: int | None = None  # Encoder levels that stay as they are (2: those of strides 2 and 4)
    frozen_norm: bool | None = None  # Keep the statistics of the encoder's batch norms (timm)
    stochastic_depth: float | None = None  # Probability of skipping the last branch (vit and swin)
    dropout: float = 0.0  # Probability of dropping a channel, 0 up to 1 (1 excluded)
    init_from: str | None = None  # Id of a run from whose weights to start; heads match by name

    mode: str = "fine"  # Masks to train on, fine or coarse; scores always use the fine ones
    image_size: tuple[int, int] | None = None  # Resized height and width (None: the dataset's)
    crop_size: tuple[int, int] | None = None  # Height and width of random crops (None: no crops)
    scale: tuple[float, float] = (1.0, 1.0)  # Range of the random zoom before cropping, 1 = none
    flip: bool = True  # Mirror half of the training images
    rotation: float = 10.0  # Rotate training images by up to this many degrees to either side
    jitter: float = 0.0  # Strength of random changes of brightness, contrast and saturation, 0 to 1
    train_images: int | None = None  # Train on a random subset of this many images (None: all)
    hold_out: tuple[str, ...] | None = None  # Cities of train that are scored instead of trained on
    with_val: bool | None = None  # Train on val, too; such a run has scores of test alone

    loss: str = "cross_entropy"  # cross_entropy, dice, iou, cross_entropy+dice or cross_entropy+iou
    label_smoothing: float | None = None  # In cross-entropy: share of a target that all classes get
    class_weights: str = "none"  # In cross-entropy: none, or sqrt_median: √(median/own frequency)
    optimizer: str = "adamw"  # adam, adamw or adamax
    learning_rate: float = 1e-3  # Learning rate at the start (step) or at its peak (one_cycle)
    encoder_rate: float | None = None  # Encoder's share of the learning rate (None: all of it)
    weight_decay: float = 1e-4  # Of matrices and kernels, not of norms, biases and positions
    decay_all: bool | None = None  # Decay norms, biases and position embeddings too (None: no)
    schedule: str = "step"  # step: times gamma every 10 epochs; one_cycle: warm-up, then cosine
    gamma: float = 1.0  # Factor of the step decay, above 0 up to 1 (1: constant learning rate)
    warm_up: float | None = None  # Share of one_cycle in which the rate rises (None: a tenth)
    clip_norm: float | None = None  # Largest norm of the gradient (None: not clipped)
    epochs: int = 30  # Passes over the training images
    batch_size: int = 8  # Images per optimiser step, over all processes and accumulated parts
    accumulation: int = 1  # Parts in which a batch goes through the network, to fit a small memory
    precision: str = "fp32"  # fp32, bf16 or fp16; the recipes have bf16 on every machine
    ema: float | None = None  # Decay per step of a running mean of the weights, kept in their place
    select_by: str = "last"  # Epoch whose weights are kept: the last, or the best by miou or loss
    validate_every: int = 1  # Epochs between validations; the last epoch is always validated
    seed: int = 0  # Seed of initial weights, order, augmentation and dropout

    def __post_init__(self) -> None:
        for field, hint in _types(type(self)).items():
            # Equal values of another type (1 for 1.0, as JSON has it a list) hash to the same id.
            object.__setattr__(self, field, _as_type(field, hint, getattr(self, field)))
        for field, choices in CHOICES.items():
            choose(field, getattr(self, field), choices)
        for fields, holds, words in RULES:
            for field in fields.split():
                value = getattr(self, field)
                if value is not None and not holds(value):
                    raise ConfigError(f"{field} {value!r} must be {words}")
        if self.batch_size % self.accumulation:
            parts = f"accumulation {self.accumulation}"
            raise ConfigError(f"batch_size {self.batch_size} must be a multiple of {parts}")
        if self.with_val and (self.hold_out or self.select_by != "last"):
            raise ConfigError("with_val trains on val: select_by must be 'last', hold_out empty")

    def resolved(self) -> "RunConfig":
        """The same run with nothing left open and nothing said twice; its id is a hash of this.

        Sizes get values; settings without effect, and those that spell out a default of the
        architecture, get the field's own. `ConfigError` for unknown names, other models' options.
        """
        spec, own = dataset_spec(self.dataset), self._own_options()
        size = self.image_size or spec.train_size
        without_effect = {name: getattr(self, name, None) == own[name] for name in own} | {
            "skips": self.skips in (own.get("skips"), self.levels or own.get("levels")),
            "crop_size": self.crop_size == size, "decay_all": self.decay_all is False,
            "encoder_rate": self.encoder_rate == 1.0, "gamma": self.schedule == "one_cycle",
            "warm_up": self.schedule == "step" or self.warm_up == WARM_UP,
            "class_weights": "cross_entropy" not in self.loss, "with_val": self.with_val is False,
            "label_smoothing": "cross_entropy" not in self.loss,
            "pretrained": self.init_from or self.pretrained == own.get("pretrained"),
        }
        fields = dataclasses.fields(self)
        changes = {field.name: field.default for field in fields if without_effect.get(field.name)}
        changes |= {"image_size": size, "hold_out": self.hold_out and tuple(sorted(self.hold_out))}
        return dataclasses.replace(self, **changes)

    def model_options(self) -> dict[str, Any]:
        """The constructor's arguments and their values; `ConfigError` for those of other models."""
        options = self._own_options()
        given = {name: getattr(self, name, None) for name in options}
        return options | {name: value for name, value in given.items() if value is not None}

    def _own_options(self) -> dict[str, Any]:
        """The constructor's arguments and their defaults; `ConfigError` for other models' ones."""
        known = option_defaults(self.model)
        foreign = {name for model in MODELS for name in option_defaults(model)}.difference(known)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in foreign and value != field.default:
                has = ", ".join(known)
                raise ConfigError(f"{field.name} {value!r}: not an option of {self.model} ({has})")
        return known

    def build_model(self, *, download: bool = True) -> "torch.nn.Module":  # noqa: F821
        """The run's network with fresh weights, or `pretrained` ones unless `download` is False."""
        options = self.model_options()
        if not download:
            options.pop("pretrained", None)
        return build_model(self.model, dataset_spec(self.dataset).class_set.num_classes, **options)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `config.json`, every field in order of definition."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """The inverse of `to_dict`; an unknown field or an impossible value raises ConfigError."""
        if not isinstance(values, dict):
            raise ConfigError(f"a config must be an object of named values, not {shown(values)}")
        fields = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            choose("config field", name, fields)
        return cls(**values)

    @property
    def start_dataset(self) -> str:
        """The dataset from whose weights the run starts; empty for fresh or published ones."""
        return (self.init_from or "").partition("-")[0]

    @property
    def trained_splits(self) -> tuple[str, ...]:
        """The splits that are trained on: "train", and "val" where the config says so."""
        return ("train", "val") if self.with_val else ("train",)

    @property
    def scored_split(self) -> str | None:
        """The split that training scores, held_out or val; None where val is trained on."""
        return "held_out" if self.hold_out else None if self.with_val else "val"

    @property
    def run_id(self) -> str:
        """`<dataset>-<model>-<hash>`: the first 8 hexadecimal digits of the values' sha256."""
        values = {k: v for k, v in self.resolved().to_dict().items() if v is not None}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return f"{self.dataset}-{self.model}-{digest[:8]}"


_types = functools.cache(get_type_hints)  # of a hundred records it would take a fifth of a second


def _as_type(field: str, hint: Any, value: Any) -> Any:
    """`value` as the type of the field has it; a value of another kind raises `ConfigError`."""
    options = get_args(hint)
    if type(None) in options:
        return None if value is None else _as_type(field, options[0], value)
    if get_origin(hint) is tuple:
        named = options[-1] is ...  # as many as there are
        if isinstance(value, (tuple, list)) and (named or len(value) == len(options)):
            return tuple(_as_type(field, options[0], part) for part in value)
        wanted = "a list of names" if named else "two numbers"
        raise ConfigError(f"{field} {shown(value)} must be {wanted}")
    if hint in (bool, str) and isinstance(value, hint):
        return value
    if hint in (int, float) and isinstance(value, Real) and not isinstance(value, bool):
        with suppress(TypeError, OverflowError):
            # Adding 0 turns -0.0, which hashes differently, into 0.0.
            return operator.index(value) if hint is int else float(value) + 0.0
    raise ConfigError(f"{field} {shown(value)} must be {KINDS[hint]}")
