"""One contract for every architecture in the registry, and the facts that belong to one of them."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from seglib.config import RunConfig
from seglib.errors import ConfigError
from seglib.models import MODELS, build_model, option_defaults
from seglib.models import swin as swin_module
from seglib.models import vit as vit_module
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.training.loop import half
from seglib.training.optim import parameter_groups

CLASSES = 5
# Whatever is in the registry is under contract, with few channels where it has that option.
CASES = {name: (name, {}) for name in MODELS}
CASES["unet, plain"] = ("unet", {"norm": False, "skips": 0, "bottleneck": "keeping"})
CASES["unet, shallow"] = ("unet", {"levels": 2, "skips": 1})
CASES["fcn, wide view"] = ("fcn", {"dilation": 3, "norm": True})
CASES["swin, coarse skips"] = ("swin", {"skips": 2, "window": (2, 3)})
FROZEN = {"encoder": "tf_efficientnet_lite0", "freeze": 2, "frozen_norm": True}
CASES["timm, frozen"] = ("timm", FROZEN)
CASES["timm, from stride 4"] = ("timm", {"encoder": "test_convnext"})
SMALL = {"width": 4, "size": "test", "encoder": "test_efficientnet", "dropout": 0.1}


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers of two blocks per level and few channels: every layer, little arithmetic."""
    small = {"hidden_dim": 24, "num_layers": 2, "num_heads": 3, "mlp_dim": 96}
    monkeypatch.setitem(vit_module.SIZES, "test", small)
    small = {"embed_dim": 8, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 2, 4]}
    monkeypatch.setitem(swin_module.SIZES, "test", small)


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest) -> nn.Module:
    return build(request.param)


def build(case: str, seed: int = 0, **changed) -> nn.Module:
    name, options = CASES[case]
    options = {key: value for key, value in SMALL.items() if key in option_defaults(name)} | options
    torch.manual_seed(seed)
    return build_model(name, CLASSES, **options | changed)


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def image(count: int, height: int, width: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, height, width, generator=generator)


@pytest.mark.parametrize("size", [(37, 53), (64, 96), (1, 1), (33, 8)])
def test_logits_have_the_size_of_the_image(model, size):
    with torch.no_grad():
        logits = model.eval()(image(1, *size))
    assert logits.shape == (1, CLASSES, *size)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_trains_on_a_batch_of_one_also_in_mixed_precision(model):
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.train()(image(1, 37, 53))
        logits.float().square().mean().backward()
    assert logits.shape == (1, CLASSES, 37, 53) and logits.isfinite().all()
    optimizer.step()
    after = list(model.parameters())
    assert all(parameter.isfinite().all() for parameter in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_backward_reaches_every_parameter(model):
    model.eval()  # where no branch is dropped at random
    (model(image(2, 64, 96)) * image(2, 64, 96)[:, :1]).sum().backward()
    for name, parameter in trained(model).items():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.abs().max() > 0, f"the gradient of {name} is zero"


def test_save_and_load_give_identical_logits(model, tmp_path, request):
    model.train()(image(2, 32, 32))  # so that running statistics differ from fresh ones
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    other = build(request.node.callspec.params["model"], seed=5)
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.no_grad():
        expected, loaded = (net.eval()(image(1, 37, 53)) for net in (model, other))
    assert torch.equal(expected, loaded)


@pytest.mark.parametrize("case", CASES)
def test_seed_decides_weights_dropout_and_gradients(case):
    def train_once(seed: int) -> list[torch.Tensor]:
        net = build(case, seed=seed).train()
        logits = net(image(2, 32, 48))
        logits.square().mean().backward()
        return [logits, *(parameter.grad for parameter in trained(net).values())]

    first, second, other = train_once(0), train_once(0), train_once(1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])


