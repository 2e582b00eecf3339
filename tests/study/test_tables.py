"""The results tables hold what the records hold, nothing else, and the same bytes every time."""

import numpy as np
import pandas as pd
import pytest

from seglib import paths
from seglib.config import RunConfig
from seglib.errors import ConfigError
from seglib.evaluation.intervals import bootstrap_interval
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.labels import CAMVID_11, CITYSCAPES_19
from seglib.models import build_model
from seglib.models.inspection import multiply_adds
from seglib.recipes import recipe
from seglib.records import load_record, save_record, write_scores
from study import tables

README = "# Study\n\n<!-- results:begin -->\nold\n<!-- results:end -->\n\nThe end.\n"


def scores(class_set, share_right, instances=False, images=5):
    generator = np.random.default_rng(round(100 * share_right))
    accumulator = ScoreAccumulator(class_set)
    for number in range(images):
        truth, noise = generator.integers(0, class_set.num_classes, (2, 16, 16)).astype(np.uint8)
        guess = np.where(generator.random((16, 16)) < share_right, truth, noise)
        ids = class_set.decode(truth)
        numbered = np.where(class_set.has_instances[truth], ids.astype(np.int32) * 1000, ids)
        accumulator.add(f"scene_{number}", ids, guess, numbered + 1 if instances else None)
    return accumulator.scores()


def record(share_right, test=True, environment=None, **options):
    options = {"dataset": "camvid", "model": "unet", "width": 4, **options}
    on_miniscapes = options["dataset"] == "miniscapes"
    class_set = CITYSCAPES_19 if on_miniscapes else CAMVID_11
    on_val = not options.get("with_val")
    splits = {"val": scores(class_set, share_right, on_miniscapes)} if on_val else {}
    if test:
        splits["test"] = scores(class_set, share_right - 0.1, on_miniscapes)
    environment = {"seconds": 150.0} if environment is None else environment
    return save_record(RunConfig(**options), history=[{"epoch": 1}], scores=splits,
                       environment=environment, state=None, predictions={})


@pytest.fixture
def runs(seglib_home):
    (seglib_home / "README.md").write_text(README)
    return [record(0.5), record(0.8, seed=1), record(0.6, model="fcn", environment={}),
            record(0.7, dataset="miniscapes", test=False)]


def test_summary_has_every_run_and_its_numbers(runs):
    table = tables.summary().set_index("run")
    assert sorted(table.index) == sorted(run.id for run in runs)
    best, scored = table.loc[runs[1].id], runs[1].scores
    assert best["val_miou"] == scored["val"]["miou"]
    assert best["test_miou"] == scored["test"]["miou"]
    assert (best["test_low"], best["test_high"]) == bootstrap_interval(scored["test"])
    assert best["test_low"] < best["test_miou"] < best["test_high"]
    model = build_model("unet", 11, width=4)
    assert best["parameters"] == sum(p.numel() for p in model.parameters())
    assert best["multiply_adds"] == multiply_adds(model, (240, 320)) and best["minutes"] == 2.5


def test_what_is_not_available_is_missing_and_never_zero(runs):
    table = tables.summary().set_index("run")
    assert np.isnan(table.loc[runs[0].id, "iiou"])
    assert np.isnan(table.loc[runs[3].id, "test_miou"])
    assert table.loc[runs[3].id, "scored_on"] == "val"
    assert table.loc[runs[3].id, "iiou"] == runs[3].scores["val"]["miiou"]
    fcn, unet, miniscapes = tables.readme_section(tables.summary()).splitlines()[2:5]
    assert "| n/a | 2 min |" in unet and "| n/a | n/a |" in fcn  # its time was not recorded
    value = 100 * runs[3].scores["val"]["miou"]
    assert f"| {value:.1f} * (" in miniscapes and f"| scene {value:.1f} |" in miniscapes


def test_a_run_of_the_plan_goes_before_a_better_one(seglib_home):
    planned = recipe("camvid", "fcn").to_dict()
    runs = [record(0.5, **planned), record(0.8, **{**planned, "seed": 1})]
    assert tables.main_runs(tables.summary())["run"].tolist() == [runs[0].id]


def test_readme_and_summary_are_written_and_stay_the_same(runs, seglib_home):
    files = seglib_home / "README.md", seglib_home / "results" / "summary.csv"
    tables.write_tables()
    first = [file.read_bytes() for file in files]
    text = first[0].decode()
    assert text.startswith("# Study\n") and text.endswith("The end.\n") and "\nold\n" not in text
    seeds = [run.scores["test"] for run in runs[1::-1]]  # the second run differs in the seed
    values = 100 * np.array([each["miou"] for each in seeds])
    low, high = (100 * bound for bound in bootstrap_interval(seeds))
    assert f"| 2 | {values.mean():.1f} ± {values.std(ddof=1):.1f} ({low:.1f}–{high:.1f}) |" in text
    assert "all recorded runs (4) are in" in text
    assert len(pd.read_csv(files[1])) == 4
    tables.write_tables()
    assert [file.read_bytes() for file in files] == first


