"""The plan of runs: what it lists, what state it sees, and that it trains what is missing."""

import dataclasses
import math
import re
import time
from pathlib import Path

import pytest

from seglib import cli, paths
from seglib.errors import ConfigError
from seglib.evaluation.evaluate import score_split
from seglib.files import read_json, write_json
from seglib.records import find_record, list_records, seal, write_scores
from seglib.training.loop import OutOfTime, fit
from study import run as study_run
from study.effects import one_factor_summary, one_factor_table
from study.plan import SCALES, StudyRun, StudySweep, ablation_configs, load_study
from study.run import Status, deadline_of, listing, run_study, status, unique

TINY = (
    "{ width = 4, image_size = [32, 64], crop_size = false, epochs = 2, batch_size = 2, "
    'validate_every = 1, precision = "fp32" }'
)
PLAN = f"""
[[cpu]]
name = "models"
datasets = ["cityscapes"]
models = ["unet"]
set = {TINY}
splits = ["test"]

[[cpu]]
name = "factors"
datasets = ["cityscapes"]
models = ["unet"]
seeds = [0, 1]
factors = ["loss"]
set = {TINY}
weights = false

[[cpu]]
name = "halving"
datasets = ["cityscapes"]
models = ["unet"]
set = {TINY}
sweep = {{ grid = {{ dropout = [0.0, 0.1] }}, first_images = 2, halvings = 1 }}

[factors.loss]
"Dice" = {{ loss = "dice" }}
"both" = {{ loss = "cross_entropy+dice" }}
"""
ON_BOTH = 'per_model = { unet = { with_val = true, select_by = "last" } }'


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.toml"
    file.write_text(PLAN)
    return file


def train_all(plan: Path, **options) -> int:
    return run_study(load_study(plan=plan), device="cpu", progress=False, **options)


def states(plan: Path) -> list[str]:
    return [status(entry).state for entry in unique(load_study(plan=plan))]


@pytest.mark.parametrize("scale", SCALES)
def test_the_plan_is_valid_and_in_the_order_of_training(scale, seglib_home):
    entries = load_study(scale)
    assert {"fcn", "unet", "vit", "swin"} <= {entry.config.model for entry in entries}
    order = [entry.id for entry in entries]
    for entry in entries:
        if entry.config.init_from:
            start = order.index(entry.config.init_from)
            assert start < order.index(entry.id)
            assert entries[start].config.pretrained is entry.config.pretrained  # the same changes
    single = [run for run in entries if run.group == "one factor at a time"]
    bases = {run.config.seed: run.id for run in single if run.factor is None}
    for factor in {run.factor for run in single if run.factor}:
        for seed, base in bases.items():  # one level is the unchanged run, so gains have a zero
            levels = [r for r in single if (r.factor, r.config.seed) == (factor, seed)]
            assert [run.id for run in levels].count(base) == 1, factor


