"""Scores against hand-computed cases and against the official Cityscapes evaluator."""

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from official_evaluator import official_scores
from PIL import Image
from scipy.stats import binom

from seglib.errors import ConfigError, DatasetError
from seglib.evaluation import intervals, metrics
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.labels import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_34,
    CLASS_SETS,
    ClassSet,
    label_by_name,
)

CONFUSION = np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]])  # class 2 occurs nowhere


def ids(*names: str) -> np.ndarray:
    return np.array([label_by_name(name).id for name in names], dtype=np.uint8)


# --- by hand ---------------------------------------------------------------------------------


def test_confusion_counts_truth_in_rows_and_skips_ignored_pixels() -> None:
    truth = np.array([[0, 0, 1], [1, 2, 255], [255, 2, 0]], dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [1, 0, 2], [0, 2, 0]], dtype=np.uint8)
    expected = [[2, 1, 0], [0, 2, 0], [1, 0, 1]]
    confusion = metrics.confusion_matrix(truth, prediction, 3)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == expected


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
    assert np.array_equal(metrics.confusion_matrix(truth, prediction, 19), expected)


def test_confusion_of_views_that_are_not_contiguous() -> None:
    rng = np.random.default_rng(4)
    truth, prediction = rng.integers(0, 5, (2, 30, 20), dtype=np.uint8)
    flipped = metrics.confusion_matrix(truth[:, ::-1], prediction[:, ::-1], 5)
    assert np.array_equal(flipped, metrics.confusion_matrix(truth, prediction, 5))


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((2, 2), np.uint8), np.full((2, 2), 3, np.uint8), "prediction holds index 3"),
        (np.full((2, 2), 255, np.uint8), np.full((2, 2), 255, np.uint8), "prediction holds index"),
        (np.full((2, 2), 7, np.uint8), np.zeros((2, 2), np.uint8), "truth holds index 7"),
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), "shape"),
        (np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8), "uint8"),
    ],
)
def test_confusion_refuses_what_it_cannot_count(
    truth: np.ndarray, prediction: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(truth, prediction, 3)


def test_scores_of_a_3x3_matrix_by_hand() -> None:
    iou = metrics.iou_per_class(CONFUSION)
    assert iou[:2] == pytest.approx([4 / 7, 3 / 6], abs=1e-15)
    assert math.isnan(iou[2])
    assert metrics.mean_iou(CONFUSION) == pytest.approx((4 / 7 + 1 / 2) / 2, abs=1e-15)
    assert metrics.pixel_accuracy(CONFUSION) == pytest.approx(7 / 10, abs=1e-15)


def test_class_predicted_but_absent_from_truth_scores_zero_not_nan() -> None:
    confusion = np.array([[3, 1], [0, 0]])
    assert metrics.iou_per_class(confusion).tolist() == [0.75, 0.0]
    assert metrics.mean_iou(confusion) == 0.375


def test_nothing_counted_is_nan() -> None:
    empty = np.zeros((4, 4), dtype=np.int64)
    assert math.isnan(metrics.mean_iou(empty)) and math.isnan(metrics.pixel_accuracy(empty))


def test_mix_up_inside_a_category_is_right_for_the_category() -> None:
    confusion = np.zeros((19, 19), dtype=np.int64)
    road, sidewalk, car = (CITYSCAPES_19.index(name) for name in ("road", "sidewalk", "car"))
    confusion[road, sidewalk], confusion[road, road], confusion[sidewalk, car] = 5, 3, 2
    names = CITYSCAPES_19.categories
    assert names == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
    merged = metrics.category_confusion(confusion, CITYSCAPES_19)
    iou = dict(zip(names, metrics.iou_per_class(merged), strict=True))
    assert iou["flat"] == pytest.approx(8 / 10)
    assert iou["vehicle"] == 0.0
    assert all(math.isnan(iou[name]) for name in names if name not in ("flat", "vehicle"))


def test_instance_weighted_iou_by_hand() -> None:
    """A half-found car of 4 pixels, a fully found one of 2, one false car pixel on the road."""
    road, car, truck = (CITYSCAPES_19.index(name) for name in ("road", "car", "truck"))
    truth = np.full((2, 5), label_by_name("road").id, dtype=np.uint8)
    truth[:, :3] = label_by_name("car").id
    instances = truth.astype(np.int32)
    instances[:, :2], instances[:, 2] = 26000, 26001  # the first number is 000, as officially
    prediction = np.full((2, 5), road, dtype=np.uint8)
    prediction[0, :2], prediction[1, :2], prediction[:, 2] = car, truck, car
    prediction[0, 4] = car
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    accumulator.add("a", truth, prediction, instances)
    scores = accumulator.scores()
    average = metrics.AVERAGE_INSTANCE_SIZE["car"]
    tp, fn = average * (2 / 4 + 2 / 2), average * 2 / 4
    assert scores["iiou"][car] == pytest.approx(tp / (tp + fn + 1), rel=1e-15)
    assert scores["iiou"][truck] is None or scores["iiou"][truck] == 0.0
    assert scores["iiou"][road] is None
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
    prediction[prediction == 255] = CITYSCAPES_19.index("road")
    prediction[prediction == CITYSCAPES_19.index("rider")] = CITYSCAPES_19.index("person")
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
    "random": [random_scene] * 4,
    "street": [street_scene] * 5,
    "mixed": [random_scene, street_scene, all_void_scene, perfect_scene],
    "void": [all_void_scene],
    "perfect": [perfect_scene] * 2,
}