def test_no_results_yet(seglib_home, capsys):
    assert tables.exit_code(tables.write_tables) == 0  # neither README nor results
    assert capsys.readouterr().out == "results/summary.csv: 0 runs\n"
    assert pd.read_csv(seglib_home / "results" / "summary.csv").empty
    (seglib_home / "README.md").write_text(README)
    assert tables.exit_code(tables.write_tables) == 0
    assert "No runs are recorded yet" in (seglib_home / "README.md").read_text()


@pytest.mark.parametrize("text", ["no markers", "<!-- results:end --> <!-- results:begin -->"])
def test_missing_markers_are_one_clear_line(seglib_home, capsys, text):
    (seglib_home / "README.md").write_text(text)
    assert tables.exit_code(tables.write_tables) == 2
    error = capsys.readouterr().err
    assert error.startswith("seglib: error: ") and "README.md" in error and error.count("\n") == 1
    assert (seglib_home / "README.md").read_text() == text


def test_options_in_words(seglib_home):
    run = record(0.5, test=False, skips=0, norm=False)
    assert tables.describe_options(run) == "width 4, no batch normalisation, no skips"
    assert tables.describe_options(record(0.5, test=False, width=None)) == "width 64"


def test_a_run_from_other_weights_has_a_row_of_its_own(runs):
    table = tables.summary()
    # Where nothing is planned the best on val counts.
    assert set(tables.main_runs(table)["run"]) == {runs[1].id, runs[2].id, runs[3].id}
    later = table.iloc[[0]].assign(start="miniscapes", val_miou=0.99)
    best = tables.main_runs(pd.concat([later, table], ignore_index=True))
    assert len(best) == len(tables.main_runs(table)) + 1
    assert tables.readme_section(best).count(", from MiniScapes |") == 1
    pretrained = table.iloc[[0]].assign(options="width 4, pretrained", val_miou=0.99)
    best = tables.main_runs(pd.concat([pretrained, table], ignore_index=True))
    assert len(best) == len(tables.main_runs(table)) + 1  # beside that from random weights


def test_the_score_with_flips_stands_beside_the_other(seglib_home):
    run = record(0.5)
    assert " | n/a | " in tables.readme_section(tables.summary()).splitlines()[2]
    write_scores(run.path / "scores.json", run.scores | {"test+flip": scores(CAMVID_11, 0.8)})
    miou = f"{100 * load_record(run.id).miou('test+flip'):.1f}"
    line = tables.readme_section(tables.summary()).splitlines()[2]
    assert line.split(" | ")[8] == miou != line.split(" | ")[6].split(" ")[0]


def test_published_results_are_complete_and_each_has_an_address(tmp_path):
    found = tables.published_results()
    assert len({each["name"] for each in found}) == len(found) > 20
    assert found == sorted(found[::-1], key=tables.rank)
    for each in found:
        assert 0 < each["miou"] < 100 and 2009 < each["year"] < 2100, each["name"]
        assert each["url"].startswith("https://") and each["place"] and each["checked"]
        assert each.get("input", [1, 2])[0] < each.get("input", [1, 2])[1]  # (height, width)
    (file := tmp_path / "published.toml").write_text('[[result]]\nname = "U-Net"\nmiou = 70.0\n')
    with pytest.raises(ConfigError, match=r"^published\.toml: .*missing required key.*url"):
        tables.published_results(file)


def test_our_runs_on_camvid_stand_among_the_published_ones(runs):
    text = tables.published_section(tables.main_runs(tables.summary()))
    fcn, unet = (line.split(" | ") for line in text.splitlines() if "| this study |" in line)
    assert fcn[:2] == ["| **FCN, width 4**", "240×320"] and fcn[3:5] == ["train", "scratch"]
    assert fcn[6] == f"{100 * runs[2].scores['test']['miou']:.1f}"
    assert unet[6] == f"{50 * sum(run.scores['test']['miou'] for run in runs[:2]):.1f}"


def test_runs_on_train_and_val_stand_only_among_the_published_ones(runs):
    before = tables.readme_section(tables.summary()).splitlines()
    both, unscored = record(0.9, with_val=True), record(0.9, False, with_val=True, seed=1)
    table = tables.summary().set_index("run")
    assert (table.loc[[both.id, unscored.id], "trained"] == "train+val").all()
    assert table.loc[unscored.id, ["val_miou", "test_miou", "scored_on", "iiou"]].isna().all()
    added = set(tables.readme_section(tables.summary()).splitlines()).difference(before)
    (cells,) = (line.split(" | ") for line in added if line.startswith("|"))
    assert cells[0] == "| **U-Net, width 4**" and cells[3] == "train+val"
    assert cells[6] == f"{100 * both.scores['test']['miou']:.1f}"


@pytest.mark.slow
def test_the_committed_tables_are_those_of_the_committed_records(monkeypatch):
    monkeypatch.delenv("SEGLIB_HOME", raising=False)
    table = tables.summary()
    known = (paths.results_dir() / "summary.csv").read_text("utf-8")
    others = [run for run in table["run"] if run not in known]
    assert not others, "not in results/summary.csv; run `make tables`, or move them elsewhere"
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    assert text.encode() == (paths.results_dir() / "summary.csv").read_bytes()
    readme = (paths.home() / "README.md").read_text(encoding="utf-8")
    assert tables.replace_section(readme, tables.readme_section(table)) == readme
