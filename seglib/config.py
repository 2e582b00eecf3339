"""One frozen dataclass describes a run: the notebook's third cell, the CLI and `config.json`."""

import dataclasses
import hashlib
import json
import math
import operator
from dataclasses import dataclass
from numbers import Real
from typing import Any, get_args, get_origin, get_type_hints

from .errors import ConfigError, choose, shown

CHOICES: dict[str, tuple[str, ...]] = {
    "mode": ("fine", "coarse"),
    "class_weights": ("none", "sqrt_median"),
    "optimizer": ("adam", "adamw", "adamax"),
    "schedule": ("step", "one_cycle"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "select_by": ("miou", "loss"),
}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run's result. The run's id is a hash of these values.

    A field that is None stands for the default of the architecture or the dataset and does not
    count in the hash, so that new options leave the ids of older records alone.
    """

    dataset: str = "miniscapes"
    """Dataset to train on: miniscapes, camvid or cityscapes."""
    model: str = "unet"
    """Architecture, by its name in the registry."""
    width: int | None = None
    """Channels of the first stage (fcn and unet: 64; 16 suits a CPU)."""
    norm: bool | None = None
    """Batch normalisation after each convolution (unet)."""
    skips: bool | None = None
    """Skip connections from encoder to decoder (unet)."""
    size: str | None = None
    """Named size of a transformer (vit and swin)."""
    pretrained: bool | None = None
    """Start the encoder from torchvision's ImageNet weights (vit and swin)."""
    stochastic_depth: float | None = None
    """Probability of skipping the last residual block; earlier ones less often (vit and swin)."""
    dropout: float = 0.0
    """Probability of dropping a channel, 0 up to 1 (1 excluded)."""
    init_from: str | None = None
    """Id of a recorded run whose weights training starts from; the head is matched by name."""

    mode: str = "fine"
    """Masks to train on, fine or coarse; scores always use the fine ones."""
    image_size: tuple[int, int] | None = None
    """Height and width to which scenes are resized (None: the dataset's default)."""
    crop_size: tuple[int, int] | None = None
    """Height and width of random training crops (None: the whole image)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random zoom before cropping, 1 = none."""
    flip: bool = True
    """Mirror half of the training images."""
    rotation: float = 10.0
    """Rotate training images by up to this many degrees to either side."""
    jitter: float = 0.0
    """Strength of random changes of brightness, contrast and saturation, 0 to 1."""
    train_images: int | None = None
    """Train on a random subset of this many images (None: all)."""

    loss: str = "cross_entropy"
    """cross_entropy, dice, iou, cross_entropy+dice or cross_entropy+iou."""
    class_weights: str = "none"
    """Of the cross-entropy: none, or sqrt_median (the root of median frequency / frequency)."""
    optimizer: str = "adamw"
    """adam, adamw or adamax."""
    learning_rate: float = 1e-3
    """Learning rate at the start (step) or at its peak (one_cycle)."""
    encoder_rate: float | None = None
    """Learning rate of the encoder as a fraction of the decoder's (None: the same)."""
    weight_decay: float = 1e-4
    """Weight decay of matrices and kernels; norms, biases and position embeddings have none."""
    decay_all: bool | None = None
    """Weight decay of norms, biases and position embeddings too (None: no)."""
    schedule: str = "step"
    """step: decay by gamma every 10 epochs; one_cycle: warm-up, then cosine annealing."""
    gamma: float = 1.0
    """Factor of the step decay, above 0 up to 1 (1: constant learning rate)."""
    warm_up: float | None = None
    """Share of a one-cycle run in which the learning rate rises, 0 up to 1 (None: a tenth)."""
    clip_norm: float | None = None
    """Largest norm of the gradient (None: not clipped)."""
    epochs: int = 30
    """Passes over the training images."""
    batch_size: int = 8
    """Images per optimiser step, over all processes and accumulated parts."""
    accumulation: int = 1
    """Parts in which a batch goes through the network, to fit a small memory."""
    precision: str = "auto"
    """fp32, bf16, fp16, or auto: bf16 where the processor computes in it natively, else fp32."""
    select_by: str = "miou"
    """Validation score, miou or loss, by which the best epoch's weights are kept."""
    validate_every: int = 1
    """Epochs between validations; the last epoch is always validated."""
    seed: int = 0
    """Seed of initial weights, order, augmentation and dropout."""

    def __post_init__(self) -> None:
        for field, hint in get_type_hints(type(self)).items():
            # Equal values of another type (1 for 1.0, as JSON has it a list) hash to the same id.
            object.__setattr__(self, field, _as_type(field, hint, getattr(self, field)))
        for field, choices in CHOICES.items():
            choose(field, getattr(self, field), choices)
        for check, message in self._rules():
            if not check:
                raise ConfigError(message)

    def _rules(self):
        """Pairs of (holds, the line that says what would be right)."""
        for field in ("image_size", "crop_size"):
            value = getattr(self, field)
            yield (
                value is None or min(value) > 0,
                f"{field} {value!r} must be a height and a width in pixels, both above 0",
            )
        low, high = self.scale
        yield (
            0 < low <= high < math.inf,
            f"scale {self.scale!r} must be two numbers, 0 < lowest <= highest",
        )
        for field in ("epochs", "batch_size", "accumulation", "validate_every"):
            value = getattr(self, field)
            yield value >= 1, f"{field} {value!r} must be 1 or more"
        for field in ("width", "train_images"):
            value = getattr(self, field)
            yield value is None or value >= 1, f"{field} {value!r} must be 1 or more"
        for field in ("learning_rate", "clip_norm", "encoder_rate"):
            value = getattr(self, field)
            yield (
                value is None or (math.isfinite(value) and value > 0),
                f"{field} {value!r} must be above 0",
            )
        for field in ("weight_decay", "rotation"):
            value = getattr(self, field)
            yield math.isfinite(value) and value >= 0, f"{field} {value!r} must be 0 or more"
        yield (
            self.stochastic_depth is None or 0 <= self.stochastic_depth < 1,
            f"stochastic_depth {self.stochastic_depth!r} must be at least 0 and below 1",
        )
        yield (
            self.warm_up is None or 0 <= self.warm_up < 1,
            f"warm_up {self.warm_up!r} must be at least 0 and below 1",
        )
        yield 0 <= self.dropout < 1, f"dropout {self.dropout!r} must be at least 0 and below 1"
        yield 0 <= self.jitter <= 1, f"jitter {self.jitter!r} must be between 0 and 1"
        yield 0 < self.gamma <= 1, f"gamma {self.gamma!r} must be above 0 and at most 1"
        yield 0 <= self.seed < 2**63, f"seed {self.seed!r} must be at least 0 and below 2**63"
        yield (
            self.batch_size % self.accumulation == 0,
            f"batch_size {self.batch_size} must be a multiple of accumulation {self.accumulation}",
        )

    def resolved(self) -> "RunConfig":
        """The same run with the dataset's default image size filled in; checks every name.

        Two configs that mean the same run resolve to the same values and so to the same id.
        """
        from .data.datasets import dataset_spec
        from .models import model_class
        from .training.losses import check_loss

        spec = dataset_spec(self.dataset)
        model_class(self.model)
        check_loss(self.loss)
        if self.mode == "coarse" and not spec.has_coarse:
            raise ConfigError(f"mode 'coarse': {self.dataset} has no coarse masks; use mode 'fine'")
        return dataclasses.replace(self, image_size=self.image_size or spec.train_size)

    def model_options(self) -> dict[str, Any]:
        """The constructor arguments of the architecture, without those left at its default."""
        names = ("width", "norm", "skips", "size", "pretrained", "stochastic_depth")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**chosen, "dropout": self.dropout}

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
    def run_id(self) -> str:
        """`<dataset>-<model>-<hash>`: the first 8 hexadecimal digits of the values' sha256."""
        values = {k: v for k, v in self.resolved().to_dict().items() if v is not None}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return f"{self.dataset}-{self.model}-{digest[:8]}"


def _as_type(field: str, hint: Any, value: Any) -> Any:
    """`value` as the type of the field has it; a value of another kind raises `ConfigError`."""
    options = get_args(hint)
    if type(None) in options:
        return None if value is None else _as_type(field, options[0], value)
    if get_origin(hint) is tuple:
        if isinstance(value, (tuple, list)) and len(value) == len(options):
            return tuple(_as_type(field, options[0], part) for part in value)
        raise ConfigError(f"{field} {shown(value)} must be two numbers")
    try:
        if hint in (bool, str):
            if isinstance(value, hint):
                return value
        elif not isinstance(value, bool) and isinstance(value, Real):
            # Adding 0 turns -0.0, which hashes differently, into 0.0.
            return operator.index(value) if hint is int else float(value) + 0.0
    except (TypeError, OverflowError):
        pass
    raise ConfigError(f"{field} {shown(value)} must be {KINDS[hint]}")
