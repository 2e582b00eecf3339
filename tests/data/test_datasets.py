"""The datasets by name: making their trees, telling versions apart, unpacking Cityscapes."""

import json
import shutil
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from processes import Process
from trees import write_scene

import miniscapes
from seglib import paths
from seglib.data import cityscapes, datasets, fingerprint, list_scenes, prepare
from seglib.data.datasets import DATASETS, MARKER, DatasetSpec, dataset_spec
from seglib.errors import ConfigError, DatasetError
from seglib.labels import CITYSCAPES_19
from seglib.recipes import recipe


@pytest.fixture(autouse=True)
def home(seglib_home):
    return seglib_home


def refused(message, *arguments, **options):
    """Preparing it raises DatasetError with one line that matches `message`."""
    with pytest.raises(DatasetError, match=message) as caught:
        prepare(*arguments, progress=False, **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def generated(monkeypatch):
    """Replace the generator by one that writes a scene per split; returns the seeds it got."""
    seeds = []

    def generate(destination, *, seed, **options):
        seeds.append(seed)
        for split in ("train", "val", "test"):
            write_scene(destination, split, label_id=7 + seed)

    monkeypatch.setattr(miniscapes, "generate", generate)
    return seeds


# --- what the datasets are ---------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_whole(name, home):
    spec = dataset_spec(name)
    assert spec.name == name and spec.root() == home / "data" / name
    assert all(part <= whole for part, whole in zip(spec.train_size, spec.scene_size, strict=True))
    assert recipe(name).image_size == spec.train_size


def test_a_new_dataset_needs_one_entry_and_a_converter(home, monkeypatch, tmp_path):
    def convert(folder, *, source, progress):
        write_scene(folder, "train", source.name)
        return {"version": 3}

    spec = DatasetSpec("toy", CITYSCAPES_19, (32, 64), (16, 32), convert=convert)
    monkeypatch.setitem(DATASETS, "toy", spec)
    with pytest.raises(ConfigError, match="^toy: missing a required argument: 'source'"):
        prepare("toy")
    source = tmp_path / "ulm_000003_000019"
    source.mkdir()
    root = prepare("toy", source, progress=False)
    assert root == prepare("toy") == home / "data" / "toy"
    elsewhere = root.rename(tmp_path / "elsewhere")
    root.symlink_to(elsewhere)  # a link to another disk stays one
    assert prepare("toy", source, force=True, progress=False).is_symlink()
    assert elsewhere.is_dir() and not [*root.parent.glob(".toy.[!l]*")]
    assert [scene.name for scene in list_scenes(root, "train")] == ["ulm_000003_000019"]
    made = {"name": "toy", "version": 3, "source": str(source)}
    assert json.loads((root / "dataset.json").read_text()) == made
    assert recipe("toy", "unet").image_size == (16, 32)


def test_a_tree_of_ones_own_is_put_into_the_data_folder(home, monkeypatch):
    monkeypatch.setitem(DATASETS, "own", DatasetSpec("own", CITYSCAPES_19, (32, 64), (16, 32)))
    refused("data/own: no such folder; put the tree of own there", "own")
    write_scene(home / "data" / "own", "train")
    assert len(list_scenes(prepare("own"), "train")) == 1


# --- making miniscapes ---------------------------------------------------------------------------


def test_tree_is_made_once(generated):
    root = prepare("miniscapes")
    assert len(list_scenes(root, "train")) == 1
    assert prepare("miniscapes") == root and generated == [0]
    options = {"seed": 0, "size": [256, 512], "counts": miniscapes.COUNTS}
    made = {"name": "miniscapes", "version": miniscapes.VERSION, "options": options}
    assert json.loads((root / "dataset.json").read_text()) == made


def test_other_options_are_refused_unless_forced(generated):
    prepare("miniscapes", seed=1)
    prepare("miniscapes")  # whatever is there will do
    prepare("miniscapes", seed=1, size=(256, 512), workers=3)
    assert generated == [1]
    with pytest.raises(ConfigError, match="made with seed=1, not 2; use --force"):
        prepare("miniscapes", seed=2)
    prepare("miniscapes", seed=2, force=True)
    assert generated == [1, 2]
    with pytest.raises(ConfigError, match=f"choose one of: {', '.join(DATASETS)}"):
        prepare("moonscapes")


def test_options_without_effect_are_refused(generated, monkeypatch):
    monkeypatch.setitem(DATASETS, "own", DatasetSpec("own", CITYSCAPES_19, (32, 64), (16, 32)))
    without = {"miniscapes": "source download colour", "camvid": "seed", "own": "source force"}
    for name, options in (without | {"cityscapes": "download force seed"}).items():
        for option in options.split():
            with pytest.raises(ConfigError, match=f"{name}: the option {option} .*has no effect"):
                prepare(name, **{option: "."})


def test_a_new_generator_version_makes_the_same_data_anew(generated, monkeypatch, capsys):
    prepare("miniscapes", seed=1)
    monkeypatch.setattr(miniscapes, "VERSION", 2)
    prepare("miniscapes")
    assert generated == [1, 1]
    assert "another version of the generator" in capsys.readouterr().err


def test_what_the_generator_refuses_is_a_config_error():
    with pytest.raises(ConfigError, match="seed -1 must not be negative"):
        prepare("miniscapes", seed=-1, progress=False)


def test_a_folder_of_someone_else_is_not_replaced(generated, home):
    scene = write_scene(home / "data" / "miniscapes", "train")
    for force in (False, True):
        refused("was not made by seglib", "miniscapes", force=force)
    assert scene.image.is_file() and generated == []


# --- fingerprints --------------------------------------------------------------------------------


def test_fingerprint_sees_pixels_and_names_only(tmp_path, monkeypatch):
    root = tmp_path / "tree"
    scene = write_scene(root, "train")
    write_scene(root, "val", mode="coarse")
    value = fingerprint(root, "train")
    assert len(value) == 16 and int(value, 16)
    assert fingerprint(root, "val", "coarse") != value

    pixels = np.asarray(Image.open(scene.label_ids))
    Image.fromarray(pixels).save(scene.label_ids, compress_level=0)
    assert fingerprint(root, "train") == value  # other bytes in the file, same mask
    root = root.rename(tmp_path / "moved")
    assert fingerprint(root, "train") == value

    # Remembered: with the files unchanged nothing is decoded.
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "read_label_ids", lambda *arguments: pytest.fail("decoded"))
        assert fingerprint(root, "train") == value
    for content in (b"", b"\xff" * 16, b"0" * 15):
        for memo in (paths.cache_dir() / "fingerprints").iterdir():
            memo.write_bytes(content)
        assert fingerprint(root, "train") == value

    for label_id in (8, 7):
        write_scene(root, "train", label_id=label_id)
        assert (fingerprint(root, "train") == value) == (label_id == 7)
    write_scene(root, "train", "ulm_000002_000019")
    assert fingerprint(root, "train") != value
    with pytest.raises(DatasetError, match="gtFine/val: no such folder"):
        fingerprint(root, "val")  # only coarse masks of it are there


