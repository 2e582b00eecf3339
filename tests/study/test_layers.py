"""Layer tables, multiply-adds and receptive fields, against other sources and by perturbation."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from seglib.models import build_model
from seglib.models.inspection import count_parameters, multiply_adds
from study.layers import effective_receptive_field, layer_table, receptive_field


@pytest.mark.parametrize(
    ("name", "published"),  # GFLOPS of torchvision's weights tables, at 224
    [("resnet50", 4.09), ("vit_b_16", 17.56), ("swin_t", 4.49)],
)
def test_multiply_adds_of_published_models(name, published):
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    assert multiply_adds(model, 224) / 1e9 == pytest.approx(published, rel=0.02)
    table = layer_table(model, 224)
    assert table["multiply_adds"].sum() == multiply_adds(model, 224)
    assert table["parameters"].sum() == count_parameters(model)


def test_multiply_adds_by_hand():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 5, 2, stride=2))
    assert multiply_adds(layers, (6, 10)) == 8 * 3 * 9 * 6 * 10 + 8 * 5 * 4 * 6 * 10


def test_attention_products_are_counted():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(3, 12)

        def forward(self, image):
            tokens = image.flatten(2).transpose(1, 2)  # (N, L, 3)
            query, key, value = self.qkv(tokens).chunk(3, dim=-1)
            return nn.functional.scaled_dot_product_attention(query, key, value)

    model, length = Attention(), 6 * 4
    table = layer_table(model, (6, 4)).set_index("kind")
    assert table.loc["Linear", "multiply_adds"] == length * 3 * 12
    assert table.loc["Attention", "multiply_adds"] == 2 * length * length * 4
    assert receptive_field(model) is None


@pytest.mark.parametrize("name", ["fcn", "unet"])
def test_layer_table_of_our_models(name):
    model = build_model(name, 5, width=4).train()
    table = layer_table(model, (48, 32))
    assert table["parameters"].sum() == count_parameters(model)
    assert table["shape"].iloc[-1] == (5, 48, 32)
    assert table["receptive_field"].is_monotonic_increasing
    assert table["receptive_field"].iloc[-1] == receptive_field(model)
    assert model.training
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_shared_parameters_count_once():
    layer = nn.Conv2d(3, 3, 1)
    model = nn.Sequential(layer, layer)
    table = layer_table(model, 4)
    assert table["parameters"].tolist() == [12, 0]
    assert count_parameters(model) == 12
    assert (table["multiply_adds"] == 9 * 16).all()


@pytest.mark.parametrize(("layers", "side"), [
    ([nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)], 5),
    ([nn.Conv2d(3, 3, 7, stride=2), nn.MaxPool2d(3, 2)], 11),  # ResNet's stem
    ([nn.Conv2d(3, 3, 3, dilation=4)], 9), ([nn.AdaptiveAvgPool2d(1)], None),
    # Three pixels of a doubled map come from two, whatever the alignment.
    ([nn.ConvTranspose2d(3, 3, 2, stride=2), nn.Conv2d(3, 3, 3)], 2),
])
def test_receptive_field_by_hand(layers, side):
    assert receptive_field(nn.Sequential(*layers)) == side


@pytest.mark.parametrize(("name", "side"), [("resnet18", 435), ("resnet50", 427)])  # published
def test_shortcuts_beside_the_path_are_not_on_it(name, side):
    layers = list(torchvision.models.get_model(name).children())
    assert receptive_field(nn.Sequential(*layers[:-2])) == side


def test_pooling_without_a_layer_sees_everything():
    # squeeze-and-excitation takes the mean of each map
    assert receptive_field(build_model("timm", 2, encoder="test_efficientnet")) is None
    assert receptive_field(build_model("timm", 2)) == 979


@pytest.mark.parametrize(("name", "size"), [("fcn", 48), ("unet", 256)])
def test_receptive_field_is_what_gradients_reach(name, size):
    model = build_model(name, 2, width=2).double().eval()
    for module in list(model.modules()):
        if isinstance(module, nn.MaxPool2d):  # gradients of a maximum reach one pixel only
            module.forward = lambda x: nn.functional.avg_pool2d(x, 2)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    image = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    logits = model(image)
    widest = 0
    for column in range(size // 2 - 8, size // 2 + 8):  # the widest of every alignment
        (gradient,) = torch.autograd.grad(
            logits[0, :, size // 2, column].sum(), image, retain_graph=True
        )
        columns = gradient[0].abs().sum(dim=(0, 1)).nonzero().ravel()
        widest = max(widest, int(columns.max() - columns.min()) + 1)
    assert widest == receptive_field(model)


def test_effective_receptive_field():
    torch.manual_seed(0)
    model = build_model("fcn", 3, width=4)
    field = effective_receptive_field(model, (32, 48), inputs=4)
    assert field.shape == (32, 48)
    assert field.max() == 1
    rows, columns = np.nonzero(field)
    assert rows.max() - rows.min() < receptive_field(model)
    assert columns.min() > 0 and columns.max() < 47  # it ends before the border
    np.testing.assert_array_equal(field, effective_receptive_field(model, (32, 48), inputs=4))


def test_dilation_widens_the_receptive_field_and_nothing_else():
    plain, wide = (build_model("fcn", 3, width=4, dilation=dilation) for dilation in (1, 4))
    assert receptive_field(plain) < receptive_field(wide)
    assert count_parameters(plain) == count_parameters(wide)
