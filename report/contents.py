"""What the report shows and says of its numbers: the tables, and claims that must hold.

Names of numbers are those of `build.all_numbers`. A claim is a sentence of the text, or as much of
one as is fixed, with the condition under which it is true: `build.py` refuses to go on when a
sentence is no longer in the text, or no longer true.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from seglib.data.datasets import dataset_spec
from seglib.text import DATASET_NAMES, MODEL_NAMES, setting_name
from study.corruptions import CORRUPTIONS

DATASETS, MODELS = ("miniscapes", "camvid"), ("fcn", "unet", "vit", "swin")
RUNS = {f"{DATASET_NAMES[d]}, {MODEL_NAMES[m]}": f"{d}/{m}" for d in DATASETS for m in MODELS}
DRIVES = ("0001TP", "0006R0", "0016E5", "Seq05VD")  # of CamVid
PAIRS = ("unet-fcn", "unet-vit", "unet-swin", "swin-fcn", "swin-vit", "fcn-vit")
# Groups of the study's plan whose runs have names of their own.
GROUPS = (
    *("models", "fine-tuned", "ablations", "full augmentation", "winner at full size"),
    "recipe beside the sweep",
)
INTERVALS = ("miou", "pixel_accuracy", "iou:pole", "iou:person", "iou:rider", "iou:road")
SWIN_PARTS = (
    *("without warm-up", "decay on everything", "without stochastic depth"),
    *("unweighted classes", "none of these"),
)
AUGMENTATIONS = ("none", "flip + rotation", "scale-crop")  # less than the full one
RATES = ("5e-4", "1e-3", "2e-3", "4e-3")
RECIPE = (
    *("image_size", "epochs", "batch_size", "width", "size", "loss", "class_weights", "optimizer"),
    *("learning_rate", "weight_decay", "schedule", "clip_norm", "flip", "rotation", "jitter"),
    *("dropout", "validate_every"),
)


def each(names: Sequence[str], template: str = "<>") -> dict[str, str]:
    """Rows or columns headed by names, which take the place of <> in the template."""
    return {name: template.replace("<>", name) for name in names}


def by_model(template: str, models: Sequence[str] = MODELS) -> dict[str, str]:
    """Columns headed by networks, whose keys take the place of <> in the template."""
    return {MODEL_NAMES[model]: template.replace("<>", model) for model in models}


def of_classes(dataset: str) -> dict[str, str]:
    """Rows for a dataset's classes and their mean."""
    return each(dataset_spec(dataset).class_set.names) | {"mean": "miou"}


# Rows, then columns: what stands for a row goes into the {} of a column's name.
TABLES: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "datasets": (
        {
            "scenes in train, val, test": "scenes",
            "height×width of an image": "size",
            "scored classes": "classes",
            "pixels not scored (%)": "void",
            "single objects": "single objects",
            "coarse masks": "coarse masks",
            "pixels of the commonest class per pixel of the rarest": "ratio",
            "val mIoU of the place alone (%)": "floor miou",
        },
        {DATASET_NAMES[dataset]: f"{dataset}/data/{{}}" for dataset in DATASETS},
    ),
    "models": (
        RUNS,
        {
            "parameters (M)": "{}/parameters",
            "mult.-adds (G)": "{}/multiply-adds",
            "minutes": "{}/minutes",
            "val mIoU": "{}/val/miou",
            "test mIoU": "{}/test/miou interval",
            "pixel acc.": "{}/test/pixel_accuracy",
            "iIoU": "{}/test/miiou",
        },
    ),
    "pairs": (
        {" − ".join(MODEL_NAMES[model] for model in pair.split("-")): pair for pair in PAIRS},
        {DATASET_NAMES[dataset]: f"{dataset}/{{}}" for dataset in DATASETS},
    ),
    "drives": (
        each(DRIVES),
        each(("train", "val", "test"), "camvid/{}/<>") | by_model("camvid/<>/{}"),
    ),
    "fine-tuned": (
        {
            "val, from scratch": "/val/miou interval",
            "val, fine-tuned": ":fine-tuned/val/miou interval",
            "val, difference": ":fine-tuned/val/gain",
            "test, from scratch": "/test/miou interval",
            "test, fine-tuned": ":fine-tuned/test/miou interval",
            "test, difference": ":fine-tuned/test/gain",
        },
        by_model("camvid/<>{}", ("unet", "swin")),
    ),
    "beside-scores": (
        RUNS,
        {f"{width} px": f"{{}}/band {width}" for width in (1, 4, 16)}
        | each(("inside", "ECE", "surplus"), "{}/<>")
        | each((*CORRUPTIONS, "mean"), "{}/kept <>")
        | {"abroad": "{}/abroad"},
    ),
    "recipe": (
        {setting_name(field): f"set {field}" for field in RECIPE},
        by_model("miniscapes/<>/{}"),
    ),
    "classes-miniscapes": (of_classes("miniscapes"), by_model("miniscapes/<>/test/{}")),
    "classes-camvid": (of_classes("camvid"), by_model("camvid/<>/test/{}")),
    "classes-fine-tuned": (
        of_classes("camvid"),
        by_model("camvid/<>:fine-tuned/test/{}", ("unet", "swin")),
    ),
}