def write_split(root: Path, makers: list, seed: int = 0) -> ScoreAccumulator:
    """Write truth, instances and exported predictions of a split, and count it our way."""
    rng = np.random.default_rng(seed)
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for folder in ("truth", "predictions"):
        (root / folder).mkdir(parents=True)
    for number, make in enumerate(makers):
        truth, prediction, instances = make(rng, (61, 83 + number))
        name = f"city_{number:06}_000019"
        stem = root / "truth" / f"{name}_gtFine_"
        Image.fromarray(truth).save(f"{stem}labelIds.png")
        Image.fromarray(instances.astype(np.uint16)).save(f"{stem}instanceIds.png")
        exported = CITYSCAPES_19.decode(prediction)
        Image.fromarray(exported).save(root / "predictions" / f"{name}_labelIds.png")
        accumulator.add(name, truth, prediction, instances)
    return accumulator


def assert_same(ours: float | None, theirs: float) -> None:
    if math.isnan(theirs):
        assert ours is None
    else:
        assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("split", SPLITS)
def test_scores_equal_the_official_evaluator(split: str, tmp_path: Path) -> None:
    pytest.importorskip("cityscapesscripts")
    ours = write_split(tmp_path, SPLITS[split]).scores()
    theirs = official_scores(tmp_path / "truth", tmp_path / "predictions")
    ids_ = list(CITYSCAPES_19.ids)
    official = np.array(theirs["confMatrix"])
    assert ours["confusion"] == official[np.ix_(ids_, ids_)].tolist()
    for index, name in enumerate(ours["classes"]):
        assert_same(ours["iou"][index], theirs["classScores"][name])
        assert_same(ours["iiou"][index], theirs["classInstScores"][name])
    for index, name in enumerate(ours["categories"]):
        assert_same(ours["category_iou"][index], theirs["categoryScores"][name])
        assert_same(ours["category_iiou"][index], theirs["categoryInstScores"][name])
    assert_same(ours["miou"], theirs["averageScoreClasses"])
    assert_same(ours["category_miou"], theirs["averageScoreCategories"])
    assert_same(ours["miiou"], theirs["averageScoreInstClasses"])
    assert_same(ours["category_miiou"], theirs["averageScoreInstCategories"])


def test_the_cases_reach_what_is_hard(tmp_path: Path) -> None:
    """The comparison above would prove little if every class were present and well found."""
    scores = write_split(tmp_path, SPLITS["street"]).scores()
    assert None in scores["iou"]
    assert scores["iou"][CITYSCAPES_19.index("rider")] == 0.0
    present = [value for value in scores["iiou"] if value]
    assert len(present) >= 3
    assert abs(scores["miiou"] - scores["miou"]) > 0.01


# --- the accumulator -------------------------------------------------------------------------


def test_scores_are_json_and_agree_with_the_confusion_matrix(tmp_path: Path) -> None:
    accumulator = write_split(tmp_path, SPLITS["mixed"])
    scores = json.loads(json.dumps(accumulator.scores(), allow_nan=False))
    confusion = np.array(scores["confusion"])
    assert scores["miou"] == pytest.approx(metrics.mean_iou(confusion), abs=1e-15)
    assert scores["pixel_accuracy"] == pytest.approx(metrics.pixel_accuracy(confusion), abs=1e-15)
    right, truth = np.diagonal(confusion), confusion.sum(axis=1)
    accuracy = (right[truth > 0] / truth[truth > 0]).mean()  # of the classes in the truth
    assert scores["mean_accuracy"] == pytest.approx(accuracy, abs=1e-15)
    by_category = metrics.iou_per_class(metrics.category_confusion(confusion, CITYSCAPES_19))
    assert scores["category_iou"] == pytest.approx(by_category.tolist(), abs=1e-15, nan_ok=True)


