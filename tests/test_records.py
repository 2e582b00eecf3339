"""Records: written as a whole, read with clear errors, never replaced by something foreign."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from edits import edited
from PIL import Image
from processes import Process

from seglib import cli, paths
from seglib.config import RunConfig
from seglib.errors import RecordError, SeglibError
from seglib.files import atomic_folder, read_json, write_json
from seglib.models import build_model
from seglib.provenance import RESULTS_VERSION
from seglib.records import Record, best_record, find_record, list_records, load_record, save_record
from study.tables import write_tables

CONFIG = RunConfig(model="fcn", width=4, image_size=(32, 64), precision="fp32").resolved()
LABEL_IDS = np.array([[7, 8], [11, 23]], np.uint8)
IMAGES = {"names": ["a_0", "b_1"], "tp": [[3, 0], [2, 5]], "instance_tp": None, "fn": [[], []]}
SCORES = {"miou": 0.25, "pixel_accuracy": 0.5, "miiou": None, "cities": {}, "images": IMAGES}
HISTORY = [{"epoch": 1, "val_miou": 0.25, "val_loss": 1 / 3}, {"epoch": 2, "val_miou": None}]


def save(config: RunConfig = CONFIG, **changes) -> Record:
    torch.manual_seed(0)
    parts = {
        "history": HISTORY, "scores": {"val": SCORES},
        "environment": {"results_version": RESULTS_VERSION, "finished": "2026"},
        "state": build_model(config.model, 19, width=4).state_dict(),
        "predictions": {"val": {"scene": LABEL_IDS}},
    }
    return save_record(config, **{**parts, **changes})


@pytest.fixture
def record(seglib_home: Path) -> Record:
    return save()


def test_what_was_saved_is_loaded(record: Record) -> None:
    loaded = load_record(record.id)
    assert loaded == record and loaded.config == CONFIG
    assert loaded.history["epoch"].tolist() == [1, 2]
    assert loaded.history["val_loss"][0] == 0.333333 and np.isnan(loaded.history["val_miou"][1])
    assert loaded.miou() == 0.25 and loaded.is_current and loaded.scores == {"val": SCORES}
    assert np.array_equal(loaded.predictions("val")["scene"], LABEL_IDS)
    assert loaded.predictions("test") == {}
    with Image.open(loaded.path / "predictions" / "val" / "scene.png") as image:
        assert image.mode == "L" and image.size == (2, 2)
    history = "epoch,val_miou,val_loss\n1,0.25,0.333333\n2,,\n"
    assert (loaded.path / "history.csv").read_text() == history
    model = loaded.load_model()
    torch.manual_seed(0)
    expected = build_model("fcn", 19, width=4)
    assert not model.training
    for name, tensor in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_records_are_found_by_config_id_and_path(record: Record, monkeypatch) -> None:
    assert find_record(CONFIG) == record
    assert find_record(RunConfig(model="fcn", width=5)) is None
    assert load_record(str(record.path)) == record
    monkeypatch.chdir(record.path.parent.parent)
    assert load_record(f"results/{record.id}").id == record.id
    config = RunConfig(model="fcn", dataset="camvid", width=4)
    other = save(config, environment={"finished": "2027"})
    assert list_records() == sorted([record, other], key=lambda item: item.id)
    assert list_records(dataset="camvid") == [other]
    assert load_record() == other  # which was finished last


def test_a_record_that_is_not_there_is_refused_with_the_nearest(record: Record) -> None:
    with pytest.raises(RecordError, match=f"run .* has no record .*; did you mean '{record.id}'"):
        load_record(record.id[:-1])
    with pytest.raises(RecordError, match="run 'x' has no record in .*; `seglib runs` lists those"):
        load_record("x")
    shutil.rmtree(record.path)
    assert list_records() == []
    with pytest.raises(RecordError, match="no run is recorded; start with: seglib train"):
        load_record()


def test_the_best_record_has_weights_and_the_highest_score_on_val(seglib_home: Path) -> None:
    state = {"weight": torch.zeros(1)}
    saved = [
        save_record(RunConfig(dataset=dataset, seed=seed), history=[], predictions={}, state=kept,
                    scores={"val": {"miou": miou}}, environment={})
        for seed, (dataset, miou, kept) in enumerate((
            ("camvid", 0.2, state), ("camvid", 0.7, state), ("camvid", 0.9, None),
            ("miniscapes", 0.8, state)))  # drawn scenes come second
    ]
    assert best_record().id == saved[1].id
    _ = [shutil.rmtree(record.path) for record in saved[:2]]
    assert best_record().id == saved[3].id


def test_a_failed_write_keeps_the_old_record(record: Record, monkeypatch) -> None:
    before = (record.path / "scores.json").read_bytes()
    with pytest.raises(ValueError):
        save(scores={"val": {"miou": float("nan")}})  # JSON has no NaN
    rename = Path.rename

    def fail(self, target):
        if self.suffix == ".tmp":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output"):
        save(scores={"val": {"miou": 0.5}})
    assert [path.name for path in record.path.parent.iterdir()] == [record.id]
    assert (record.path / "scores.json").read_bytes() == before


PARTS = ("config.json", "environment.json", "history.csv", "scores.json", "weights.safetensors")


@pytest.mark.parametrize("name", PARTS)
def test_one_changed_byte_is_noticed_and_its_file_named(record: Record, name: str) -> None:
    content = bytearray((record.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (record.path / name).write_bytes(content)
    with pytest.raises(RecordError, match=f"{record.id}/{name}: ") as caught:
        part = getattr(Record(record.path), name.partition(".")[0])
        part()  # of the weights; the others are properties
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="only where there is this program")
def test_digests_are_in_the_form_of_sha256sum(record: Record) -> None:
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    lines = subprocess.check_output(check, cwd=record.path, text=True).splitlines()
    assert lines == [f"{name}: OK" for name in PARTS if name != "scores.json"]


def test_weights_that_are_not_numbers_or_came_later_are_refused(record: Record) -> None:
    state = record.weights()
    state["encoder.0.0.bias"][1] = torch.nan
    with pytest.raises(RecordError, match="'encoder.0.0.bias' holds NaN or infinite numbers"):
        save(state=state).load_model()
    compact = save(state=None)
    compact.weights_path.write_bytes(safetensors.torch.save({"bias": torch.zeros(4)}))
    with pytest.raises(RecordError, match="weights.safetensors: damaged or edited .its sha256 is"):
        compact.weights()


def rename(record: Record) -> None:
    record.path.rename(record.path.with_name("miniscapes-fcn-00000000"))


@pytest.mark.parametrize(("damage", "message"), [
    (lambda record: (record.path / "scores.json").write_text("{"), "scores.json: not valid"),
    (lambda record: (record.path / "environment.json").unlink(), "environment.json: cannot be"),
    (lambda record: (record.path / "SHA256SUMS").unlink(), "SHA256SUMS: cannot be read"),
    (lambda record: edited(record, "environment.json", b"[]"), "expected an object of named"),
    (lambda record: edited(record, "config.json", {"colour": 1}), "config field 'colour'"),
    (lambda record: edited(record, "config.json", {"model": "nonet"}), "model 'nonet' is"),
    (rename, "config.json: is the config of miniscapes-fcn-.*, not of miniscapes-fcn-00000000"),
])
def test_a_damaged_record_takes_no_other_down(record: Record, capsys, damage, message) -> None:
    other = save(dataclasses.replace(CONFIG, seed=1))
    damage(record)
    for read, result in (
        (list_records, [other]), (best_record, other), (load_record, other),
        (lambda: cli.main(["runs"]), 0), (write_tables, None),
    ):
        assert read() == result
        printed = capsys.readouterr()
        if result == 0:  # of the command, which lists the other
            assert other.id in printed.out
        (passed_over,) = printed.err.splitlines()
        assert re.search(f"^passed over: .*{message}", passed_over)
    assert (paths.results_dir() / "summary.csv").read_text().count(other.id) == 1


def test_broken_predictions_are_named_and_half_written_ones_not_read(record: Record) -> None:
    folder = record.path / "predictions" / "val"
    (folder / ".scene.123.tmp.png").write_bytes(b"half")
    assert list(record.predictions("val")) == ["scene"]
    (folder / "scene.png").write_bytes(b"no image")
    with pytest.raises(SeglibError, match="scene.png: cannot be read"):
        record.predictions("val")


def test_foreign_weights_are_refused(record: Record) -> None:
    other = save(state=record.weights() | {"encoder.0.0.bias": torch.zeros(5)})
    message = r"weights.safetensors: .*architecture: size mismatch .*0.0.bias: .*\[5\].*\[4\]"
    with pytest.raises(RecordError, match=message):
        other.load_model()


def test_scores_of_another_split_are_added(record: Record) -> None:
    record.add_scores("test", {"miou": 0.5}, {"other": LABEL_IDS.T})
    for seen in (record, load_record(record.id)):
        assert seen.miou("test") == 0.5 and seen.miou("val") == 0.25
        assert np.array_equal(seen.predictions("test")["other"], LABEL_IDS.T)
    before = (record.path / "scores.json").read_bytes()
    with pytest.raises(ValueError):
        record.add_scores("train", {"miou": float("nan")}, {})  # JSON has no NaN
    assert (record.path / "scores.json").read_bytes() == before


def add_many(run_id: str, splits: list[str]) -> None:
    for split in splits:
        load_record(run_id).add_scores(split, {"miou": 0.5}, {})


def test_two_processes_that_add_scores_lose_none(record: Record, seglib_home: Path) -> None:
    splits = [[f"{letter}{number}" for number in range(10)] for letter in "ab"]
    processes = [Process(seglib_home, add_many, record.id, names) for names in splits]
    for process in processes:
        process.result()
    assert set(load_record(record.id).scores) == {"val", *splits[0], *splits[1]}


# --- files ------------------------------------------------------------------------------------


def test_atomic_folders_replace_the_old_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for number in (1, 2):
        with atomic_folder(target) as temporary:
            (temporary / f"{number}").touch()
    assert [path.name for path in target.iterdir()] == ["2"]
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in target.iterdir()] == ["2"]
    target.rename(tmp_path / ".folder.old")  # where a process is killed between two renames
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["2"]


def test_json_is_read_with_one_line_errors(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1]"):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="values.json: not valid JSON"):
            read_json(path, RecordError)
    with pytest.raises(RecordError, match="none.json: cannot be read .No such file"):
        read_json(tmp_path / "none.json", RecordError)
    with pytest.raises(RecordError, match="cannot be read"):
        read_json(tmp_path, RecordError)