Values = Mapping[str, float]  # by name; "… low" and "… high" are the bounds of an interval


def rise(v: Values, template: str, *parts: str) -> bool:
    """Whether the values called by the template rise strictly, each part in the place of <>."""
    return all(low < high for low, high in pairwise(v[template.replace("<>", p)] for p in parts))


def largest(v: Values, template: str, parts: Sequence[str] = MODELS) -> str:
    """The part whose value, called by the template, is the largest."""
    return max(parts, key=lambda part: v[template.replace("<>", part)])


def everywhere(holds: Callable[[str], bool], names: Iterable[str] = DATASETS) -> bool:
    """Whether something holds for all these names, all datasets unless others are given."""
    return all(map(holds, names))


def terrain_loses_most(v: Values) -> bool:
    lost = {name: v[f"miniscapes/unet:U-Net/val/{name}"]
            - v[f"miniscapes/unet:without skips/val/{name}"]
            for name in dataset_spec("miniscapes").class_set.names}
    return max(lost, key=lost.__getitem__) == "terrain"


def harshest(v: Values, dataset: str) -> str:
    """The disturbance under which the four networks keep least of their mIoU."""
    return min(CORRUPTIONS, key=lambda kind: sum(v[f"{dataset}/{m}/kept {kind}"] for m in MODELS))


