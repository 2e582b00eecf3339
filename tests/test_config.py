"""Run configs: what is refused and how, and that a run's id depends on its values alone."""

import dataclasses
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from seglib import cli
from seglib.config import CHOICES, RunConfig
from seglib.errors import ConfigError
from seglib.models import MODELS, Architecture
from seglib.models.vit import ViT
from seglib.recipes import command, recipe

NAN, INFINITY = float("nan"), float("inf")
FIELDS = [field.name for field in dataclasses.fields(RunConfig)]

BAD_VALUES = {
    "dataset": [None, 3], "model": [None, 3, ["unet"]], "width": [0, -1, 1.5, "16", True, NAN],
    "norm": ["yes", 1], "skips": ["no", -1, True], "levels": [0, 7, "4"], "bottleneck": [3],
    "dilation": [0], "window": [0, (7,), (0, 7), (7, 33), 7], "size": [3], "encoder": [3],
    "freeze": [-1, 1.5], "frozen_norm": [1], "pretrained": [1],
    "stochastic_depth": [-0.1, 1.0, NAN, "0.1"], "mode": ["rough", None, 1],
    "dropout": [-0.1, 1.0, NAN, "0.1", None], "init_from": [7, "", "../runs/a"],
    "image_size": [(0, 64), (64, -1), (64,), (1, 2, 3), 64, "64x64", (64.5, 64), (True, 64)],
    "crop_size": [(0, 64), (64, NAN), 64], "flip": ["yes", 1, None], "jitter": [-0.1, 1.1, NAN],
    "scale": [(0, 1), (2, 1), (-1, 1), (1, INFINITY), (NAN, 1), 1, "11", None, (1, 1, 1)],
    "rotation": [-1, NAN, INFINITY, "10"], "train_images": [0, 2.5],
    "hold_out": [(), "ulm", ("ulm", "ulm"), (1,)], "with_val": [1], "loss": [None, 1, "nonsense"],
    "class_weights": ["median", None, {"road": 1}], "optimizer": ["sgd", "AdamW"],
    "learning_rate": [0, -1e-3, NAN, INFINITY, "1e-3", None, 10**400],
    "encoder_rate": [0, -1, NAN], "weight_decay": [-1e-4, NAN, INFINITY], "decay_all": [1, "yes"],
    "schedule": ["cosine", ""], "gamma": [0, 1.1, NAN], "warm_up": [-0.1, 1, NAN],
    "clip_norm": [0, -1, INFINITY], "epochs": [0, -3, 1.5, "3", None, True],
    "batch_size": [0, 2.0, np.float64(2)], "accumulation": [0, 3],  # not divided by 3: the batch, 8
    "precision": ["fp64", None], "ema": [0, 1, NAN, "0.9"], "label_smoothing": [0, 1.0],
    "select_by": ["accuracy", "best"], "validate_every": [0], "seed": [-1, 2**63, 0.5],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in BAD_VALUES for value in BAD_VALUES[field]]
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_field(field, value) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**{field: value})
    assert "\n" not in str(caught.value) and field in str(caught.value)
    assert BAD_VALUES.keys() == set(FIELDS)


@pytest.mark.parametrize(("changes", "message"), [
    ({"dataset": "moonscapes"}, "dataset.*moonscapes.*miniscapes, .*camvid, cityscapes"),
    ({"with_val": True, "select_by": "miou"}, "with_val .*select_by must be 'last'"),
    ({"with_val": True, "hold_out": ("ulm",)}, "with_val trains on .*hold_out empty"),
    ({"model": "nonet"}, "model 'nonet' is unknown; choose one of: fcn, unet"),
    ({"model": "vit", "width": 16}, "width 16: not an option of vit"),
    ({"size": "mini"}, "size 'mini': not an option of unet .*width, norm, skips, dropout"),
])
def test_a_name_that_is_not_there_is_refused_when_the_run_is_resolved(changes, message) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(**changes).run_id  # noqa: B018


def test_ids_are_the_recorded_ones() -> None:
    # A change would orphan the records: a run is found by its id alone.
    assert RunConfig(precision="fp32").run_id == "miniscapes-unet-c7f91f31"
    files = sorted(Path(__file__).parents[1].glob("results/*/config.json"))
    configs = [RunConfig.from_dict(json.loads(file.read_text())) for file in files]
    assert files and [config.run_id for config in configs] == [file.parent.name for file in files]


