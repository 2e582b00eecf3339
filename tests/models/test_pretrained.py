"""Published ImageNet weights: found, fetched, loaded, and what is said when that can't be done."""

from pathlib import Path

import pytest
import torch
import torchvision
from servers import served
from torch import nn
from torchvision.models import Weights, WeightsEnum

from seglib.errors import RecordError
from seglib.files import sha256_of
from seglib.models import build_model, pretrained
from seglib.models import swin as swin_module
from seglib.models import vit as vit_module

NOWHERE = "http://127.0.0.1:9"  # a port where nothing listens


def torchvision_model(name: str) -> nn.Module:
    """Small networks with torchvision's own code, and so with the keys of its weights files."""
    if name == "vit_b_16":
        return torchvision.models.VisionTransformer(224, 16, 2, 2, 16, 64)
    return torchvision.models.SwinTransformer([4, 4], 16, [2, 2, 2, 2], [1, 2, 2, 4], [7, 7])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub, small networks under published names, and no proxies."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    small = {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "mlp_dim": 64}
    monkeypatch.setitem(vit_module.SIZES, "b16", small)
    small = {"embed_dim": 16, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 2, 4]}
    monkeypatch.setitem(swin_module.SIZES, "t", small)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "torch" / "hub" / "checkpoints"


def publish(value, folder: Path, monkeypatch, base: str = NOWHERE) -> Path:
    """Save a weights file under a name that ends in its sha256, as torchvision publishes them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(value, folder / "new.pth")
    file = folder / f"network-{sha256_of(folder / 'new.pth')[:8]}.pth"
    (folder / "new.pth").rename(file)

    class Published(WeightsEnum):
        IMAGENET1K_V1 = Weights(url=f"{base}/{file.name}", transforms=None, meta={})

    monkeypatch.setattr(pretrained, "get_model_weights", lambda name: Published)
    return file


@pytest.fixture
def server(tmp_path: Path):
    """A web server on this machine: the folder that it serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    with served(folder) as (address, _):
        yield folder, address


@pytest.mark.parametrize(
    ("model", "size", "name"), [("vit", "b16", "vit_b_16"), ("swin", "t", "swin_t")]
)
def test_cached_weights_reach_the_encoder(model, size, name, hub, monkeypatch):
    weights = torchvision_model(name).state_dict()
    publish(weights, hub, monkeypatch)
    encoder = build_model(model, 5, size=size, pretrained=True).encoder.state_dict()
    assert {key for key in weights if not key.startswith("head")} == set(encoder)
    assert all(torch.equal(encoder[key], weights[key]) for key in encoder)
    fresh = build_model(model, 5, size=size).encoder.state_dict()
    assert any(not torch.equal(encoder[key], fresh[key]) for key in encoder)


def test_keys_of_the_first_vision_transformers_are_understood(hub, monkeypatch):
    # The published vit_b_16 file is older than the names of its layers in today's torchvision.
    weights = torchvision_model("vit_b_16").state_dict()
    renamed = {
        key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
        for key, value in weights.items()
    }
    assert set(renamed) != set(weights)
    publish(renamed, hub, monkeypatch)
    encoder = build_model("vit", 5, size="b16", pretrained=True).encoder.state_dict()
    assert all(torch.equal(encoder[key], weights[key]) for key in encoder)


@pytest.mark.parametrize(("module", "name"), [(vit_module, "vit"), (swin_module, "swin")])
def test_published_networks_have_the_shapes_of_ours(module, name):
    assert module.PUBLISHED
    for size, torchvision_name in module.PUBLISHED.items():
        url = torchvision.models.get_model_weights(torchvision_name)["IMAGENET1K_V1"].url
        assert url.startswith(f"https://download.pytorch.org/models/{torchvision_name}-")
        with torch.device("meta"):
            ours = build_model(name, 5, size=size).encoder.state_dict()
            theirs = torchvision.models.get_model(torchvision_name).state_dict()
        kept = {k: v.shape for k, v in theirs.items() if not k.startswith("head")}
        assert {k: v.shape for k, v in ours.items()} == kept


def test_missing_weights_are_fetched_once(hub, server, monkeypatch):
    served, address = server
    file = publish(torchvision_model("swin_t").state_dict(), served, monkeypatch, address)
    first = build_model("swin", 5, size="t", pretrained=True).encoder.state_dict()
    assert (hub / file.name).read_bytes() == file.read_bytes()
    file.unlink()  # from now on only the cache has it
    second = build_model("swin", 5, size="t", pretrained=True).encoder.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def refusal(hub: Path) -> str:
    """The one line that says why the weights can't be loaded."""
    with pytest.raises(RecordError, match="pretrained weights of swin_t can't be load") as caught:
        build_model("swin", 5, size="t", pretrained=True)
    message = str(caught.value)
    assert "\n" not in message and str(hub) in message
    return message


def test_a_damaged_download_is_not_kept(hub, server, monkeypatch):
    served, address = server
    file = publish({}, served, monkeypatch, address)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "invalid hash value" in refusal(hub)
    assert not list(hub.glob("*.pth"))


def test_without_network_the_message_says_what_to_put_where(hub, tmp_path, monkeypatch):
    file = publish({}, tmp_path, monkeypatch)
    assert f"download {NOWHERE}/{file.name} elsewhere and put it there as {hub}" in refusal(hub)
    assert not list(hub.glob("*.pth"))


class Intruder:
    """What it leaves behind shows whether loading a file ran its code."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_a_weights_file_can_not_run_code(hub, monkeypatch, tmp_path):
    publish({"norm.weight": Intruder(tmp_path / "ran")}, hub, monkeypatch)
    refusal(hub)
    assert not (tmp_path / "ran").exists()
