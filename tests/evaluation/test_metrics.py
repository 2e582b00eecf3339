"""Scores against hand-computed cases and against the official Cityscapes evaluator."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from official_evaluator import official_scores
from PIL import Image
from scipy.stats import binom

from seglib.errors import ConfigError, DatasetError
from seglib.evaluation import intervals, metrics
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.labels import CAMVID_11, CITYSCAPES_19, LABELS, ClassSet, label_by_name

ROAD, SIDEWALK, RIDER, CAR, TRUCK = map(
    CITYSCAPES_19.index, ("road", "sidewalk", "rider", "car", "truck")
)


def ids(*names: str) -> np.ndarray:
    return np.array([label_by_name(name).id for name in names], dtype=np.uint8)


def counted(*scenes: tuple[np.ndarray, ...], class_set=CITYSCAPES_19) -> ScoreAccumulator:
    """The counts of scenes, which are called 00, 01 and so on."""
    accumulator = ScoreAccumulator(class_set)
    for number, scene in enumerate(scenes):
        accumulator.add(f"{number:02}", *scene)
    return accumulator


# --- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3, 16], ids=lambda width: f"{width} alike")
def test_confusion_equals_counting_pixel_by_pixel(width: int) -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 20, (40, 31), dtype=np.uint8).repeat(width, axis=1)
    truth[truth == 19] = 255
    prediction = rng.integers(0, 19, (40, 31), dtype=np.uint8).repeat(width, axis=1)
    prediction = np.roll(prediction, width // 2, axis=1)
    expected = np.zeros((19, 19), dtype=np.int64)
    for row, column in zip(truth.ravel(), prediction.ravel(), strict=True):
        if row != 255:
            expected[row, column] += 1
    found = metrics.confusion_matrix(truth, prediction, 19)
    assert found.dtype == np.int64 and np.array_equal(found, expected)
    flipped = metrics.confusion_matrix(truth[:, ::-1], prediction[:, ::-1], 19)  # not contiguous
    assert np.array_equal(flipped, expected)


@pytest.mark.parametrize(("truth", "prediction", "message"), [
    (np.zeros((2, 2), np.uint8), np.full((2, 2), 3, np.uint8), "prediction holds index 3"),
    (np.full((2, 2), 255, np.uint8), np.full((2, 2), 255, np.uint8), "prediction holds index"),
    (np.full((2, 2), 7, np.uint8), np.zeros((2, 2), np.uint8), "truth holds index 7"),
    (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), "shape"),
    (np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8), "uint8"),
])
def test_confusion_refuses_what_it_cannot_count(truth, prediction, message) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(truth, prediction, 3)


@pytest.mark.parametrize(
    ("confusion", "iou", "miou", "accuracy"),
    [
        ([[4, 1, 0], [2, 3, 0], [0, 0, 0]], [4 / 7, 1 / 2, math.nan], (4 / 7 + 1 / 2) / 2, 0.7),
        ([[3, 1], [0, 0]], [0.75, 0], 0.375, 0.75),  # predicted but not in the truth: zero
        ([[0, 0], [0, 0]], [math.nan, math.nan], math.nan, math.nan),
    ],
    ids=["a class is nowhere", "a class is only predicted", "nothing"],
)
def test_scores_of_a_confusion_matrix_by_hand(confusion, iou, miou, accuracy) -> None:
    found = [*metrics.iou_per_class(np.array(confusion))]
    found += [metrics.mean_iou(np.array(confusion)), metrics.pixel_accuracy(np.array(confusion))]
    assert found == pytest.approx([*iou, miou, accuracy], abs=1e-15, nan_ok=True)


def test_instance_weighted_iou_by_hand() -> None:
    """A half-found car of 4 pixels, a fully found one of 2, one false car pixel on the road."""
    truth = np.full((2, 5), label_by_name("road").id, dtype=np.uint8)
    truth[:, :3] = label_by_name("car").id
    instances = truth.astype(np.int32)
    instances[:, :2], instances[:, 2] = 26000, 26001  # the first number is 000, as officially
    prediction = np.full((2, 5), ROAD, dtype=np.uint8)
    prediction[0, :2], prediction[1, :2], prediction[:, 2] = CAR, TRUCK, CAR
    prediction[0, 4] = CAR
    scores = counted((truth, prediction, instances)).scores()
    average = metrics.AVERAGE_INSTANCE_SIZE["car"]
    tp, fn = average * (2 / 4 + 2 / 2), average * 2 / 4
    assert scores["iiou"][CAR] == pytest.approx(tp / (tp + fn + 1), rel=1e-15)
    assert scores["iiou"][TRUCK] == 0.0
    assert scores["iiou"][ROAD] is None
    vehicle = scores["categories"].index("vehicle")
    assert scores["category_iiou"][vehicle] == pytest.approx(2 * average / (2 * average + 1))


# --- against the official evaluator ----------------------------------------------------------


def random_scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Pixel noise over all 34 ids; instances of every class, groups and voids among them."""
    truth = rng.integers(0, 34, size, dtype=np.uint8)
    instances = truth.astype(np.int32)
    single = (truth >= 24) & (rng.random(size) < 0.8)  # the rest are groups: the label id alone
    instances[single] = truth[single].astype(np.int32) * 1000 + rng.integers(0, 4, single.sum())
    prediction = CITYSCAPES_19.encode(truth)
    wrong = (rng.random(size) < 0.4) | (prediction == 255)
    prediction[wrong] = rng.integers(0, 19, wrong.sum(), dtype=np.uint8)
    return truth, prediction, instances


