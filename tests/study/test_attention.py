"""Windows and their shift against torchvision and by hand; maps of attention by perturbation."""

import numpy as np
import pytest
import torch
from torchvision.models.swin_transformer import ShiftedWindowAttention

from seglib.errors import ConfigError
from seglib.models import build_model
from study import attention
from study.attention import Attention, attention_blocks

IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def window_layer():
    torch.manual_seed(1)
    layer = ShiftedWindowAttention(12, [5, 7], [2, 3], 3).eval()
    torch.nn.init.normal_(layer.relative_position_bias_table)  # as strong as the scores
    return layer


def test_window_numbers_by_hand():
    assert attention.window_ids((2, 5), (2, 2)).tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2]]
    moved = attention.window_ids((4, 4), (2, 2), (1, 1))
    assert moved.tolist() == [[0, 1, 1, 2], [3, 4, 4, 5], [3, 4, 4, 5], [6, 7, 7, 8]]
    moved = attention.window_ids((2, 5), (1, 3), (0, 1))
    assert moved.tolist() == [[0, 1, 1, 1, 2], [3, 4, 4, 4, 5]]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 16), (9, 9), (4, 5)])
def test_a_token_depends_on_those_that_it_is_seen_to_look_at(row, column):
    layer = window_layer()
    features = torch.randn(1, 10, 17, 12)
    found = attention._window_attention(layer, features, 40)
    assert found.cell == 4
    assert found.weights.masked_select(~found.allowed[:, None]).max() < 1e-6  # in the same order
    seen = ~np.isnan(found.seen_from(row, column, head=0))
    assert 1 < seen.sum() < 50 and seen[row, column]
    with torch.no_grad():
        before = layer(features)[0, row, column]
        for other in np.ndindex(10, 17):
            changed = features.clone()
            changed[(0, *other)] += 5
            moved = not layer(changed)[0, row, column].allclose(before, atol=1e-6)
            assert moved == seen[other], other


def test_attention_of_a_vision_transformer():
    model = build_model("vit", 5, size="mini").eval()
    blocks = list(attention_blocks(model, IMAGE))
    assert len(blocks) == 6 and blocks[0].grid == (4, 6) and blocks[0].cell == 16
    assert blocks[0].weights.shape == (1, 3, 25, 25)
    layer, taken = model.encoder.encoder.layers[0].self_attention, []
    handle = layer.register_forward_pre_hook(lambda module, args: taken.append(args[0]))
    with torch.no_grad():
        model(IMAGE)
        handle.remove()
        joint = taken[0] @ layer.in_proj_weight.T + layer.in_proj_bias  # (1, 25, 3·192)
    query, key, _ = joint[0].view(25, 3, 3, 64).permute(1, 2, 0, 3)  # (heads, 25, 64) each
    weights = (query @ key.transpose(1, 2) / 8).softmax(dim=-1)
    torch.testing.assert_close(blocks[0].weights[0], weights)
    # The class token comes first and lies nowhere; the token of row 1, column 2 is the tenth.
    seen = blocks[0].seen_from(1, 2, head=1)
    np.testing.assert_allclose(seen.ravel(), weights[1, 9, 1:], rtol=1e-4)


def test_attention_of_a_swin():
    model = build_model("swin", 5, size="mini").eval()
    blocks = list(attention_blocks(model, IMAGE))
    firsts = [blocks[number] for number in (0, 2, 4, 10)]  # of the levels
    assert [block.grid for block in firsts] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert [block.cell for block in firsts] == [4, 8, 16, 32]
    assert [block.weights.shape[1] for block in firsts] == [1, 2, 4, 8]
    assert not any(module._forward_pre_hooks for module in model.modules())
    with pytest.raises(ConfigError, match="FCN has no attention"):
        list(attention_blocks(build_model("fcn", 5, width=4), IMAGE))


def test_distances_by_hand():
    places = torch.tensor([[attention.NOWHERE, 0, 1, 2]])  # one row of three places
    alike, itself = torch.full((4, 4), 0.25), torch.eye(4)
    lost = torch.tensor([0.6, 0.4, 0, 0]).expand(4, 4)  # the rest goes to the first place
    everything = torch.ones(1, 4, 4, dtype=torch.bool)
    weights = torch.stack([itself, alike, lost])[None]
    found = Attention(weights, everything, places, (1, 3), cell=16)
    by_hand = [0, 16 * (1 + 2 / 3 + 1) / 3, 16 * (0 + 1 + 2) / 3]
    np.testing.assert_allclose(found.distances(), by_hand, rtol=1e-6)
    assert found.even_distance() == pytest.approx(by_hand[1])
    # Where it may look, but doesn't, is not outside of the window.
    np.testing.assert_array_equal(found.seen_from(0, 1, head=0), [[0, 1, 0]])
