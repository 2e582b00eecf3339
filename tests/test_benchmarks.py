"""The benchmarks' own arithmetic and page; what they measure needs the extra `bench`."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu, measuring, table
from benchmarks.__main__ import JOBS, main
from benchmarks.measuring import Comparison, interleave, own_home, peak_megabytes
from benchmarks.table import render
from seglib import paths
from seglib.config import RunConfig
from seglib.files import read_json, write_json


def test_ratios_are_above_one_where_we_do_better() -> None:
    speed = Comparison("speed", "images/s", "higher", [6.0, 9.0, 8.0], "a", [3.0, 3.0, 2.0], "b")
    assert speed.ratios() == [2, 3, 4] and speed.ratio() == 3 and not speed.falls_short()
    time = Comparison("time", "s", "lower", [2.0], "a", [1.0], "b", target=0.4)
    assert time.ratio() == 0.5 and not time.falls_short()
    time.target = None
    assert time.falls_short()
    alone = Comparison("alone", "s", "lower", [2.0], "a")
    assert alone.ratios() == [] and not alone.falls_short() and alone.verdict() == ""
    score = Comparison("score", "%", "higher", [60.0, 62.0], "a", [62.5], "b")
    assert score.ratios() == [] and score.falls_short() and score.verdict() == "-1.5 points"


def test_contenders_take_turns_after_a_run_that_does_not_count() -> None:
    turns: list[str] = []

    def contender(name: str):
        def run() -> int:
            turns.append(name)
            return len(turns)

        return run

    assert interleave(2, contender("a"), contender("b")) == [[3, 5], [4, 6]]
    assert "".join(turns) == "ababab"


def prepare(megabytes: int):
    ballast = np.ones(30 << 20, np.uint8)  # there before, so it does not count
    return lambda: int(np.ones(megabytes << 20, np.uint8)[-1] + ballast[-1])


@pytest.mark.slow
def test_peaks_of_memory_leave_out_what_was_there_before() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells")
    assert peak_megabytes(prepare, 64) == pytest.approx(64, abs=4)


def test_a_home_of_its_own_is_given_back(seglib_home: Path, tmp_path: Path) -> None:
    (seglib_home / "data" / "miniscapes").mkdir(parents=True)
    with own_home(tmp_path / "own"):
        assert paths.home() == tmp_path / "own"
        assert (paths.data_dir() / "miniscapes").resolve() == seglib_home / "data" / "miniscapes"
        assert not (paths.data_dir() / "camvid").exists()
    assert paths.home() == seglib_home


MACHINE = {"device": "cpu", "processor": "X1", "threads": 2, "system": "Linux", "cores": 2}
MACHINE |= {"memory_gb": 8, "python": "3.11.0", "torch": "2.9.0"}


def results() -> dict:
    rows = [
        Comparison("Reading", "s", "lower", [1.0, 2.0, 3.0], "cache", [4.0, 4.0, 4.0], "files"),
        Comparison("Writing", "s", "lower", [3.0], "ours", [1.0], "theirs", 8, "equal", "Slow."),
        Comparison("Alone", "min", "lower", [5.0], "pytest"),
    ]
    made = {"machine": MACHINE, "repetitions": 3, "seconds": 9, "measured": "2026-01-01"}
    return {"files": {**made, "rows": [vars(row) for row in rows]}}


def test_the_page_shows_medians_spreads_and_where_we_lose() -> None:
    page = render(results())
    assert "| Reading | s | 2 (1–3)<br>cache | 4 (4–4)<br>files | 2.00 (1.33–4.00) |  |" in page
    assert "| Writing | s | 3<br>ours | 1<br>theirs | **0.33** | 8 |" in page
    assert "| Alone | min | 5<br>pytest |  |  |  |" in page and "## files\n" in page
    assert "- **Writing** against theirs: 0.33 times, the target is 8. Slow." in page
    assert "- **Writing** against theirs: equal." in page
    assert "X1, 2 cores, 2 threads, 8 GB memory, Linux" in page


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    committed = (measuring.FOLDER / "README.md").read_text(encoding="utf-8")
    assert committed == render(read_json(measuring.RESULTS))


def test_every_measurement_has_its_module_and_mistakes_are_one_line(capsys) -> None:
    for job in JOBS.values():
        assert importlib.util.find_spec(f"benchmarks.{job.module}"), job
        if importlib.util.find_spec("lightning"):  # with the extra bench they can be imported
            assert importlib.import_module(f"benchmarks.{job.module}").measure
    wrong = {"'speed' is unknown": ["speed"], "must be 1 or more": ["input", "--repetitions", "0"]}
    for words, arguments in wrong.items():
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_peer_is_trained_by_our_recipe(home: Path, tmp_path: Path, monkeypatch) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    from benchmarks import same_recipe
    theirs = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=11).eval()
    model = same_recipe.SmpUNet(11, **same_recipe.OPTIONS).eval()
    model.encoder.network.load_state_dict(theirs.encoder.model.state_dict())
    model.decoder.load_state_dict(theirs.decoder.state_dict())
    model.head.load_state_dict(theirs.segmentation_head.state_dict())
    photo = torch.randn(1, 3, 64, 96)  # ours are normalised otherwise than this encoder wants them
    expected = theirs(photo * model.encoder.scale + model.encoder.shift)
    torch.testing.assert_close(model(photo), expected)
    assert model(photo[..., :50, :70]).shape == (1, 11, 50, 70)
    monkeypatch.setattr(same_recipe, "FOLDER", tmp_path / "trained")
    monkeypatch.setattr(same_recipe, "prepare", lambda name: None)  # it is there already
    config = RunConfig(model="timm", image_size=(32, 64), epochs=1, batch_size=2)
    (row,) = same_recipe.measure(1, dataclasses.replace(config, encoder_rate=0.25))
    assert len(row.ours) == len(row.peer) == 1 and 0 <= row.peer[0] <= 100
    assert "smp.Unet(tu-tf_efficientnet_lite0): 5.20 M parameters" in row.peer_way
    trained = [read_json(file)["model"] for file in (tmp_path / "trained").glob("*/config.json")]
    assert sorted(trained) == ["smp", "timm"]


@pytest.mark.slow
def test_the_script_for_a_gpu_measures_all_its_parts_and_they_merge(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    options = ["--toy", "--minutes", "120", "--output", str(tmp_path)]
    assert gpu.main(options) == 0, capsys.readouterr().out
    found = read_json(tmp_path / "gpu.json")
    assert found["left_out"] == [] and all(check["passed"] for check in found["checks"].values())
    assert {"timm: trains in bf16", "resumed: the same weights, bit for bit"} < {*found["checks"]}
    assert "resumed: the epochs before the kill are those of the checkpoint" in found["checks"]
    titles = {row["title"] for row in found["rows"]}
    assert len(titles) == 12 and "Memory on a GPU, U-Net of width 4 in fp32" in titles
    assert len((tmp_path / "gpu.md").read_text().splitlines()) == 2 + len(found["rows"])
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    row = Comparison("Speed", "images/s", "higher", [2.0], "seglib")
    measuring.save_result("training", 1, 60.0, [row])
    with pytest.raises(SystemExit):
        gpu.main(["--merge", str(tmp_path / "gpu.json")])
    assert "gpu.json: was made on cpu, not on a GPU" in capsys.readouterr().err
    found["machine"]["device"] = "cuda"
    write_json(tmp_path / "gpu.json", found)
    assert gpu.main(["--merge", str(tmp_path / "gpu.json")]) == 0
    kept = read_json(tmp_path / "results.json")
    assert sorted(kept) == ["gpu", "training"] and kept["gpu"]["rows"] == found["rows"]
    assert "Training on a GPU, U-Net" in (tmp_path / "README.md").read_text(encoding="utf-8")
    found["checks"]["timm: trains in bf16"]["passed"] = False
    write_json(tmp_path / "failed.json", found)
    with pytest.raises(SystemExit):
        gpu.main(["--merge", str(tmp_path / "failed.json")])
    assert "failed.json: failed: timm: trains in bf16" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".md", ".json")]


def test_the_script_for_a_gpu_needs_no_extras_and_out_of_time_leaves_parts_out() -> None:
    if torch.cuda.is_available():
        pytest.skip("here it would measure")
    code = "import sys; sys.modules |= dict.fromkeys(sys.argv[1:]); import benchmarks.gpu as gpu; "
    code += "assert gpu.main([]) == 0 and not gpu.Findings(None, 0.0, None).has_time(9, 'this')"
    absent = ("pooch", "tyro", "seaborn", "matplotlib", "imagecodecs", "ipywidgets", "anywidget")
    command, root = [sys.executable, "-c", code, *absent], measuring.FOLDER.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("no GPU here: nothing to measure")