def test_the_committed_records_are_those_of_the_plan(monkeypatch):
    for name in ("SEGLIB_HOME", "SEGLIB_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    entries = [*load_study("cpu"), *(e for e in load_study("gpu") if isinstance(e, StudyRun))]
    recorded = {record.id for record in list_records()}
    foreign = recorded - {entry.id for entry in entries if isinstance(entry, StudyRun)}
    assert recorded and not foreign, "not in study/plan.toml: move them elsewhere"
    for entry in entries:
        if entry.id in recorded or isinstance(entry, StudySweep):
            assert status(entry).is_done, entry
        if entry.id in recorded and not entry.config.with_val:
            kept = find_record(entry.config).predictions("val")
            assert len(kept) == (12 if entry.predictions else 0), entry


def test_ablations_change_one_thing_each(seglib_home):
    for model, name, count in (("unet", "U-Net", 8), ("swin", "Swin", 3), ("fcn", "FCN", 4)):
        runs = {name: run.to_dict().items() for name, run in ablation_configs(model).items()}
        assert list(runs)[0] == name and len(runs) == count
        for level, run in runs.items():
            changed = [k for k, v in run if v != dict(runs[name])[k]]
            assert len(changed) == {name: 0, "both": 2}.get(level, 1)


def test_a_run_that_two_groups_need_is_listed_once_with_all_that_is_asked(plan):
    entries = load_study(plan=plan)
    assert len(entries) == 1 + 2 * (1 + 2) + 1
    # The models' run, the factors' base of seed 0 and its level "both" are one.
    assert len(unique(entries)) == 5
    assert unique(entries)[0].weights and unique(entries)[0].splits == ("test",)
    assert load_study(plan=plan, groups=["factors"])[0].weights  # which alone would drop them
    labels = [entry.label for entry in unique(entries)]
    assert labels == ["seed 0", "loss: Dice, seed 0", "seed 1", "loss: Dice, seed 1", "sweep"]


@pytest.mark.parametrize(("old", "new", "words"), [
    ('name = "models"', 'nam = "models"', "'nam' is unknown"),
    ('datasets = ["cityscapes"]', 'datasets = ["paris"]', "'paris' is unknown"),
    ('factors = ["loss"]', 'factors = ["los"]', "'los' is unknown"),
    ("width = 4", "widht = 4", "'widht' is unknown"), ("width = 4", "width = -4", "width -4"),
    ("width = 4", 'dataset = "camvid"', "'dataset'"), ('models = ["unet"]', "", "required key"),
    ("halvings = 1", "halving = 1", 'extra key(s): "halving"'),
    ('name = "models"', 'name = "models"\ncompared = true', "need to be measured"),
    ('splits = ["test"]', f"measured = true\n{ON_BOTH}", "runs trained with_val are scored"),
    ('splits = ["test"]', f'splits = ["val+flip"]\n{ON_BOTH}', "runs trained with_val are sc"),
    ('models = ["unet"]', 'models = ["unet"]\nlike = ["tiny"]', "'tiny' is unknown"),
    ('splits = ["test"]', 'splits = "test"', "'splits' of dict is not a list"),
    ('splits = ["test"]', 'splits = ["tset"]', "did you mean 'test'?"),
    ('splits = ["test"]', 'recipes = "recipe"', "'recipes' is unknown"),
    ('splits = ["test"]', "per_model = { fnc = {} }", "did you mean 'fcn'?"),
    ('splits = ["test"]', "per_model = { unet = { seed = 1 } }", "name seeds of the group"),
    ('name = "halving"', 'name = "halving"\nseeds = [1]', "a sweep has no seeds"),
    ('name = "models"', 'name = "\\u001b[31m"\nseeds = 3', "group '\\x1b[31m'"),
    ('"Dice" = { loss = "dice" }', 'loss = "dice"', "is not a dict"),
    (PLAN, "[cpu]", "'cpu' of dict is not a list"),
    ("[[cpu]]", "[[cpus]]", "'cpus' is unknown"), ("[[cpu]]", "[[cpu]", "not valid TOML"),
])
def test_a_plan_with_a_mistake_is_one_line_that_names_it(plan, old, new, words):
    plan.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(ConfigError) as problem:
        load_study(plan=plan)
    assert words in str(problem.value) and "plan.toml" in str(problem.value)
    assert "\n" not in str(problem.value)


def test_unknown_choices_are_refused(plan):
    for options in ({"scale": "tpu"}, {"datasets": ["paris"]}, {"groups": ["nosuch"]}):
        with pytest.raises(ConfigError, match="is unknown; choose one of"):
            load_study(plan=plan, **options)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(plan=Path("nosuch.toml"))


def test_names_of_a_plan_move_no_cursor(plan, seglib_home):
    plan.write_text(PLAN.replace('"models"', '"\\u001b[31m"', 1))
    assert listing(load_study(plan=plan)).startswith("\\x1b[31m\n  cityscapes-unet-")
    with pytest.raises(ConfigError, match=r"choose one of: \\x1b\[31m, factors, halving"):
        load_study(plan=plan, groups=["nosuch"])


def test_the_study_trains_what_is_missing_and_only_that(cityscapes_home, plan, capsys):
    assert states(plan) == ["missing"] * 5
    first = load_study(plan=plan)[0]
    with pytest.raises(OutOfTime):
        fit(first.config, device="cpu", progress=False, deadline=0.0)
    assert status(first) == Status("interrupted", "after epoch 1 of 2")

    assert train_all(plan, deadline=0.0) == 4  # one epoch is left of the first run, and is trained
    assert states(plan) == ["recorded"] + ["missing"] * 4
    assert set(find_record(first.config).scores) == {"val", "test"}

    assert train_all(plan) == 0
    assert states(plan) == ["recorded"] * 5
    assert len(list_records()) == 4
    assert len([record for record in list_records() if record.weights_path.exists()]) == 1
    assert not [*paths.checkpoints_dir().glob("*.ours")]  # what a group keeps, no other drops
    capsys.readouterr()
    assert train_all(plan) == 0
    assert capsys.readouterr().out == ""  # nothing to do, nothing said
    assert listing(load_study(plan=plan)).endswith("5 of 5 recorded; 0 to do")
    factors = one_factor_table(load_study(plan=plan))
    assert factors["level"].tolist() == ["Dice", "both"] * 2
    assert factors["is_base"].tolist() == [False, True] * 2
    assert factors["gain"][[1, 3]].tolist() == [0, 0]
    dice = factors[factors["level"] == "Dice"]
    summary = one_factor_summary(factors)
    assert summary["seeds"].tolist() == [2, 2]
    assert summary["gain"][0] == pytest.approx(dice["gain"].mean())
    assert one_factor_summary(factors[:2])[["low", "p_value"]].isna().all(axis=None)


def test_a_compact_run_is_scored_before_its_weights_go(cityscapes_home, plan, monkeypatch):
    entry = dataclasses.replace(load_study(plan=plan)[0], weights=False)
    entry = dataclasses.replace(entry, predictions=False)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("seglib.evaluation.evaluate.score_split", lambda *a, **k: 1 / 0)  # killed
        run_study([entry], device="cpu", progress=False)
    score_split(find_record(entry.config), "test", device="cpu", progress=False)  # by the user
    assert status(entry).is_done and find_record(entry.config).weights_path.exists()
    assert run_study([entry], device="cpu", progress=False) == 0
    assert not (find_record(entry.config).path / "predictions").exists()
    record = find_record(entry.config)
    assert set(record.scores) == {"val", "test"} and not record.weights_path.exists()
    assert status(entry).state == "recorded"

    more = dataclasses.replace(entry, splits=("test", "train"), weights=True)
    assert status(more).state == "no weights"  # must be trained again to be scored
    assert run_study([more], device="cpu", progress=False) == 0
    record = find_record(entry.config)
    assert "train" in record.scores and record.weights_path.exists()

    file = record.path / "environment.json"
    write_json(file, {**read_json(file), "results_version": 0})
    seal(record.path)
    assert "of another results version" in listing([more])
    write_scores(record.path / "scores.json", {"val": record.scores["val"]})
    assert status(more) == Status("not scored", "on test, train")


def test_weights_that_the_user_trained_stay(cityscapes_home, plan):
    entry = dataclasses.replace(load_study(plan=plan)[0], weights=False)
    assert run_study([entry], deadline=0.0, device="cpu", progress=False) == 1  # only begins it
    fit(entry.config, device="cpu", progress=False)
    assert run_study([entry], device="cpu", progress=False) == 0
    assert find_record(entry.config).weights_path.exists()


def test_what_starts_from_a_run_is_known_whatever_part_of_the_plan_is_asked_for(seglib_home):
    (start,) = {entry for entry in load_study(datasets=["miniscapes2560"]) if entry.followers}
    assert [entry.config.dataset for entry in start.followers] == ["camvid"]


def test_weights_stay_until_the_runs_that_start_from_them_are_recorded(
    cityscapes_home, plan, capsys
):
    entry = dataclasses.replace(load_study(plan=plan)[0], weights=False)
    others = [dataclasses.replace(entry, config=dataclasses.replace(entry.config, **changes))
              for changes in ({"init_from": entry.id}, {"init_from": entry.id, "seed": 1})]
    assert run_study(others, device="cpu", progress=False) == 2
    assert capsys.readouterr().out.count(f"passed over: run '{entry.id}' has no record in") == 2
    assert run_study([entry], device="cpu", progress=False) == 0
    weights = find_record(entry.config).weights_path
    entry = dataclasses.replace(entry, followers=tuple(others))
    entries = [entry, *others]
    assert [status(each).state for each in unique(entries)] == ["no weights", "missing", "missing"]
    assert run_study(entries, device="cpu", progress=False, deadline=0.0) == 3
    while run_study(entries, device="cpu", progress=False, deadline=0.0):
        assert weights.exists() == (find_record(entries[2].config) is None)
    assert not weights.exists() and not (paths.checkpoints_dir() / f"{entry.id}.ours").exists()
    # One that is to be scored on more has to be trained again, and so has its start.
    entries[1] = dataclasses.replace(others[0], splits=("test", "train"))
    entries[0] = dataclasses.replace(entry, followers=(entries[1],))
    assert [status(each).state for each in entries] == ["no weights", "no weights", "recorded"]
    assert run_study(entries, device="cpu", progress=False) == 0
    assert "train" in find_record(entries[1].config).scores and not weights.exists()


def test_a_run_that_diverges_is_passed_over(cityscapes_home, plan, capsys):
    first, *others = load_study(plan=plan)[:3]
    wild = dataclasses.replace(first.config, learning_rate=1e30)
    entries = [dataclasses.replace(first, config=wild), *others]
    assert run_study(entries, device="cpu", progress=False) == 1
    assert f"{wild.run_id}: passed over: the loss is" in capsys.readouterr().out


def test_the_commands_train_a_plan_and_say_what_is_left(cityscapes_home, plan, capsys):
    plan.write_text(re.sub('(splits = .*|weights = false)', r"\1\npredictions = false", PLAN))
    call = ["study", "--plan", str(plan), "--group", "models", "--device", "cpu"]
    for more, said in ((["--budget", "0s"], "1 left to do"), ([], "every run is recorded")):
        assert cli.main([*call, *more]) == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith(said)
    (record,) = list_records()
    assert not (record.path / "predictions").exists()
    assert cli.main(["sweep", "--plan", str(plan), "--device", "cpu"]) == 0
    assert "3 of 3 runs recorded" in capsys.readouterr().out


def test_a_dataset_that_is_not_there_is_passed_over(seglib_home, capsys):
    entries = load_study("cpu", datasets=["camvid"], groups=["models"])
    assert run_study(entries, device="cpu", progress=False) == len(entries) == 5
    assert capsys.readouterr().out.count("camvid: passed over") == 1
    assert list_records() == []


def test_a_sweep_is_listed_as_far_as_it_is_recorded(plan, seglib_home):
    (sweep,) = (entry for entry in load_study(plan=plan) if isinstance(entry, StudySweep))
    assert sweep.plan.grid == {"dropout": (0.0, 0.1)} and sweep.plan.halvings == 1
    text = study_run.sweep_listing(sweep.plan)
    assert "0 of 3 runs" in text and len(text.splitlines()) == 1 + 2 + 1


def test_budgets_are_durations():
    now = time.monotonic()
    for text, seconds in (("2h", 7200), ("1h30m", 5400), ("45s", 45), ("0.5d", 43200)):
        assert deadline_of(text) - now == pytest.approx(seconds, abs=5)
    assert deadline_of(None) == math.inf
    for text in ("2", "h", "2x", "-2h", ""):
        with pytest.raises(ConfigError, match="budget"):
            deadline_of(text)