def test_the_same_run_written_otherwise_has_the_same_id() -> None:
    config = RunConfig(image_size=(160, 320), rotation=10.0, learning_rate=1.0, jitter=0.0)
    other = RunConfig(image_size=[160, 320], rotation=10, learning_rate=np.float64(1), jitter=-0.0)
    assert other == config and other.run_id == config.run_id
    assert RunConfig(seed=np.int64(3)).run_id == RunConfig(seed=3).run_id
    assert RunConfig().run_id == RunConfig(image_size=(160, 320)).run_id  # the dataset's own


@pytest.mark.parametrize(("config", "more"), [
    ({"model": "fcn"}, {"width": 64, "dropout": 0.0, "norm": False}),
    ({}, {"width": 64, "norm": True, "skips": 4, "bottleneck": "doubling"}),
    ({"model": "vit"}, {"size": "b16", "stochastic_depth": 0.1, "pretrained": False}),
    ({"model": "swin"}, {"stochastic_depth": 0.1, "size": "t", "skips": 5}),
    ({}, {"skips": 4}), ({"levels": 3}, {"skips": 3}),
    ({"model": "timm"}, {"encoder": "tf_efficientnet_lite0", "freeze": 0}),
    ({"model": "timm", "init_from": "x"}, {"pretrained": True}),  # all weights are x's
    ({"image_size": (64, 128)}, {"crop_size": (64, 128)}),
    ({}, {"encoder_rate": 1.0, "decay_all": False, "warm_up": 0.3}),
    ({"schedule": "one_cycle"}, {"warm_up": 0.1, "gamma": 0.5}),
    ({"loss": "dice"}, {"class_weights": "sqrt_median", "label_smoothing": 0.1}),
    ({}, {"with_val": False}), ({"hold_out": ("ulm", "bonn")}, {"hold_out": ["bonn", "ulm"]}),
])
def test_defaults_spelled_out_and_settings_without_effect_are_the_same_run(config, more) -> None:
    one, other = RunConfig(**config), RunConfig(**config | more)
    assert one.resolved() == other.resolved() == other.resolved().resolved()
    assert one.run_id == other.run_id


VALID = {
    "flip": [True, False], "norm": [True, False], "skips": [0, 2], "decay_all": [True, None],
    "hold_out": [("ulm",), ("ulm", "bad homburg"), None], "init_from": ["camvid-fcn-0", None],
    "image_size": [(64, 128)], "crop_size": [(32, 64), None], "scale": [(0.5, 2.0), (1.0, 1.0)],
    "clip_norm": [None, 0.5], "learning_rate": [1e-5, 0.25], "encoder_rate": [0.1, None],
    "train_images": [7, None], "ema": [0.999, None], "label_smoothing": [0.1], "epochs": [1, 200],
    "seed": [0, 2**63 - 1], "loss": ["dice", "cross_entropy"], "precision": ["fp32", "bf16"],
    "schedule": ["step"], "gamma": [0.5], "warm_up": [0.0, None], "batch_size": [6],
}


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["miniscapes", "camvid", "cityscapes"]),
    st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in VALID.items()}),
)
@example("cityscapes", {"crop_size": None, "flip": False, "hold_out": ("ulm", "bad homburg")})
def test_the_command_of_a_run_makes_that_run(dataset: str, changes: dict) -> None:
    config = recipe(dataset, "unet", **changes)
    words = shlex.split(command(config))
    assert words[:2] == ["seglib", "train"]
    assert cli.parse(words[1:]).keywords["config"].resolved() == config