# --- the user's own Cityscapes -------------------------------------------------------------------


@pytest.fixture
def licensed(tmp_path, monkeypatch):
    """Stand-ins of the official zip files: three splits, fine and coarse."""
    folder, plain = tmp_path / "licensed", tmp_path / "plain"
    folder.mkdir()
    for split in ("train", "val", "test"):
        write_scene(plain, split)
    write_scene(plain, "train", mode="coarse")
    for name, parts in cityscapes.ZIP_FILES.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("license.txt", "as agreed")
            for part in parts:
                for path in sorted((plain / part).rglob("*.png")):
                    archive.write(path, path.relative_to(plain))
    monkeypatch.setenv(cityscapes.VARIABLE, str(folder))
    return folder


def snapshot(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_zip_files_are_unpacked_once(licensed, monkeypatch):
    root = prepare("cityscapes", progress=False)
    assert root == licensed == dataset_spec("cityscapes").root()
    for split in ("train", "val", "test"):
        assert len(list_scenes(root, split)) == 1
    assert len(list_scenes(root, "train", "coarse")) == 1
    folders = {"leftImg8bit", "gtFine", "gtCoarse"}
    assert {path.name for path in root.iterdir()} == folders | cityscapes.ZIP_FILES.keys()
    before = snapshot(root)
    assert prepare("cityscapes", progress=False) == root
    assert prepare("cityscapes", source=licensed, progress=False) == root
    assert snapshot(root) == before


def test_the_source_of_cityscapes_is_remembered(licensed, home, monkeypatch, tmp_path, capsys):
    other = shutil.copytree(licensed, tmp_path / "~other")
    with pytest.raises(ConfigError, match="~other: CITYSCAPES_DATASET names .*licensed; change"):
        prepare("cityscapes", other, progress=False)
    assert not (other / "gtFine").exists()
    monkeypatch.delenv(cityscapes.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("~/licensed", other):
        root = prepare("cityscapes", Path(source), progress=False)
        assert root == prepare("cityscapes") == dataset_spec("cityscapes").root()
        assert root == home / "data" / "cityscapes" and root.samefile(Path(source).expanduser())
        assert len(list_scenes(root, "train")) == 1
    counts = "holds 1 train, 1 val, 1 test; the published split is 2975 train, 500 val, 1525 test"
    assert capsys.readouterr().err.count(counts) == 2 + 1  # by either name, and by the link's
    shutil.rmtree(other)
    refused("data/cityscapes: no such folder", "cityscapes")
    root.unlink()
    shutil.copytree(licensed, root)
    with pytest.raises(ConfigError, match="licensed: in use is the copy .*data/cityscapes; change"):
        prepare("cityscapes", licensed, progress=False)
    shutil.rmtree(root)
    monkeypatch.setattr(Path, "symlink_to", Mock(side_effect=OSError(1, "not permitted")))
    refused("no link to .*not permitted.; set CITYSCAPES_DATASET", "cityscapes", source=licensed)


def test_a_folder_that_cannot_be_written_or_has_no_room_is_named(licensed, monkeypatch):
    # The tests may run as root, to whom no folder is read-only.
    def extract(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile.ZipFile, "extract", extract)
    refused("zip: not unpacked .Permission denied.; unpack it elsewhere", "cityscapes")
    usage = cityscapes.shutil.disk_usage(licensed)._replace(free=10)
    monkeypatch.setattr(cityscapes.shutil, "disk_usage", lambda folder: usage)
    refused("unpacking needs .* GB are free", "cityscapes")


def test_interrupted_unpacking_shows_nothing_and_can_be_repeated(licensed, monkeypatch):
    archive, copied = licensed / "leftImg8bit_trainvaltest.zip", []

    def interrupted(packed, file):
        if copied:
            file.write(b"half of")
            raise KeyboardInterrupt
        copied.append(packed.name)

    (licensed / ".leftImg8bit_trainvaltest.unpacking").mkdir()  # of a killed process
    before = snapshot(licensed)
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.shutil, "copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cityscapes.unpack(archive, licensed, progress=False)
    assert copied and snapshot(licensed) == before
    cityscapes.unpack(archive, licensed, progress=False)
    assert len([path for path in snapshot(licensed) if path.startswith("leftImg8bit/")]) == 3


@pytest.mark.parametrize("member", ["../outside.png", "/outside.png", "gtFine/../../outside.png"])
def test_members_that_lie_elsewhere_are_refused(tmp_path, licensed, member):
    with zipfile.ZipFile(licensed / "gtFine_trainvaltest.zip", "a") as opened:
        opened.writestr(member, "/etc")
    refused("gtFine_trainvaltest.zip: refused, member .*outside.png' lies elsewhere", "cityscapes")
    assert not (licensed / "gtFine").exists()
    assert not Path("/outside.png").exists() and not list(tmp_path.rglob("outside.png"))


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_zip_file(licensed, damage):
    archive = licensed / "gtFine_trainvaltest.zip"
    data = archive.read_bytes()
    start = data.index(b"IHDR") + 6
    flipped = data[:start] + b"xyz" + data[start + 3 :]
    archive.write_bytes(flipped if damage == "flip" else data[: len(data) // 2])
    refused("gtFine_trainvaltest.zip: damaged zip file", "cityscapes")
    assert not (licensed / "gtFine").exists()


def test_folder_without_anything(tmp_path):
    refused("CITYSCAPES_DATASET is not set; --from or CITYSCAPES_DATASET must", "cityscapes")
    refused("leftImg8bit_trainvaltest.zip and gtFine_trainvaltest", "cityscapes", source=tmp_path)
    nowhere = tmp_path / "nowhere"
    refused("nowhere: no such folder", "cityscapes", source=nowhere)


def prepare_small() -> tuple[str, int]:
    options = {"size": (32, 64), "counts": {"train": 8, "val": 1, "test": 1}, "workers": 1}
    root = prepare("miniscapes", progress=False, **options)
    return str(root), (root / MARKER).stat().st_mtime_ns


def test_processes_that_want_one_dataset_make_it_once(seglib_home: Path) -> None:
    processes = [Process(seglib_home, prepare_small) for _ in range(2)]
    first, second = (process.result() for process in processes)
    assert first == second and len(list_scenes(Path(first[0]), "train")) == 8