def test_an_image_does_not_see_its_batch(model):
    for layer in model.modules():  # so that the signal does not fade where nothing normalises it
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight)
    model.train()(image(3, 32, 32))
    batch = image(3, 37, 53)
    with torch.no_grad():
        together = model.eval()(batch)
        alone = torch.cat([model(batch[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.01  # they do see themselves


def test_channels_last_changes_nothing_but_speed(model):
    batch = image(2, 37, 53)
    with torch.no_grad():
        expected = model.eval()(batch)
        other = model.to(memory_format=torch.channels_last)
        logits = other(batch.to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)


def test_half_precision_keeps_what_the_weights_say(model):
    model.train()(image(2, 32, 32))
    batch = image(1, 37, 53)
    with torch.no_grad():
        expected = model.eval()(batch)
        model.load_state_dict({name: half(value) for name, value in model.state_dict().items()})
        assert (model(batch) - expected).abs().max() < 0.02 * expected.abs().max()


@pytest.mark.parametrize(("name", "free"), [
    ("vit", {"pos_embedding", "class_token"}), ("swin", {"relative_position_bias_table"}),
])
def test_of_large_tensors_only_what_tells_places_is_not_decayed(name, free):
    model = build_model(name, CLASSES, size="test")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [p for group in parameter_groups(model, RunConfig(model=name, size="mini"))
             for p in group["params"] if not group["weight_decay"]]
    assert {names[id(p)].rpartition(".")[2] for p in found if p.ndim > 1} == free


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="'nonet' is unknown; .*: fcn, unet, vit, swin, timm"):
        build_model("nonet", 5)
    with pytest.raises(ConfigError, match="option of fcn 'skips' is unknown.*: width, dropout"):
        build_model("fcn", 5, skips=False)
    with pytest.raises(ConfigError, match="option of swin 'width' is unknown"):
        build_model("swin", 5, width=16)
    for name, known in (("vit", "mini, b16"), ("swin", "mini, t, b")):
        with pytest.raises(ConfigError, match=f"size of {name} 'huge' .*: {known}"):
            build_model(name, 5, size="huge")


def test_sizes_without_published_weights_say_which_have_them():
    with pytest.raises(ConfigError, match="pretrained size of vit 'mini' is unknown; .*: b16"):
        build_model("vit", 5, size="mini", pretrained=True)
    with pytest.raises(ConfigError, match="pretrained size of swin 'mini' is unknown; .*: t, b"):
        build_model("swin", 5, size="mini", pretrained=True)


def test_number_of_parameters():
    with torch.device("meta"):
        networks = [build_model("fcn", 19), *(build_model("unet", 19, width=w) for w in (64, 16))]
        networks += [build_model("vit", 19, size="mini"), build_model("swin", 19, size="mini")]
    millions = [round(count_parameters(network) / 1e6, 1) for network in networks]
    assert millions == [0.5, 31.0, 1.9, 3.1, 3.9]


@pytest.mark.parametrize(
    ("options", "channels"),
    [({}, [4, 8, 16, 32, 64]), ({"bottleneck": "keeping", "levels": 2}, [4, 8, 8])],
)
def test_the_bottleneck_doubles_or_keeps_the_channels(options, channels):
    with torch.no_grad():
        levels = build("unet", **options).encoder(image(1, 32, 32))
    assert [level.shape[1:] for level in levels] == [
        (count, 32 >> level, 32 >> level) for level, count in enumerate(channels)
    ]


@pytest.mark.parametrize("case", ["unet", "swin"])
def test_skips_are_counted_from_the_coarsest(case):
    counts = range(len(build(case).decoder) + 1)
    joined = [[up.joins for up in build(case, skips=count).decoder] for count in counts]
    assert joined == [[True] * count + [False] * (len(counts) - 1 - count) for count in counts]
    with pytest.raises(ConfigError, match=f"skips {len(counts)}: this network has {counts[-1]}"):
        build(case, skips=len(counts))
    assert all(up.joins for up in build("unet", levels=5).decoder)


def test_swin_windows_that_fit_need_no_padding():
    net = build("swin", window=(2, 3))
    assert multiply_adds(net, (64, 96)) < multiply_adds(build("swin", window=(2, 2)), (64, 96))
    with pytest.raises(ConfigError, match="pretrained swin has one of 7x7"):
        build("swin", size="t", window=(6, 8), pretrained=True)


def test_swin_encoder_computes_what_torchvision_does():
    """The gradient-safe look-up of position biases must be the same look-up."""
    from torchvision.models import SwinTransformer
    encoder = build("swin").encoder.eval()
    reference = SwinTransformer([4, 4], 8, [2, 2, 2, 2], [1, 2, 2, 4], [7, 7]).eval()
    missing, unexpected = reference.load_state_dict(encoder.state_dict(), strict=False)
    assert (missing, unexpected) == (["head.weight", "head.bias"], [])
    batch = image(1, 96, 64)
    with torch.no_grad():
        assert torch.equal(encoder(batch)[-1], reference.norm(reference.features(batch)))


def test_vit_encoder_computes_what_torchvision_does():
    from torchvision.models import VisionTransformer
    encoder = build("vit").encoder.eval()
    reference = VisionTransformer(224, 16, 2, 3, 24, 96).eval()
    state = {**reference.state_dict(), **encoder.state_dict()}
    reference.load_state_dict(state)
    tokens = []
    reference.encoder.register_forward_hook(lambda module, args, output: tokens.append(output))
    with torch.no_grad():
        reference(image(1, 224, 224))
        features = encoder(image(1, 224, 224))  # (1, C, 14, 14)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), tokens[0][:, 1:])


def test_vit_position_embeddings_keep_their_place():
    encoder = build("vit").encoder
    stored = encoder.encoder.pos_embedding
    with torch.no_grad():  # a ramp from left to right and one from top to bottom
        ramp = torch.linspace(-1, 1, 14)
        stored[0, 1:, 0], stored[0, 1:, 1] = ramp.repeat(14), ramp.repeat_interleave(14)
        assert encoder.positions(14, 14) is stored
        positions = encoder.positions(6, 20)
    assert positions.shape == (1, 1 + 6 * 20, 24)
    assert torch.equal(positions[:, 0], stored[:, 0])
    across, down = (positions[0, 1:, channel].view(6, 20) for channel in (0, 1))
    assert (across.diff(dim=1) > 0).all() and across.std(dim=0).max() < 1e-5
    assert (down.diff(dim=0) > 0).all() and down.std(dim=1).max() < 1e-5
    torch.testing.assert_close(across, -across.flip(1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["vit", "swin"])
def test_stochastic_depth_grows_from_zero_and_rests_in_evaluation(case):
    from torchvision.ops import StochasticDepth
    net = build(case, stochastic_depth=0.5, dropout=0.0)
    rates = [module.p for module in net.modules() if isinstance(module, StochasticDepth)]
    assert rates == sorted(rates) and rates[0] == 0 and rates[-1] == 0.5
    with torch.no_grad():
        batch = image(4, 32, 32)
        first, second = net.train()(batch), net(batch)
        assert not torch.allclose(first, second)
        assert torch.equal(net.eval()(batch), net(batch))


def test_swin_gradients_do_not_depend_on_the_order_of_threads():
    attention = swin_module.WindowAttention(32 * 8, [7, 7], [0, 0], num_heads=32)
    table, weights = attention.relative_position_bias_table, torch.randn(1, 32, 49, 49)
    threads, gradients = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for _ in range(10):
            bias = attention.get_relative_position_bias()
            gradients.append(torch.autograd.grad((bias * weights).sum(), table)[0])
    finally:
        torch.set_num_threads(threads)
    assert bias.shape == (1, 32, 49, 49)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
