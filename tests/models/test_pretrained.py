"""Published ImageNet weights: found, verified, loaded, and what is said when that can't be done."""

import functools
import http.server
import threading
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from seglib.errors import ConfigError, RecordError
from seglib.files import sha256_of
from seglib.models import build_model, pretrained
from seglib.models import swin as swin_module
from seglib.models import vit as vit_module

SMALL_SWIN = {"embed_dim": 16, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 2, 4]}


def torchvision_model(name: str) -> nn.Module:
    """Small networks with torchvision's own code, and so with the keys of its weights files."""
    if name == "vit_b_16":
        return torchvision.models.VisionTransformer(224, 16, 2, 2, 16, 64)
    second = {"block": torchvision.models.swin_transformer.SwinTransformerBlockV2,
              "downsample_layer": torchvision.models.swin_transformer.PatchMergingV2}
    window = [8, 8] if "v2" in name else [7, 7]
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4], window_size=window, **SMALL_SWIN, **(second if "v2" in name else {})
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub, small networks under published names, and no proxies."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setitem(vit_module.SIZES, "b16", vit_module.Size(16, 2, 2, "vit_b_16"))
    for size, window, name in (("t", 7, "swin_t"), ("v2_t", 8, "swin_v2_t")):
        small = swin_module.Size(16, (2, 2, 2, 2), (1, 2, 2, 4), window, name)
        monkeypatch.setitem(swin_module.SIZES, size, small)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    assert folder.is_relative_to(tmp_path)
    return folder


def publish(value, name: str, folder: Path, monkeypatch, base="http://127.0.0.1:9") -> Path:
    """Save a weights file under a name that ends in its sha256, as torchvision publishes them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(value, folder / "new.pth")
    file = folder / f"{name}-{sha256_of(folder / 'new.pth')[:8]}.pth"
    (folder / "new.pth").rename(file)
    monkeypatch.setattr(pretrained, "published_url", lambda name: f"{base}/{file.name}")
    return file


@pytest.fixture
def server(tmp_path: Path):
    """A web server on this machine: the folder that it serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


CASES = [
    ("vit", "b16", "vit_b_16"),
    ("swin", "t", "swin_t"),
    ("swin", "v2_t", "swin_v2_t"),
]


@pytest.mark.parametrize(("model", "size", "name"), CASES)
def test_cached_weights_reach_the_encoder(model, size, name, hub, monkeypatch):
    weights = torchvision_model(name).state_dict()
    publish(weights, name, hub, monkeypatch)
    encoder = build_model(model, 5, size=size, pretrained=True).encoder.state_dict()
    assert {key for key in weights if not key.startswith("head")} == set(encoder)
    assert all(torch.equal(encoder[key], weights[key]) for key in encoder)
    fresh = build_model(model, 5, size=size).encoder.state_dict()
    assert any(not torch.equal(encoder[key], fresh[key]) for key in encoder)


def test_keys_of_the_first_vision_transformers_are_understood(hub, monkeypatch):
    """The published vit_b_16 file is older than the names of its layers in today's torchvision."""
    weights = torchvision_model("vit_b_16").state_dict()
    renamed = {
        key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
        for key, value in weights.items()
    }
    assert set(renamed) != set(weights)
    publish(renamed, "vit_b_16", hub, monkeypatch)
    encoder = build_model("vit", 5, size="b16", pretrained=True).encoder.state_dict()
    assert all(torch.equal(encoder[key], weights[key]) for key in encoder)


@pytest.mark.parametrize(("module", "name"), [(vit_module, "vit"), (swin_module, "swin")])
def test_published_names_hold_a_hash_and_the_shapes_are_torchvisions(module, name):
    published = {key: size.published for key, size in module.SIZES.items() if size.published}
    assert len(published) == (1 if name == "vit" else 6)
    for key, torchvision_name in published.items():
        url = pretrained.published_url(torchvision_name)
        assert url.startswith(f"https://download.pytorch.org/models/{torchvision_name}-")
        with torch.device("meta"):
            ours = build_model(name, 5, size=key).encoder.state_dict()
            theirs = torchvision.models.get_model(torchvision_name).state_dict()
        kept = {k: v.shape for k, v in theirs.items() if not k.startswith("head")}
        assert {k: v.shape for k, v in ours.items()} == kept


