import shutil

import numpy as np
import pytest
from PIL import Image
from servers import served

from seglib.data import camvid, list_scenes, prepare, read_label_ids, read_photo
from seglib.errors import ConfigError, DatasetError
from seglib.files import sha256_of

FRAMES = {"train": ("0001TP_006690.png", "0016E5_00390.png"),
          "val": ("0016E5_07959.png",), "test": ("Seq05VD_f00030.png",)}


@pytest.fixture(autouse=True)
def home(seglib_home, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # also behind a proxy the stand-in is reached
    return seglib_home


@pytest.fixture
def published(tmp_path):
    """A stand-in of four frames in the published layout; no photograph."""
    folder = tmp_path / "published" / "CamVid"
    noise = np.random.default_rng(3)
    for split, names in FRAMES.items():
        for name in names:
            for part in (split, f"{split}annot"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            image = noise.integers(0, 256, (18, 24, 3), np.uint8)
            Image.fromarray(image).save(folder / split / name)
            mask = (np.arange(18 * 24) % 12).astype(np.uint8).reshape(18, 24)
            Image.fromarray(mask).save(folder / f"{split}annot" / name)
    return folder


@pytest.fixture
def requested(published, monkeypatch):
    """Serve the stand-in over HTTP in place of the published files; yields the requested paths."""
    files = sorted(published.glob("*/*.png"))
    checksums = {str(path.relative_to(published.parent)): sha256_of(path) for path in files}
    with served(published.parent) as (address, requested):
        replace_server(monkeypatch, f"{address}/", checksums)
        yield requested


def replace_server(monkeypatch, base_url, checksums):
    monkeypatch.setattr(camvid, "BASE_URL", base_url)
    monkeypatch.setattr(camvid, "published_checksums", lambda: checksums)
    monkeypatch.setattr(camvid, "RETRIES", 0)


def download():
    return prepare("camvid", download=True, progress=False)


def test_folder_becomes_a_tree(published, home, capsys):
    root = prepare("camvid", source=published, progress=False)
    assert root == home / "data" / "camvid"
    assert "holds 2 train, 1 val, 1 test; the published split is 367" in capsys.readouterr().err
    names = {split: [scene.name for scene in list_scenes(root, split)] for split in FRAMES}
    assert names == {"train": ["0001TP_000000_006690", "0016E5_000000_000390"],
                     "val": ["0016E5_000000_007959"], "test": ["Seq05VD_000000_000030"]}
    scene = list_scenes(root, "test")[0]
    assert scene.city == "Seq05VD"
    label_ids = read_label_ids(scene.label_ids, read_photo(scene.image).shape[:2])
    # Sky, Building, Pole, Road, Pavement, Tree, SignSymbol, Fence, Car, Pedestrian, Bicyclist, -
    assert label_ids[0, :12].tolist() == [23, 11, 17, 7, 8, 21, 20, 13, 26, 24, 25, 0]
    source = published / "test" / "Seq05VD_f00030.png"
    assert np.array_equal(read_photo(scene.image), read_photo(source))
    assert not scene.instance_ids.exists()


def test_parent_folder_works_and_a_second_call_does_nothing(published):
    root = prepare("camvid", source=published.parent, progress=False)
    before = (root / "dataset.json").stat().st_mtime_ns
    assert prepare("camvid") == root == prepare("camvid", source=published.parent)
    assert (root / "dataset.json").stat().st_mtime_ns == before


def test_another_source_is_refused_unless_forced(published, tmp_path, capsys):
    prepare("camvid", source=published, progress=False)
    other = shutil.copytree(published, tmp_path / "other")
    (other / "val/0016E5_07959.png").rename(other / "val/0016E5_07960.PNG")
    (other / "valannot/0016E5_07959.png").rename(other / "valannot/0016E5_07960.PNG")
    with pytest.raises(ConfigError, match=f"made with source={published}.*, not .*--force"):
        prepare("camvid", source=other, progress=False)
    assert prepare("camvid", download=True).is_dir()  # how to get them, not which
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        prepare("camvid", source=tmp_path / "nowhere")
    root = prepare("camvid", source=other, force=True, progress=False)
    assert [scene.name for scene in list_scenes(root, "val")] == ["0016E5_000000_007960"]
    assert str(other) in (root / "dataset.json").read_text()
    with pytest.raises(ConfigError, match="either --from .* or --download, not both"):
        prepare("camvid", source=other, download=True, force=True)
    (root / "dataset.json").write_text("[]")
    with pytest.raises(DatasetError, match="dataset.json: not valid .*; --force makes"):
        prepare("camvid")


IMAGE, MASK = "val/0016E5_07959.png", "valannot/0016E5_07959.png"


def mask(value: int, size: tuple[int, int] = (18, 24)):
    """Damage: another mask in place of the val frame's."""
    return lambda folder: Image.fromarray(np.full(size, value, np.uint8)).save(folder / MASK)


def remove(*names: str):
    """Damage: files that are not there."""
    return lambda folder: [(folder / name).unlink() for name in names]


def cut(folder):
    (folder / IMAGE).write_bytes((folder / IMAGE).read_bytes()[:-120])


def repeat(folder):
    for part in ("val", "valannot"):
        shutil.copy(folder / part / "0016E5_07959.png", folder / part / "0016E5_f7959.png")


def rename(folder):
    for path in (folder / IMAGE, folder / MASK):
        path.rename(path.with_name("holiday photo.png"))


@pytest.mark.parametrize(("damage", "message"), [
    (remove(MASK), f"{MASK}: no such file"), (remove(IMAGE), f"{IMAGE}: no such file"),
    (remove(IMAGE, MASK), "val: the split is empty"), (cut, f"{IMAGE}: .*truncated"),
    (mask(0, (18, 23)), f"{MASK}: mask is 18x23.*its image is 18x24"),
    (repeat, "0016E5_f7959.png: the same frame as 0016E5_07959.png"),
    (mask(12), "label byte 12 is none of 0..11"),
    (rename, "holiday photo.png: expected a name such as"),
])
def test_bad_folders_leave_nothing(published, home, damage, message):
    damage(published)
    with pytest.raises(DatasetError, match=message) as caught:
        prepare("camvid", source=published, progress=False)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (home / "data").iterdir() if path.is_dir()] == []


def test_missing_folder_and_missing_dataset(tmp_path, home):
    with pytest.raises(DatasetError, match="nowhere/train: no such folder"):
        (tmp_path / "nowhere").mkdir()
        prepare("camvid", source=tmp_path / "nowhere")
    with pytest.raises(DatasetError) as caught:
        prepare("camvid")
    for part in (str(home), "seglib data camvid --from FOLDER", "seglib data camvid --download"):
        assert part in str(caught.value)


def test_published_checksums():
    checksums = camvid.published_checksums()
    assert len(checksums) == 2 * sum(camvid.PUBLISHED_COUNTS.values()) == 1402
    for split, count in camvid.PUBLISHED_COUNTS.items():
        for part in (split, f"{split}annot"):
            assert sum(name.startswith(f"CamVid/{part}/") for name in checksums) == count
    assert all(len(digest) == 64 and int(digest, 16) for digest in checksums.values())
    assert camvid.BASE_URL.endswith(f"/{camvid.COMMIT}/")


def test_download_makes_the_same_tree(requested, published, home):
    damaged = home / "data" / "camvid_download" / "CamVid" / "train" / "0001TP_006690.png"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half of a file")  # is fetched again
    root = download()
    scenes = [scene for split in FRAMES for scene in list_scenes(root, split)]
    assert len(scenes) == 4 and len(requested) == 8
    assert scenes[0].image.read_bytes() == (published / "train" / "0001TP_006690.png").read_bytes()
    assert not (home / "data" / "camvid_download").exists()


def test_broken_download_is_reported_and_resumes(requested, published, home, monkeypatch):
    late = published / "valannot" / "0016E5_07959.png"
    late.rename(published.parent / "late.png")
    monkeypatch.setattr(camvid, "CONNECTIONS", 1)
    with pytest.raises(DatasetError, match="valannot/0016E5_07959.png: 404.*already verified"):
        download()
    assert not (home / "data" / "camvid").exists()
    kept = {path.name for path in (home / "data" / "camvid_download").rglob("*.png")}
    assert kept  # those fetched before the failure
    (published.parent / "late.png").rename(late)
    first_requests = len(requested)
    download()
    assert len(list_scenes(home / "data" / "camvid", "val")) == 1
    # Verified files were not asked for again: 8 fetches succeeded and 1 failed, no more.
    assert first_requests < len(requested) == 9


def test_tampered_file_is_never_used(requested, published, home):
    Image.fromarray(np.zeros((18, 24), np.uint8)).save(published / "testannot/Seq05VD_f00030.png")
    line = "testannot/Seq05VD_f00030.png: .*does not match"
    with pytest.raises(DatasetError, match=line) as error:
        download()
    assert "\n" not in str(error.value)
    assert not (home / "data" / "camvid").exists()
    stored = (home / "data" / "camvid_download").rglob("*")
    assert "Seq05VD_f00030.png" not in {p.name for p in stored if p.parent.name == "testannot"}


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/", "nothing-like-an-address/"])
def test_download_without_a_server(home, base_url, monkeypatch):
    replace_server(monkeypatch, base_url, {"CamVid/train/a.png": "0" * 64})
    with pytest.raises(DatasetError, match=f"{base_url}CamVid/train/a.png: ") as caught:
        download()
    assert "\n" not in str(caught.value) and "checksum" not in str(caught.value)