CLAIMS: tuple[tuple[str, Callable[[Values], bool]], ...] = (
    # Data
    ("every network has to beat it.", lambda v: everywhere(
        lambda run: v[f"{run}/val/miou"] > v[f"{run.split('/')[0]}/data/floor miou"],
        RUNS.values())),
    ("Val is one clip:", lambda v: everywhere(
        lambda drive: (v[f"camvid/{drive}/val"] > 0) == (drive == "0016E5"), DRIVES)),
    ("the only drive that no network has seen.",
     lambda v: v["camvid/Seq05VD/train"] == 0 < v["camvid/0001TP/train"]),
    # Overview
    ("A full run took the processor of an ordinary computer between", lambda v: everywhere(
        lambda d: v[f"{d}/fcn/minutes"] == min(v[f"{d}/{m}/minutes"] for m in MODELS))
        and largest(v, "camvid/<>/minutes") == "vit"
        and v["miniscapes/swin/minutes"] >= round(v["miniscapes/vit/minutes"] - 0.5)),
    ("On both, the Swin network follows the U-Net and the Vision Transformer comes last.",
     lambda v: everywhere(lambda d: rise(v, f"{d}/<>/test/miou", "vit", "fcn", "swin", "unet"))),
    ("the order from best to worst, by mIoU on test, is the U-Net",
     lambda v: everywhere(lambda d: rise(v, f"{d}/<>/test/miou", "vit", "fcn", "swin", "unet"))),
    ("between the cheapest and the dearest there is less than a factor of two.",
     lambda v: max(v[f"miniscapes/{m}/multiply-adds"] for m in MODELS)
     < 2 * min(v[f"miniscapes/{m}/multiply-adds"] for m in MODELS)),
    ("The transformers have about three times the parameters of the U-Net.", lambda v: everywhere(
        lambda m: 2.8 < v[f"miniscapes/{m}/parameters"] / v["miniscapes/unet/parameters"] < 3.2,
        ("vit", "swin"))),
    # The networks on MiniScapes
    ("most of the score can be had without looking at the image.", lambda v:
     2 * v["miniscapes/data/floor accuracy"] > v["miniscapes/fcn/val/pixel_accuracy"]),
    ("not far apart: hardly anything is learned by heart.", lambda v:
     0 < v["miniscapes/fcn/last val loss"] - v["miniscapes/fcn/last loss"] < 0.2),
    ("there the FCN is even better,", lambda v:
     v["miniscapes/fcn/val/pole"] > v["miniscapes/data/grid 8 pole"]),
    ("Most of the FCN's errors lie near boundaries,", lambda v:
     v["miniscapes/fcn/wrong within 8"] > 50),
    ("the U-Net is better than the FCN by", lambda v: everywhere(
        lambda d: v[f"{d}/unet-fcn low"] > 0)),
    ("Both kinds of error go down.", lambda v: everywhere(
        lambda where: rise(v, f"miniscapes/<>/wrong {where}", "unet", "fcn"), ("near", "far"))),
    ("Its outlines know as little of the grid as the truth does", lambda v:
     v["miniscapes/unet/grid"] < 1.1 * v["miniscapes/fcn/true grid"]),
    ("No class stays below 10\\,\\%,", lambda v: v["miniscapes/unet/val/missed"] == 0),
    ("All three parts count, beyond the scatter of the images:", lambda v: everywhere(
        lambda part: v[f"miniscapes/unet:{part}/val/gain high"] < 0,
        ("without skips", "without batch norm", "half width"))),
    ("Skips sharpen:", lambda v:
     rise(v, "miniscapes/unet:<>/wrong near", "U-Net", "without skips")),
    ("Terrain, which is anything but thin, loses most,", terrain_loses_most),
    ("the ViT is worse than the FCN by", lambda v: everywhere(
        lambda d: v[f"{d}/fcn-vit low"] > 0)),
    ("and worse than the U-Net by", lambda v: everywhere(
        lambda m: v[f"miniscapes/unet-{m} low"] > 0, ("vit", "swin"))),
    ("It is better than the ViT by", lambda v: v["miniscapes/swin-vit low"] > 0),
    ("Augmenting by flips only is better than the unchanged run by", lambda v:
     v["miniscapes/swin:flips only/val/gain low"] > v["seeds/two runs"]),
    ("stay within two points of the unchanged run:", lambda v: everywhere(
        lambda part: abs(v[f"miniscapes/swin:{part}/val/gain"]) < 2 < v["seeds/two runs"],
        SWIN_PARTS)),
    # CamVid
    ("and better than the Swin network by", lambda v: v["camvid/unet-swin low"] > 0),
    ("the ViT is worse than the U-Net by", lambda v: v["camvid/unet-vit low"] > 0),
    ("is seldom in doubt.", lambda v: v["camvid/unet/test/road"] > 80),
    ("Every network scores lower on test than on val.", lambda v: everywhere(
        lambda m: rise(v, f"camvid/{m}/<>/miou", "test", "val"), MODELS)),
    ("the scores are low on the training drive as well", lambda v: everywhere(
        lambda m: v[f"camvid/{m}/0001TP"] < v[f"camvid/{m}/val/miou"] - 5, MODELS)),
    ("Even the order of the networks is not the same there:", lambda v:
     rise(v, "camvid/<>/val/miou", "fcn", "vit") and v["camvid/fcn-vit low"] > 0),
    ("the fine-tuned Swin network is better than the one from scratch by", lambda v:
     v["camvid/swin:fine-tuned/test/by low"] > 0),
    ("the other way round on val, and no larger than what another seed may make.", lambda v:
     -v["seeds/two runs"] < v["camvid/unet:fine-tuned/test/gain"] < 0
     < v["camvid/unet:fine-tuned/val/gain"]),
    ("val favoured the same change.", lambda v: everywhere(
        lambda d: v[f"{d}/unet:full augmentation/val/gain high"] < 0)),
    # Beside the score
    ("what is left to win lies along outlines and in small things", lambda v:
     v["camvid/unet/inside"] > 90),
    ("On MiniScapes all networks come close to that:", lambda v: everywhere(
        lambda m: v[f"miniscapes/{m}/ECE"] < 2, MODELS)),
    ("and the ViT, which is furthest from it,", lambda v: largest(v, "camvid/<>/ECE") == "vit"),
    ("On MiniScapes the U-Net and the Swin network are overconfident; on CamVid all four are.",
     lambda v: [run for run in RUNS.values() if v[f"{run}/surplus"] > 0]
     == ["miniscapes/unet", "miniscapes/swin", *(f"camvid/{m}" for m in MODELS)]),
    ("more than any other, but of a low score:", lambda v: everywhere(
        lambda d: largest(v, f"{d}/<>/kept mean") == "vit"
        and v[f"{d}/vit/under mean"] < min(v[f"{d}/{m}/under mean"] for m in ("unet", "swin")))),
    ("darkness takes most from MiniScapes and fog from CamVid.", lambda v:
     [harshest(v, dataset) for dataset in DATASETS] == ["darkness", "fog"]),
    ("the U-Net does best on CamVid,", lambda v: everywhere(
        lambda d: largest(v, f"{d}/<>/abroad") == "unet")),
    ("What these networks learned is less", lambda v: everywhere(
        lambda d: 2 * v[f"{d}/unet/abroad"] < v[f"{d}/unet/home"])),
    ("less than the plain network that was trained there.", lambda v:
     v["miniscapes/unet/abroad"] < v["camvid/fcn/home"]),
    # Chance and choice
    ("The scatter is widest for the U-Net,", lambda v:
     largest(v, "seeds/<>/range", list(MODEL_NAMES.values())) == "U-Net"),
    ("the worst seed of each network is ahead of the best of the next.", lambda v: everywhere(
        lambda pair: v[f"seeds/{pair[0]}/range high"] < v[f"seeds/{pair[1]}/range low"],
        pairwise(("ViT", "FCN", "Swin", "U-Net")))),
    ("The recipe has the best of them for the ViT and the Swin network.", lambda v:
     [largest(v, f"rates/{m}/<>", RATES) for m in MODELS] == ["4e-3", "4e-3", "5e-4", "2e-3"]),
    ("The gains are all from less augmentation; the largest is that of none", lambda v:
     v["factors/better"] == len(AUGMENTATIONS)
     and everywhere(lambda level: v[f"factors/augmentation {level} low"] > 0, AUGMENTATIONS)
     and largest(v, "factors/augmentation <>", AUGMENTATIONS) == "none"),
    ("Leaving out the Dice term makes no difference larger than that between seeds", lambda v:
     v["factors/loss weighted cross-entropy low"] < 0
     < v["factors/loss weighted cross-entropy high"]),
    ("take an annotator many times as long, lowers the score", lambda v:
     v["factors/masks coarse high"] < 0),
    ("Short runs like little augmentation, and so do full ones of this length.",
     lambda v: everywhere(lambda run: v[f"{run}:full augmentation/test/gain high"] < 0,
                          [run for run in RUNS.values() if run.endswith(("unet", "swin"))])),
    ("all of which it has seen something like,", lambda v: everywhere(
        lambda kind: rise(v, f"camvid/unet<>/kept {kind}", "", ":full augmentation"),
        ("blur", "darkness", "fog"))),
    ("and the best was the highest of them.", lambda v: everywhere(
        lambda m: v[f"sweeps/{m}/edge"] == 1, ("unet", "swin"))),
    ("on val, which is within the noise.", lambda v:
     abs(v["camvid/swin:winner at full size/val/gain"]) < v["seeds/two runs"]),
    # Conclusions and reflections
    ("the ViT is worse than the Swin network by", lambda v: v["camvid/swin-vit low"] > 0),
    ("The ViT makes fewer mistakes than the plain network far from boundaries and more in thin",
     lambda v: rise(v, "miniscapes/<>/wrong far", "vit", "fcn")
     and rise(v, "miniscapes/<>/val/pole", "vit", "fcn")),
    ("At outlines, for all networks.", lambda v: everywhere(
        lambda m: v[f"miniscapes/{m}/wrong near"] > v[f"miniscapes/{m}/wrong far"], MODELS)),
    ("the learning rate counts most,", lambda v: everywhere(
        lambda m: v[f"sweeps/{m}/learning rate"] > 50, ("unet", "swin"))),
    ("the best networks here recognise them far worse than road and sky.", lambda v: everywhere(
        lambda d: max(v[f"{d}/unet/test/{name}"] for name in ("person", "rider")) + 20
        < min(v[f"{d}/unet/test/{name}"] for name in ("road", "sky")))),
)
