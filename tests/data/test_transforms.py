"""Joint transforms: image and mask move together, and a seed says how, whatever else happens."""

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from seglib.config import RunConfig
from seglib.data.cache import SceneCache
from seglib.data.transforms import TrainingSet, TrainTransform, mix_seed, normalize
from seglib.labels import IGNORE_INDEX

HEIGHT, WIDTH = 48, 80
PLAIN = {"image_size": (HEIGHT, WIDTH), "flip": False, "rotation": 0.0}
EVERYTHING = {"rotation": 10.0, "flip": True, "scale": (0.6, 1.6), "crop_size": (32, 48)}


def coordinates() -> tuple[torch.Tensor, torch.Tensor]:
    """An image whose channels hold 3x, 5y and 0, and a mask of x: positions can be read off."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    image = torch.stack([3 * x, 5 * y, torch.zeros_like(x)]).to(torch.uint8)
    return image, x.to(torch.uint8)


def moved(seed: int = 0, axis: str = "x", **changes) -> tuple[torch.Tensor, torch.Tensor]:
    """The transformed coordinate image, and the mask that holds x or y."""
    config = RunConfig(**{**PLAIN, **changes})
    image, mask = coordinates()
    if axis == "y":
        mask = (image[1] / 5).to(torch.uint8)
    torch.manual_seed(seed)
    return TrainTransform(config)(image, mask)


def test_a_mask_is_resized_as_a_plain_tensor(monkeypatch) -> None:
    """For a `Mask`, torchvision before 0.28 ignores the mode and shifts it by half a pixel."""
    resize, kinds = functional.resize, []

    def seen(image, *arguments, **options):
        kinds.append(type(image))
        return resize(image, *arguments, **options)

    monkeypatch.setattr(functional, "resize", seen)
    moved(scale=(1.6, 1.6))
    assert kinds == [tv_tensors.Image, torch.Tensor]


def inside(mask: torch.Tensor) -> torch.Tensor:
    """Pixels at least 2 from the frame and from anything ignored: no fill is blended into them."""
    ignored = torch.nn.functional.pad((mask == IGNORE_INDEX)[None].float(), (2, 2, 2, 2), value=1)
    return torch.nn.functional.max_pool2d(ignored, 5, 1)[0] == 0


MOVES = {
    "flip": {"flip": True}, "rotation": {"rotation": 30.0},
    "zoom in": {"scale": (1.6, 1.6)}, "zoom out": {"scale": (0.6, 0.6)},
    "crop": {"crop_size": (32, 40)}, "everything": EVERYTHING,
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("axis", "channel", "step"), [("x", 0, 3), ("y", 1, 5)])
def test_image_and_mask_move_together(move: str, axis: str, channel: int, step: int) -> None:
    compared = 0
    for seed in range(8):
        image, mask = moved(seed, axis, **MOVES[move])
        away = (image[channel].float() / step - mask.float())[inside(mask)]
        compared += away.numel()
        # Nearest and interpolated positions differ by half a pixel in either direction, and the
        # edge of a scene repeats its last pixel.
        assert away.abs().max() <= 1
        # Never all to one side: that would shift masks against images.
        assert away.mean().abs() < 0.2
    assert compared > 2000


def test_half_of_the_scenes_are_mirrored_left_to_right_and_none_without_flip() -> None:
    image, mask = coordinates()
    flips = 0
    for seed in range(100):
        new_image, new_mask = moved(seed, flip=True)
        # Columns are read off the pixels: 0 .. W-1 from left to right, or the other way round.
        columns = new_mask[0].tolist()
        flipped = columns[0] > columns[-1]
        flips += flipped
        assert columns == list(range(WIDTH))[:: -1 if flipped else 1]
        assert torch.equal(new_image, image.flip(-1) if flipped else image)
        assert same(moved(seed), (image, mask))
    assert type(new_image) is type(new_mask) is torch.Tensor
    assert 35 <= flips <= 65


@pytest.mark.parametrize("crop_size", [(32, 48), (HEIGHT, WIDTH), (64, 100)])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 2.0)])
def test_the_result_has_the_size_of_the_crop(crop_size, scale) -> None:
    for seed in range(5):
        image, mask = moved(seed, crop_size=crop_size, scale=scale, rotation=10.0, jitter=0.5)
        assert image.shape == (3, *crop_size) and mask.shape == crop_size
        assert image.dtype == mask.dtype == torch.uint8


def test_zooming_out_shows_the_whole_scene_and_ignores_the_rest() -> None:
    image, mask = moved(scale=(0.5, 0.5))
    scored = mask != IGNORE_INDEX
    assert scored.sum() == HEIGHT // 2 * (WIDTH // 2)
    columns = mask[scored].reshape(HEIGHT // 2, WIDTH // 2)
    assert columns[:, 0].max() <= 1 and columns[:, -1].min() >= WIDTH - 2
    # What is outside becomes 0 after normalisation.
    outside = normalize(image[None])[0][:, inside(torch.where(scored, 255, 0))]
    assert outside.numel() > 100 and outside.abs().max() < 0.01


def test_zooming_in_shows_a_part_at_random_places() -> None:
    corners = set()
    for seed in range(20):
        _, mask = moved(seed, scale=(2.0, 2.0))
        assert IGNORE_INDEX not in mask
        assert int(mask.max()) - int(mask.min()) == WIDTH // 2 - 1
        corners.add((int(mask[0, 0]), int(moved(seed, "y", scale=(2.0, 2.0))[1][0, 0])))
    assert all(len({*side}) > 5 for side in zip(*corners, strict=True))


def test_a_crop_larger_than_the_scene_pads_it_with_ignored_pixels() -> None:
    for seed in range(5):
        image, mask = moved(seed, crop_size=(HEIGHT + 10, WIDTH + 20))
        scored = mask != IGNORE_INDEX
        assert scored.sum() == HEIGHT * WIDTH
        assert torch.equal(mask[scored], coordinates()[1].flatten())
        assert torch.equal(image[:, scored], coordinates()[0].flatten(1))


def test_rotation_ignores_the_corners_and_stays_within_its_angle() -> None:
    ignored = [int((moved(seed, rotation=10.0)[1] == IGNORE_INDEX).sum()) for seed in range(20)]
    assert max(ignored) > 100 and len(set(ignored)) > 10
    # x changes down a column by the tangent of the angle: at most tan(10 degrees) = 0.176.
    columns = [moved(seed, rotation=10.0)[1][10:-10, WIDTH // 2].float() for seed in range(20)]
    tilts, most = [float(each[-1] - each[0]) for each in columns], 0.176 * len(columns[0]) + 1
    assert -most <= min(tilts) < -1 and 1 < max(tilts) <= most  # to either side


def test_jitter_changes_colours_and_nothing_else() -> None:
    image, mask = moved(1, jitter=0.5)
    assert torch.equal(mask, coordinates()[1])
    assert not torch.equal(image, coordinates()[0])
    assert any(moved(seed, jitter=0.5)[0][2].any() for seed in range(8))  # not brightness alone


def test_masks_get_no_labels_of_their_own() -> None:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    mask[:, 40:42], mask[20:22] = 17, 9
    image = coordinates()[0]
    transform = TrainTransform(RunConfig(**{**PLAIN, **EVERYTHING}))
    for seed in range(10):
        torch.manual_seed(seed)
        assert set(transform(image, mask)[1].unique().tolist()) <= {0, 9, 17, IGNORE_INDEX}


def test_normalize_has_the_statistics_of_torchvision() -> None:
    image = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    expected = functional.normalize(image / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalize(image), expected, atol=1e-6, rtol=0)


# --- the seed ----------------------------------------------------------------------------------


def training_set(**changes) -> TrainingSet:
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (4, HEIGHT, WIDTH, 3), np.uint8)
    masks = noise.integers(0, 19, (4, HEIGHT, WIDTH), np.uint8)
    config = RunConfig(**{**PLAIN, **EVERYTHING, "jitter": 0.5, "seed": 7, **changes})
    return TrainingSet(SceneCache(list("abcd"), images, masks), config)


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_sample_depends_on_seed_epoch_and_position_alone() -> None:
    samples = training_set()
    keys = [(epoch, position) for epoch in (0, 1) for position in range(4)]
    forwards = {key: samples[key] for key in keys}
    torch.manual_seed(99)  # another state of the generator, another order, another object
    before, samples = torch.get_rng_state(), training_set()  # a sample leaves the former alone
    assert all(same(samples[key], forwards[key]) for key in reversed(keys))
    assert torch.equal(torch.get_rng_state(), before)
    assert not same(samples[1, 0], samples[0, 0])
    assert not same(training_set(seed=8)[0, 0], samples[0, 0])


def test_mixed_seeds_are_all_different() -> None:
    assert len({mix_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}) == 125
    assert mix_seed(1, 2) == mix_seed(1, 2) != mix_seed(2, 1)