def test_another_value_of_any_field_is_another_run() -> None:
    vit = {"size": "small", "pretrained": True, "stochastic_depth": 0.5}
    unet = {"width": 8, "norm": False, "skips": 0, "dropout": 0.5, "init_from": "x"}
    unet |= {"levels": 2, "bottleneck": "keeping"}
    unet |= {"dataset": "camvid", "mode": "coarse", "image_size": (8, 8), "crop_size": (8, 8)}
    unet |= {"scale": (0.5, 1.0), "flip": False, "rotation": 0.0, "jitter": 0.1, "train_images": 3}
    unet |= {"loss": "dice", "class_weights": "sqrt_median", "optimizer": "adam", "gamma": 0.5}
    unet |= {"learning_rate": 0.1, "encoder_rate": 0.1, "schedule": "one_cycle"}
    unet |= {"weight_decay": 0.0, "decay_all": True, "clip_norm": 1.0, "model": "fcn", "seed": 1}
    unet |= {"epochs": 1, "batch_size": 4, "accumulation": 2, "precision": "fp16"}
    unet |= {"select_by": "loss", "validate_every": 2, "ema": 0.9, "label_smoothing": 0.1}
    unet |= {"hold_out": ("ulm",), "with_val": True}
    timm = {"encoder": "resnet34", "freeze": 1, "frozen_norm": True}
    others = {("swin", "window"): (6, 8), ("fcn", "dilation"): 4}
    assert unet.keys() | vit.keys() | timm.keys() | {"warm_up", "window", "dilation"} == set(FIELDS)
    runs = [RunConfig(), RunConfig(model="vit"), RunConfig(schedule="one_cycle", warm_up=0.2)]
    runs += [RunConfig(**{field: value}) for field, value in unet.items()]
    runs += [RunConfig(model=model, **{f: value}) for (model, f), value in others.items()]
    runs += [RunConfig(model="timm", **{field: value}) for field, value in timm.items()]
    runs += [RunConfig(model="vit", **{field: value}) for field, value in vit.items()]
    assert len({run.run_id for run in runs}) == 2 + len(FIELDS)


def test_a_field_that_is_none_does_not_count() -> None:
    @dataclasses.dataclass(frozen=True)
    class NewerConfig(RunConfig):
        new_option: int | None = None

    assert NewerConfig().run_id == RunConfig().run_id
    assert NewerConfig(new_option=1).run_id != RunConfig().run_id


def test_foreign_json_is_refused() -> None:
    with pytest.raises(ConfigError, match="field 'learning_rat' is unknown; .*'learning_rate'"):
        RunConfig.from_dict({"learning_rat": 1})
    with pytest.raises(ConfigError, match="must be an object of named values, not \\[1\\]"):
        RunConfig.from_dict([1])


class TinyNet(nn.Module):
    def __init__(self, num_classes: int, kernel: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, num_classes, kernel)


def test_model_options_are_the_fields_that_the_registry_names(monkeypatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class NewerConfig(RunConfig):
        kernel: int | None = None

    options = RunConfig(width=4, skips=0).model_options()
    expected = {"width": 4, "norm": True, "skips": 0, "dropout": 0.0, "levels": 4}
    assert options == expected | {"bottleneck": "doubling"}
    monkeypatch.setitem(MODELS, "tinynet", Architecture(__name__, "TinyNet", {"kernel": 3}))
    assert NewerConfig(model="tinynet").model_options() == {"kernel": 3}
    model = NewerConfig(model="tinynet", dataset="camvid", kernel=5).build_model()
    assert model.head.weight.shape == (11, 3, 5, 5)
    with pytest.raises(ConfigError, match="dropout 0.1: not an option of tinynet"):
        NewerConfig(model="tinynet", dropout=0.1).model_options()
    with pytest.raises(ConfigError, match="kernel 5: not an option of unet"):
        NewerConfig(kernel=5).model_options()


def test_published_weights_are_left_out_on_request() -> None:
    config = RunConfig(model="vit", size="mini", pretrained=True)  # there are none of this size
    assert isinstance(config.build_model(download=False), ViT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
CHOSEN = st.sampled_from([choice for choices in CHOICES.values() for choice in choices])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON | CHOSEN, max_size=4) | JSON)
@example({"scale": [1e-320, 1e-320]})
@example({"dataset": "\ud800\n", "model": "a\nb"})
def test_any_json_is_a_config_or_one_line(values) -> None:
    try:
        config = RunConfig.from_dict(values)
        assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
        assert config.run_id.startswith(f"{config.dataset}-{config.model}-")
    except ConfigError as problem:
        assert len(str(problem).splitlines()) == 1