def test_order_and_number_of_processes_change_nothing() -> None:
    rng = np.random.default_rng(1)
    scenes = {f"scene_{number}": street_scene(rng, (40, 50)) for number in range(6)}
    whole = ScoreAccumulator(CITYSCAPES_19)
    parts = [ScoreAccumulator(CITYSCAPES_19) for _ in range(2)]
    for name, scene in scenes.items():
        whole.add(name, *scene)
    for number, (name, scene) in enumerate(reversed(scenes.items())):
        parts[number % 2].add(name, *scene)
    first, second = (pickle.loads(pickle.dumps(part.counts)) for part in parts)
    joined = ScoreAccumulator(CITYSCAPES_19)
    joined.counts = first | second
    assert json.dumps(joined.scores()) == json.dumps(whole.scores())


def test_an_image_counts_once() -> None:
    truth, prediction, _ = street_scene(np.random.default_rng(0), (40, 50))
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    accumulator.add("a", truth, prediction)
    counted = accumulator.confusion.sum()
    with pytest.raises(DatasetError, match="a: counted twice"):
        accumulator.add("a", truth, prediction)
    assert accumulator.confusion.sum() == counted > 0


@pytest.mark.parametrize("class_set", CLASS_SETS.values(), ids=CLASS_SETS)
def test_without_instance_masks_instance_scores_are_not_available(class_set: ClassSet) -> None:
    truth = np.array([class_set.ids] * 3, dtype=np.uint8)
    prediction = class_set.encode(truth)
    accumulator = ScoreAccumulator(class_set)
    accumulator.add("a", truth, prediction)
    scores = accumulator.scores()
    assert scores["miou"] == 1.0
    for key in ("iiou", "miiou", "category_iiou", "category_miiou"):
        assert scores[key] is None
    with pytest.raises(ConfigError, match="of a dataset without instance masks 'miiou' is unknown"):
        intervals.bootstrap_interval(scores, "miiou")


def test_classes_outside_the_set_are_not_counted() -> None:
    truth = np.array([ids("truck", "road", "unlabeled", "train")] * 2)
    prediction = np.full((2, 4), CAMVID_11.index("road"), dtype=np.uint8)
    accumulator = ScoreAccumulator(CAMVID_11)
    accumulator.add("a", truth, prediction)
    assert accumulator.confusion.sum() == 2
    assert accumulator.scores()["iou"][CAMVID_11.index("road")] == 1.0


def test_all_34_ids_score_void_too() -> None:
    truth = np.array([ids("unlabeled", "caravan", "road", "road")] * 2)
    accumulator = ScoreAccumulator(CITYSCAPES_34)
    accumulator.add("a", truth, np.where(truth == 7, np.uint8(0), truth))
    scores = accumulator.scores()
    assert scores["iou"][0] == pytest.approx(1 / 3)
    assert scores["iou"][29] == 1.0
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
        accumulator = ScoreAccumulator(CITYSCAPES_19)
        accumulator.add("a", *(m.repeat(width, axis=1) for m in (truth, prediction, ids_)))
        rows[case] = accumulator.images()
    assert rows["strange"] == rows["void"]
    assert sum(rows["void"]["instance_tp"][0]) > 0 < sum(rows["void"]["instance_fn"][0])


def test_an_image_without_pixels_adds_nothing() -> None:
    empty = np.zeros((0, 5), np.uint8)
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    accumulator.add("empty", empty, empty, empty.astype(np.int32))
    assert accumulator.scores()["miou"] is None and accumulator.scores()["miiou"] is None
    other = ScoreAccumulator(CITYSCAPES_19)
    other.add("a", *perfect_scene(np.random.default_rng(0), (40, 50)))
    alone = other.scores()
    other.counts |= accumulator.counts
    merged = other.scores()
    assert len(merged["images"]["names"]) == 2
    for metric in metrics.METRICS:
        assert merged[metric] == alone[metric]


def test_errors_name_the_image() -> None:
    road = np.full((4, 4), 7, dtype=np.uint8)
    index = np.zeros((4, 4), dtype=np.uint8)
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for truth, prediction, instances in (
        (road, index[:2], None),
        (road, index, road[:, :3].astype(np.int32)),
        (np.full((4, 4), 77, dtype=np.uint8), index, None),
        (road, index + 19, None),
    ):
        with pytest.raises(DatasetError, match="^bad: ") as caught:
            accumulator.add("bad", truth, prediction, instances)
        assert "\n" not in str(caught.value)
    accumulator.add("a", road, index)
    accumulator.add("b", road, index, road.astype(np.int32))
    with pytest.raises(DatasetError, match="a: no instance mask"):
        accumulator.scores()