def street_scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Sky, buildings, road, boxes as objects of very unequal sizes; many classes are absent."""
    height, width = size
    truth = np.full(size, label_by_name("sky").id, dtype=np.uint8)
    truth[height // 3 :] = label_by_name("building").id
    truth[height // 2 :] = label_by_name("road").id
    truth[-3:] = label_by_name("ego vehicle").id
    instances = truth.astype(np.int32)
    for number in range(8):
        name = rng.choice(["person", "rider", "car", "truck", "bicycle", "caravan", "trailer"])
        top, left = rng.integers(0, height - 4), rng.integers(0, width - 4)
        box = np.s_[top : top + rng.integers(1, 20), left : left + rng.integers(1, 30)]
        truth[box] = label_by_name(str(name)).id
        grouped = number == 3
        instances[box] = truth[box] if grouped else truth[box].astype(np.int32) * 1000 + number
    # A prediction that is shifted, and blind to riders.
    prediction = np.roll(CITYSCAPES_19.encode(truth), (2, -3), axis=(0, 1))
    prediction[prediction == 255] = ROAD
    prediction[prediction == RIDER] = CITYSCAPES_19.index("person")
    return truth, prediction, instances


def all_void_scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    truth = rng.integers(0, 7, size, dtype=np.uint8)
    prediction = rng.integers(0, 19, size, dtype=np.uint8)
    return truth, prediction, truth.astype(np.int32)


def perfect_scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    truth, _, instances = street_scene(rng, size)
    prediction = CITYSCAPES_19.encode(truth)
    prediction[prediction == 255] = 0
    return truth, prediction, instances


SPLITS = {
    "random": [random_scene] * 4, "street": [street_scene] * 5,
    "mixed": [random_scene, street_scene, all_void_scene, perfect_scene], "void": [all_void_scene],
    "perfect": [perfect_scene] * 2,
}


def write_split(root: Path, makers: list, seed: int = 0) -> ScoreAccumulator:
    """Write truth, instances and exported predictions of a split, and count it our way."""
    rng = np.random.default_rng(seed)
    scenes = [make(rng, (61, 83 + number)) for number, make in enumerate(makers)]
    for folder in ("truth", "predictions"):
        (root / folder).mkdir(parents=True)
    for number, (truth, prediction, instances) in enumerate(scenes):
        name = f"city_{number:06}_000019"
        stem = root / "truth" / f"{name}_gtFine_"
        Image.fromarray(truth).save(f"{stem}labelIds.png")
        Image.fromarray(instances.astype(np.uint16)).save(f"{stem}instanceIds.png")
        exported = CITYSCAPES_19.decode(prediction)
        Image.fromarray(exported).save(root / "predictions" / f"{name}_labelIds.png")
    return counted(*scenes)


OFFICIAL_NAMES = {
    "iou": "classScores", "category_iou": "categoryScores",
    "iiou": "classInstScores", "category_iiou": "categoryInstScores",
    "miou": "averageScoreClasses", "category_miou": "averageScoreCategories",
    "miiou": "averageScoreInstClasses", "category_miiou": "averageScoreInstCategories",
}


@pytest.mark.parametrize("split", SPLITS)
def test_scores_equal_the_official_evaluator(split: str, tmp_path: Path) -> None:
    pytest.importorskip("cityscapesscripts")
    ours = write_split(tmp_path, SPLITS[split]).scores()
    theirs = official_scores(tmp_path / "truth", tmp_path / "predictions")
    ids_ = list(CITYSCAPES_19.ids)
    assert ours["confusion"] == np.array(theirs["confMatrix"])[np.ix_(ids_, ids_)].tolist()
    for name, its_name in OFFICIAL_NAMES.items():
        found = theirs[its_name]
        if isinstance(found, dict):
            names = ours["categories" if name.startswith("category") else "classes"]
            found = [found[each] for each in names]
        mine = np.array(ours[name], dtype=float)  # None is NaN there
        assert mine == pytest.approx(np.array(found), abs=1e-9, nan_ok=True), name


# --- the accumulator -------------------------------------------------------------------------


def test_scores_are_json_and_agree_with_the_confusion_matrix(tmp_path: Path) -> None:
    accumulator = write_split(tmp_path, SPLITS["mixed"])
    scores = json.loads(json.dumps(accumulator.scores(), allow_nan=False))
    confusion = np.array(scores["confusion"])
    assert scores["pixel_accuracy"] == pytest.approx(metrics.pixel_accuracy(confusion), abs=1e-15)
    right, truth = np.diagonal(confusion), confusion.sum(axis=1)
    accuracy = (right[truth > 0] / truth[truth > 0]).mean()  # of the classes in the truth
    assert scores["mean_accuracy"] == pytest.approx(accuracy, abs=1e-15)


def test_scores_of_a_city_are_those_of_its_scenes_alone() -> None:
    rng, cities = np.random.default_rng(4), {}
    together = ScoreAccumulator(CITYSCAPES_19)
    for city, count in (("new_york", 2), ("new_jersey", 3)):
        scenes = [street_scene(rng, (40, 50)) for _ in range(count)]
        for number, scene in enumerate(scenes):
            together.add(f"{city}_{number:06}_000019", *scene)
        alone = counted(*scenes).scores()
        cities[city] = {"scenes": count, **{k: alone[k] for k in ("miou", "pixel_accuracy")}}
    assert together.scores()["cities"] == dict(sorted(cities.items()))


@pytest.mark.parametrize("class_set", [CITYSCAPES_19, CAMVID_11], ids=["19", "11"])
def test_without_instance_masks_instance_scores_are_not_available(class_set) -> None:
    truth = np.array([class_set.ids] * 3, dtype=np.uint8)
    scores = counted((truth, class_set.encode(truth)), class_set=class_set).scores()
    assert scores["miou"] == 1.0
    for key in ("iiou", "miiou", "category_iiou", "category_miiou"):
        assert scores[key] is None
    with pytest.raises(ConfigError, match="of a dataset without instance masks 'miiou' is unknown"):
        intervals.bootstrap_interval(scores, "miiou")


def test_classes_outside_the_set_are_not_counted() -> None:
    truth = np.array([ids("truck", "road", "unlabeled", "train")] * 2)
    prediction = np.full((2, 4), CAMVID_11.index("road"), dtype=np.uint8)
    accumulator = counted((truth, prediction), class_set=CAMVID_11)
    assert accumulator.confusion.sum() == 2
    assert accumulator.scores()["iou"][CAMVID_11.index("road")] == 1.0


def test_all_34_ids_score_void_too() -> None:
    truth = np.array([ids("unlabeled", "caravan", "road", "road")] * 2)
    prediction = np.where(truth == 7, np.uint8(0), truth)
    scores = counted((truth, prediction), class_set=ClassSet("all", LABELS[:34])).scores()
    assert scores["iou"][0] == pytest.approx(1 / 3) and scores["iou"][29] == 1.0
    assert "void" in scores["categories"]


@pytest.mark.parametrize("width", [1, 9], ids=["noise", "runs"])
def test_ids_of_no_known_class_are_no_instances(width: int) -> None:
    """No label, a label outside the set, a negative one, numbers beyond 16 bits."""
    rng = np.random.default_rng(7)
    truth, prediction, instances = random_scene(rng, (20, 30))
    strange = rng.choice([0, -5, -26001, 999, 34_001, 65_535, 2_000_000_000], (20, 30))
    known = rng.random((20, 30)) < 0.5
    rows = {}
    for case, elsewhere in (("strange", strange), ("void", np.zeros_like(strange))):
        ids_ = np.where(known, instances, elsewhere).astype(np.int32)
        scene = [mask.repeat(width, axis=1) for mask in (truth, prediction, ids_)]
        rows[case] = counted(scene).images()
    assert rows["strange"] == rows["void"]
    assert sum(rows["void"]["instance_tp"][0]) > 0 < sum(rows["void"]["instance_fn"][0])


def test_errors_name_the_image() -> None:
    road = np.full((4, 4), 7, dtype=np.uint8)
    index = np.zeros((4, 4), dtype=np.uint8)
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for truth, prediction, instances in (
        (road, index[:2], None), (road, index, road[:, :3].astype(np.int32)),
        (np.full((4, 4), 77, dtype=np.uint8), index, None), (road, index + 19, None),
    ):
        with pytest.raises(DatasetError, match="^bad: ") as caught:
            accumulator.add("bad", truth, prediction, instances)
        assert "\n" not in str(caught.value)
    accumulator.add("a", road, index)
    with pytest.raises(DatasetError, match="a: counted twice"):
        accumulator.add("a", road, index)
    accumulator.add("b", road, index, road.astype(np.int32))
    with pytest.raises(DatasetError, match="a: no instance mask"):
        accumulator.scores()


# --- intervals -------------------------------------------------------------------------------


def scored_pixels(right: int, total: int) -> dict:
    """A split of one-pixel images of road, of which `right` are predicted correctly."""
    truth, road, sidewalk = np.uint8([[[7]], [[ROAD]], [[SIDEWALK]]])
    return counted(*[(truth, road)] * right, *[(truth, sidewalk)] * (total - right)).scores()


def test_interval_equals_the_binomial_where_it_is_known() -> None:
    """The bootstrap of a share of N images is Binomial(N, share) / N, mirrored at the share."""
    scores = scored_pixels(60, 80)
    low, high = intervals.bootstrap_interval(scores, "pixel_accuracy")
    assert low == pytest.approx(1.5 - binom.ppf(0.975, 80, 0.75) / 80, abs=1 / 80)
    assert high == pytest.approx(1.5 - binom.ppf(0.025, 80, 0.75) / 80, abs=1 / 80)


def test_resample_scores_equal_counting_the_resampled_images() -> None:
    rng = np.random.default_rng(5)
    scenes = [street_scene(rng, (40, 50)) for _ in range(4)]
    weights = np.array([[2, 0, 1, 1], [0, 4, 0, 0], [1, 1, 1, 1]])
    resampled = metrics.aggregate(counted(*scenes).scores()["images"], weights)
    assert resampled["iou"].shape == (3, 19)
    for row, weight in enumerate(weights):
        drawn = [scene for scene, times in zip(scenes, weight, strict=True) for _ in range(times)]
        expected = counted(*drawn).scores()
        for metric in metrics.METRICS:
            values = np.array(expected[metric], dtype=float)
            assert resampled[metric][row] == pytest.approx(values, abs=1e-12, nan_ok=True)


def test_paired_difference_is_narrower_than_its_parts() -> None:
    """Both runs fail on the same hard images and b fails on one more."""
    better, worse = scored_pixels(60, 80), scored_pixels(59, 80)
    difference = intervals.paired_difference(better, worse, "pixel_accuracy")
    assert difference.difference == pytest.approx(1 / 80)
    low, high = intervals.bootstrap_interval(better, "pixel_accuracy")
    assert difference.low < 0.0 < difference.high < 4 / 80 < high - low  # one image may be chance
    assert 0.05 < difference.p_value < 1.0
    assert intervals.paired_difference(better, better) == (0.0, 0.0, 0.0, 1.0)
    reverse = intervals.paired_difference(worse, better, "pixel_accuracy")
    assert reverse.low == pytest.approx(-difference.high)
    assert reverse.p_value == pytest.approx(difference.p_value)
    with pytest.raises(ConfigError, match="different images"):
        intervals.paired_difference(better, scored_pixels(3, 4))