def test_missing_weights_are_fetched_once(hub, server, monkeypatch):
    served, address = server
    weights = torchvision_model("swin_t").state_dict()
    file = publish(weights, "swin_t", served, monkeypatch, address)
    first = build_model("swin", 5, size="t", pretrained=True).encoder.state_dict()
    assert (hub / file.name).read_bytes() == file.read_bytes()
    file.unlink()  # from now on only the cache has it
    second = build_model("swin", 5, size="t", pretrained=True).encoder.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in weights if key in first)


def test_a_damaged_download_is_not_kept(hub, server, monkeypatch):
    served, address = server
    file = publish({}, "swin_t", served, monkeypatch, address)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(RecordError, match="what arrived has a sha256 that does not begin with"):
        build_model("swin", 5, size="t", pretrained=True)
    assert not list(hub.glob("*.pth"))


def test_without_network_the_message_says_what_to_put_where(hub, monkeypatch):
    url = "http://127.0.0.1:9/models/vit_b_16-0123abcd.pth"  # a port where nothing listens
    monkeypatch.setattr(pretrained, "published_url", lambda name: url)
    with pytest.raises(RecordError) as caught:
        build_model("vit", 5, size="b16", pretrained=True)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("vit_b_16-0123abcd.pth", url, str(hub), "pretrained"):
        assert part in message
    assert not list(hub.glob("*.pth"))


def test_a_cached_file_with_other_bytes_is_refused(hub, monkeypatch):
    file = publish(torchvision_model("swin_t").state_dict(), "swin_t", hub, monkeypatch)
    file.write_bytes(file.read_bytes() + b"?")
    with pytest.raises(RecordError, match=f"{file.name}: its sha256 does not begin with"):
        build_model("swin", 5, size="t", pretrained=True)


class Intruder:
    """What it leaves behind shows whether loading a file ran its code."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_a_weights_file_can_not_run_code(hub, monkeypatch, tmp_path):
    mark = tmp_path / "ran"
    publish({"norm.weight": Intruder(mark)}, "swin_t", hub, monkeypatch)
    with pytest.raises(RecordError, match="not a readable weights file of swin_t") as caught:
        build_model("swin", 5, size="t", pretrained=True)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda weights: weights.pop("norm.weight"), "Missing key.*norm.weight"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "Unexpected key.*extra"),
        (lambda weights: weights.update({"norm.bias": torch.zeros(3)}), "size mismatch.*norm.bias"),
    ],
)
def test_weights_that_do_not_fit_are_named(change, reason, hub, monkeypatch):
    weights = dict(torchvision_model("swin_t").state_dict())
    change(weights)
    publish(weights, "swin_t", hub, monkeypatch)
    with pytest.raises(RecordError, match=f"not the weights of swin_t: .*{reason}") as caught:
        build_model("swin", 5, size="t", pretrained=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [[1, 2], b"bytes"])
def test_a_file_without_named_tensors_is_refused(value, hub, monkeypatch):
    publish(value, "swin_t", hub, monkeypatch)
    with pytest.raises(RecordError, match="swin_t"):
        build_model("swin", 5, size="t", pretrained=True)


def test_sizes_without_published_weights_say_which_have_them():
    with pytest.raises(ConfigError, match="size 'tiny' of vit has no pretrained weights; b16 does"):
        build_model("vit", 5, pretrained=True)
    with pytest.raises(ConfigError, match="'nano' of swin has no .*; t, s, b, v2_t, v2_s, v2_b do"):
        build_model("swin", 5, pretrained=True)
    with pytest.raises(ConfigError, match="patch 8: the pretrained weights of vit need patch 16"):
        build_model("vit", 5, size="b16", patch=8, pretrained=True)