# --- intervals -------------------------------------------------------------------------------


def scored_pixels(right: int, total: int) -> dict:
    """A split of one-pixel images of road, of which `right` are predicted correctly."""
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for number in range(total):
        prediction = np.full((1, 1), 0 if number < right else 1, dtype=np.uint8)
        accumulator.add(f"{number:04}", np.full((1, 1), 7, np.uint8), prediction)
    return accumulator.scores()


def test_interval_equals_the_binomial_where_it_is_known() -> None:
    """The bootstrap of a share of N images is exactly Binomial(N, share) / N."""
    scores = scored_pixels(60, 80)
    low, high = intervals.bootstrap_interval(scores, "pixel_accuracy")
    assert low == pytest.approx(binom.ppf(0.025, 80, 0.75) / 80, abs=1 / 80)
    assert high == pytest.approx(binom.ppf(0.975, 80, 0.75) / 80, abs=1 / 80)
    narrow = intervals.bootstrap_interval(scores, "pixel_accuracy", level=0.5)
    assert low < narrow[0] < 0.75 < narrow[1] < high


def test_interval_of_equal_images_has_no_width() -> None:
    truth, prediction, instances = street_scene(np.random.default_rng(2), (40, 50))
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for number in range(5):
        accumulator.add(str(number), truth, prediction, instances)
    scores = accumulator.scores()
    for metric in ("miou", "mean_accuracy", "category_miou", "miiou", "category_miiou"):
        low, high = intervals.bootstrap_interval(scores, metric)
        assert low == pytest.approx(high, abs=1e-12) == pytest.approx(scores[metric], abs=1e-12)


def test_resample_scores_equal_counting_the_resampled_images() -> None:
    rng = np.random.default_rng(5)
    scenes = [street_scene(rng, (40, 50)) for _ in range(4)]
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for number, scene in enumerate(scenes):
        accumulator.add(f"{number}", *scene)
    weights = np.array([[2, 0, 1, 1], [0, 4, 0, 0], [1, 1, 1, 1]])
    resampled = metrics.aggregate(accumulator.scores()["images"], weights)
    assert resampled["iou"].shape == (3, 19)
    for row, weight in enumerate(weights):
        by_hand = ScoreAccumulator(CITYSCAPES_19)
        for number, times in enumerate(weight):
            for repeat in range(times):
                by_hand.add(f"{number}.{repeat}", *scenes[number])
        expected = by_hand.scores()
        for metric in metrics.METRICS:
            values = np.array(expected[metric], dtype=float)
            assert resampled[metric][row] == pytest.approx(values, abs=1e-12, nan_ok=True)


def test_paired_difference_is_narrower_than_its_parts() -> None:
    """Both runs fail on the same hard images and b fails on one more."""
    better, worse = scored_pixels(60, 80), scored_pixels(59, 80)
    difference = intervals.paired_difference(better, worse, "pixel_accuracy")
    assert difference.difference == pytest.approx(1 / 80)
    low, high = intervals.bootstrap_interval(better, "pixel_accuracy")
    assert 0.0 <= difference.low < difference.high <= 4 / 80 < high - low
    assert intervals.paired_difference(better, better) == (0.0, 0.0, 0.0)
    reverse = intervals.paired_difference(worse, better, "pixel_accuracy")
    assert reverse.low == pytest.approx(-difference.high)
    with pytest.raises(ConfigError, match="different images"):
        intervals.paired_difference(better, scored_pixels(3, 4))


def test_interval_of_one_class_repeats_with_its_seed() -> None:
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    rng = np.random.default_rng(6)
    for number in range(12):
        accumulator.add(f"{number:02}", *street_scene(rng, (40, 50)))
    scores = accumulator.scores()
    first = intervals.bootstrap_interval(scores, "iou:car", seed=1)
    assert first == intervals.bootstrap_interval(scores, "iou:car", seed=1)
    assert first != intervals.bootstrap_interval(scores, "iou:car", seed=2)
    assert first[0] <= scores["iou"][CITYSCAPES_19.index("car")] <= first[1]
    for unknown in ("nonsense", "iou", "iou:nonsense", "miou:car"):
        with pytest.raises(ConfigError, match="is unknown; choose one of"):
            intervals.bootstrap_interval(scores, unknown)
