"""Training on a tiny tree: records, resuming bit for bit, learning rates, scores, and refusals."""

import dataclasses
import io
import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from processes import Process
from runs import TINY, bytes_of, train
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from seglib import cli, devices, paths
from seglib.config import RunConfig
from seglib.data.cache import SceneCache
from seglib.data.datasets import DATASETS, DatasetSpec, dataset_spec, fingerprint
from seglib.data.images import read_instance_ids, read_label_ids
from seglib.data.transforms import TrainingSet
from seglib.data.tree import list_scenes
from seglib.errors import ConfigError, RecordError, SeglibError
from seglib.evaluation import evaluate as evaluation
from seglib.evaluation.evaluate import evaluate, score_split
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.labels import CAMVID_11, CITYSCAPES_19, ClassSet
from seglib.models import build_model
from seglib.records import Record, load_record, save_record
from seglib.training import checkpoints, loop, optim, setup
from seglib.training.checkpoints import checkpoint_folder
from seglib.training.loop import NonFiniteLoss, OutOfTime, fit
from seglib.training.setup import (
    epoch_batches,
    initialize_from,
    make_accelerator,
    new_state,
    refuse_seen,
)
from seglib.training.verify import repeat

# Batch normalisation, dropout, a schedule: whatever has a state that a checkpoint must hold.
STATEFUL = dataclasses.replace(
    TINY, model="unet", dropout=0.2, schedule="one_cycle", clip_norm=1.0, jitter=0.3, epochs=4
)


SMALL = {
    "fcn": {"width": 4}, "unet": {"width": 4}, "vit": {"size": "mini"}, "swin": {"size": "mini"},
}
TURNED_19 = ClassSet("turned19", CITYSCAPES_19.labels[::-1])  # as many classes, in another order


def changed(**changes) -> RunConfig:
    return dataclasses.replace(TINY, **changes)


# --- records ----------------------------------------------------------------------------------


def test_fit_makes_a_complete_record_and_learns(home: Path, capsys) -> None:
    record = train(changed(model="unet", epochs=8))
    assert capsys.readouterr().out == f"{record.id}: training 8 epochs on cpu\n"
    assert record.path == home / "results" / record.id
    assert sorted(bytes_of(record)) == [
        "config.json", "history.csv",
        *(f"predictions/val/{name}.png" for name in sorted(record.predictions("val"))),
        "scores.json", "weights.safetensors",
    ]
    history = record.history
    assert history["epoch"].tolist() == list(range(1, 9))
    assert history["val_loss"].iloc[-1] < 0.8 * history["val_loss"].iloc[0]
    assert record.miou() > 0.1
    environment = record.environment
    assert environment["best_epoch"] == 8  # the last
    model = build_model("unet", 19, width=4)
    assert environment["parameters"] == sum(p.numel() for p in model.parameters())
    assert environment["images_per_second"] > 0 and len(environment["epoch_seconds"]) == 8
    assert record.is_current and environment["device"] == "cpu"
    assert not checkpoint_folder(record.id).exists()


@pytest.mark.parametrize(("load", "told"), [(0.5, ":"), (99.0, ", machine busy: load 99.0 on ")])
def test_a_busy_machine_is_told_beside_the_progress(home, monkeypatch, capsys, load, told) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    fit(changed(epochs=1), device="cpu")
    assert f"epoch 1/1{told}" in capsys.readouterr().err


def test_a_recorded_run_is_not_trained_again(home: Path, monkeypatch, capsys) -> None:
    before = bytes_of(train())
    monkeypatch.setattr(loop, "new_state", None)  # would fail if it were used
    capsys.readouterr()
    record = train()
    assert capsys.readouterr().out == (
        f"{record.id}: recorded, val mIoU {100 * record.miou():.1f} %\n"
    )
    assert bytes_of(record) == before


def test_a_record_of_other_code_is_announced_as_such(home: Path, monkeypatch, capsys) -> None:
    train()
    monkeypatch.setattr("seglib.records.RESULTS_VERSION", 99)
    train()
    assert "of another results version" in capsys.readouterr().out


def test_a_compact_record_has_no_weights(home: Path) -> None:
    record = train(keep_weights=False)
    assert not record.weights_path.exists() and record.miou() >= 0
    with pytest.raises(RecordError, match="safetensors: left out .*: SEGLIB_RESULTS=FOLDER seglib"):
        record.load_model()


# --- resuming ---------------------------------------------------------------------------------


def test_a_resumed_run_ends_with_the_same_bytes(home: Path, tmp_path: Path, capsys) -> None:
    expected = bytes_of(train(STATEFUL, results=tmp_path / "uninterrupted"))
    for epoch in (1, 2, 3):
        with pytest.raises(OutOfTime, match=f"out of time after epoch {epoch} of 4; the same call"):
            train(STATEFUL, deadline=0.0)
    capsys.readouterr()
    record = train(STATEFUL)
    assert capsys.readouterr().out == f"{record.id}: resumed after epoch 3 of 4 on cpu\n"
    assert bytes_of(record) == expected
    assert len(record.environment["epoch_seconds"]) == 4


@pytest.mark.parametrize("optimizer", ["adam", "adamax"])
def test_other_optimisers_resume_too(home: Path, tmp_path: Path, optimizer: str) -> None:
    config = changed(optimizer=optimizer, gamma=0.5, accumulation=2, validate_every=2)
    expected = bytes_of(train(config, results=tmp_path / "uninterrupted"))
    with pytest.raises(OutOfTime):
        train(config, deadline=0.0)
    record = train(config)
    assert bytes_of(record) == expected
    assert record.history["epoch"].tolist() == [2, 3]


def slow_fit(config: RunConfig, pause: float) -> int:
    """Train with a pause after each step, so that others can come in between; counts the steps."""
    original, steps = loop.to_device, []

    def to_device(*arguments):
        time.sleep(pause)
        steps.append(1)
        return original(*arguments)

    loop.to_device = to_device
    fit(config, device="cpu", progress=False)
    return len(steps)


def test_worker_processes_change_nothing(home: Path, monkeypatch, capsys) -> None:
    alone = bytes_of(train(STATEFUL))
    monkeypatch.setenv("SEGLIB_RETRAIN", "1")
    assert bytes_of(train(STATEFUL, workers=2)) == alone
    with pytest.raises(OutOfTime) as kept:
        train(STATEFUL, workers=2, deadline=0.0)
    assert kept.tb and not multiprocessing.active_children()
    assert bytes_of(train(STATEFUL, workers=1)) == alone
    printed = capsys.readouterr().out
    assert printed.count("training 4 epochs") == 3 and "resumed after epoch 1 of 4" in printed


def test_checkpoints_that_take_long_are_written_seldom(home: Path, monkeypatch) -> None:
    late = iter([False] * 5 + [True])
    monkeypatch.setattr(loop, "is_late", lambda *arguments: next(late))
    for took, expected in ((0.1, [1, 2, 3]), (60.0, [1]), (60.0, [1, 2])):
        monkeypatch.setattr(loop, "save_checkpoint", saved := mock.Mock(return_value=took))
        with suppress(OutOfTime):
            train(retrain=True)
        assert [call.args[1]["next_epoch"] for call in saved.call_args_list] == expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiling_changes_nothing_and_is_recorded(home, tmp_path, monkeypatch, precision) -> None:
    config = changed(precision=precision)
    expected = bytes_of(train(config, results=tmp_path / "eager"))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    record = train(config, compile_model=True)
    assert bytes_of(record) == expected and record.environment["compiled"] is True


def test_a_running_mean_leaves_indices_alone(home: Path) -> None:
    config = changed(model="swin", size="mini", window=(2, 4), width=None, ema=0.9)
    kept, fresh = train(config).load_model().state_dict(), config.build_model().state_dict()
    whole = [name for name in fresh if name.endswith("relative_position_index")]
    assert whole and all(torch.equal(kept[name], fresh[name]) for name in whole)


def test_what_would_end_in_a_broken_record_is_refused(home: Path, monkeypatch) -> None:
    for frozen in ({"freeze": 1}, {"frozen_norm": True}):
        with pytest.raises(ConfigError, match="what is frozen would stay random: add --freeze 0"):
            train(changed(model="timm", encoder="test_efficientnet", width=None, **frozen))
    monkeypatch.setattr(loop, "half", lambda tensor: tensor * math.nan)
    with pytest.raises(NonFiniteLoss, match="the last step left weights that are not finite"):
        train()
    assert not list(home.glob("results/*"))


def test_a_record_stays_until_training_it_anew_is_finished(home: Path, capsys) -> None:
    record = train()
    expected = bytes_of(record)
    with pytest.raises(OutOfTime):
        train(retrain=True, deadline=0.0)
    assert bytes_of(record) == expected
    capsys.readouterr()
    assert bytes_of(train(retrain=True)) == expected
    assert "resumed after epoch 1 of 3" in capsys.readouterr().out


def test_a_run_on_fewer_images_sees_only_these(home: Path) -> None:
    config = dataclasses.replace(TINY, train_images=4).resolved()
    accelerator = make_accelerator(config, torch.device("cpu"))
    assert len(new_state(config, accelerator, progress=False).training) == 4


class Sides(nn.Module):
    """Road at the left and sidewalk at the right of whatever it sees."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(image), 19, *image.shape[2:])
        logits[:, 0], logits[:, 1] = 0.1, torch.linspace(-1, 1, image.shape[3])
        return logits


def test_flipped_scores_are_of_a_scene_and_its_mirror_image(home: Path) -> None:
    plain, flipped = (evaluate(Sides(), TINY, split, progress=False).predictions.values()
                      for split in ("val", "val+flip"))
    assert len(plain) == len(flipped) == 3
    assert all(np.unique(label_ids).tolist() == [7, 8] for label_ids in plain)
    assert all(np.unique(label_ids).tolist() == [7] for label_ids in flipped)


def test_a_checkpoint_of_other_code_is_not_continued(home: Path, monkeypatch, capsys) -> None:
    with pytest.raises(OutOfTime):
        train(deadline=0.0)
    for module in (loop, checkpoints):
        monkeypatch.setattr(module, "RESULTS_VERSION", 99)
    record = train()
    output = capsys.readouterr().out
    assert "passed over: another results version made it" in output and "resumed" not in output
    assert record.environment["results_version"] == 99
    with pytest.raises(OutOfTime):
        train(retrain=True, deadline=0.0)
    state, _ = checkpoints.load_checkpoint(TINY.run_id)
    checkpoints.save_checkpoint(TINY.run_id, state | {"model": {"a.weight": torch.ones(2)}})
    with pytest.raises(RecordError, match="another network or optimiser; to begin anew, remove "):
        train(retrain=True)


def test_two_processes_that_want_one_run_train_it_once(home: Path) -> None:
    processes = [Process(home, slow_fit, TINY, 0.02) for _ in range(2)]
    steps = sorted(process.result() for process in processes)
    assert steps[0] == 0 and steps[1] >= 9  # one trained all 3 epochs of 3 steps, one only loaded
    assert load_record(TINY.run_id).history["epoch"].tolist() == [1, 2, 3]


# --- the loop ---------------------------------------------------------------------------------


def test_scores_are_of_the_precision_of_predictions(home: Path, monkeypatch) -> None:
    """Where bf16 is imitated, networks are used in fp32: by `fit`, too, once it has trained."""
    monkeypatch.setattr(devices, "is_native", lambda precision, device: precision == "fp32")
    kinds = []

    def seen(model, *arguments, **options):
        layer = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
        layer.register_forward_hook(lambda layer, given, out: kinds.append(out.dtype))
        return evaluate(model, *arguments, **options)

    monkeypatch.setattr(loop, "evaluate", seen)
    train(changed(precision="bf16"))
    assert {*kinds} == {torch.float32}


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_batches_of_all_processes_are_a_partition(processes: int, accumulation: int) -> None:
    config = changed(batch_size=8, accumulation=accumulation, seed=3)
    orders = {tuple(p for step in epoch_batches(21, config, e) for _, p in step) for e in range(3)}
    assert len(orders) == 3  # every epoch has its own
    for epoch in (0, 1):
        parts = [epoch_batches(21, config, epoch, rank, processes) for rank in range(processes)]
        alone = epoch_batches(21, changed(batch_size=8, seed=3), epoch)
        assert {len(part) for part in parts} == {2 * accumulation} and len(alone) == 2
        keys = [key for part in parts for batch in part for key in batch]
        assert len(keys) == len(set(keys)) == 16 and {key[0] for key in keys} == {epoch}
        # Step by step, all processes together take the batch that one would take alone.
        for step, whole in enumerate(alone):
            own = slice(step * accumulation, (step + 1) * accumulation)
            together = [key for part in parts for batch in part[own] for key in batch]
            assert sorted(together) == sorted(whole)


def one_epoch(accumulation: int) -> dict[str, torch.Tensor]:
    """The weights after two optimiser steps on four scenes each."""
    config = changed(batch_size=4, accumulation=accumulation, flip=False, rotation=0.0)
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (8, 32, 64, 3), np.uint8)
    cache = SceneCache(list("abcdefgh"), images, noise.integers(0, 19, (8, 32, 64), np.uint8))
    state = new_state(config, make_accelerator(config, torch.device("cpu")), progress=False)
    sgd = torch.optim.SGD(state.model.parameters(), lr=0.1)
    state.optimizer = state.accelerator.prepare(sgd)
    state.scheduler = torch.optim.lr_scheduler.ConstantLR(sgd, 1.0)
    loader = DataLoader(TrainingSet(cache, config), batch_sampler=epoch_batches(8, config, epoch=0))
    bar, sizes = tqdm(total=8, file=io.StringIO()), set()
    loop.train_one_epoch(state, loader, bar)
    assert bar.n == 8 and len(loader) == 2 * accumulation
    state.scored_model.register_forward_pre_hook(lambda _, given: sizes.add(len(given[0])))
    loop.validate(state)
    assert max(sizes) == 2 // accumulation  # needs no more memory than training
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def test_accumulated_parts_make_the_update_of_the_whole_batch(home: Path) -> None:
    whole, parts = one_epoch(1), one_epoch(2)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_names_the_scenes(home: Path, monkeypatch) -> None:
    class Broken(nn.Module):
        calls = 0

        def forward(self, logits, mask):
            Broken.calls += 1
            return logits.sum() * (math.nan if Broken.calls == 2 else 0)

    monkeypatch.setattr(setup, "SegmentationLoss", lambda *arguments: Broken())
    with pytest.raises(NonFiniteLoss) as caught:
        train()
    message, begins = str(caught.value), "the loss is nan in epoch 1, batch 2 (scenes "
    assert message.startswith(begins) and "\n" not in message
    scenes = [scene.name for scene in list_scenes(home / "data" / "miniscapes", "train")]
    batches = epoch_batches(6, TINY, epoch=0)
    assert ", ".join(scenes[position] for _, position in batches[1]) in message
    assert not (home / "results" / TINY.run_id).exists()


@pytest.mark.parametrize(("select_by", "epoch"), [("loss", 2), ("miou", 1), ("last", 3)])
def test_the_weights_of_the_selected_epoch_are_kept(home, monkeypatch, select_by, epoch) -> None:
    expected = train(changed(epochs=epoch)).weights()  # of the same epochs, without a choice
    losses, scores = iter([3.0, 1.0, 2.0]), iter([0.3, 0.2, math.nan])
    real = loop.validate
    monkeypatch.setattr(loop, "validate", lambda state: (next(losses), real(state)[1]))
    monkeypatch.setattr(loop, "mean_iou", lambda confusion: next(scores))
    with pytest.raises(OutOfTime):  # what was best so far is remembered
        train(changed(select_by=select_by), retrain=True, deadline=0.0)
    record = train(changed(select_by=select_by), retrain=True)
    assert record.environment["best_epoch"] == epoch
    assert all(torch.equal(expected[name], kept) for name, kept in record.weights().items())


def test_held_out_cities_are_scored_and_not_trained_on(home: Path, capsys) -> None:
    config = changed(hold_out=("southtown",)).resolved()
    state = new_state(config, make_accelerator(config, torch.device("cpu")), progress=False)
    parts = [state.training.cache.names, state.validation.names]
    cities = [{name.partition("_")[0] for name in names} for names in parts]
    assert cities == [{"northtown"}, {"southtown"}] and list(map(len, parts)) == [3, 3]
    with pytest.raises(OutOfTime):
        train(config, deadline=0.0)
    record = train(config)  # from the checkpoint
    capsys.readouterr()
    assert train(config) == record and record.id != TINY.run_id
    printed = capsys.readouterr().out
    assert printed == f"{record.id}: recorded, held_out mIoU {100 * record.miou():.1f} %\n"
    assert [*record.scores] == ["held_out"] and record.environment["data"]["held_out"]
    assert record.scores["held_out"]["images"]["names"] == parts[1]
    assert list(record.predictions("held_out")) == parts[1]
    for split in ("train", "val", "test", "held_out"):
        scores = score_split(record, split, device="cpu", progress=False)
        assert len(scores["images"]["names"]) == 3
    assert set(record.scores["train"]["cities"]) == {"northtown"}
    assert set(record.scores["test"]["cities"]) == {"northtown", "southtown"}


def test_a_run_on_train_and_val_is_scored_on_test_alone(home: Path, capsys) -> None:
    config = changed(with_val=True).resolved()
    with pytest.raises(OutOfTime):
        train(config, deadline=0.0)
    record = train(config)  # from the checkpoint
    root, data = home / "data" / "miniscapes", record.environment["data"]
    assert data == {split: fingerprint(root, split) for split in ("train", "val")}
    state = new_state(config, make_accelerator(config, torch.device("cpu")), progress=False)
    names = [scene.name for part in ("train", "val") for scene in list_scenes(root, part)]
    assert state.training.cache.names == names and not len(state.validation)
    assert "3 recorded rows repeated to every digit" in repeat(record, 3)
    assert record.history["train_loss"].notna().all() and record.history["val_miou"].isna().all()
    with pytest.raises(RecordError, match="no scores on 'test'; run: seglib evaluate .* test"):
        record.miou()
    capsys.readouterr()
    assert train(config) == record
    assert capsys.readouterr().out == f"{record.id}: recorded, trained on train and val\n"
    for split in ("val", "val+flip"):
        assert cli.main(["evaluate", record.id, "--split", split]) == 2
        assert f"{record.id} was trained on val; score it on test" in capsys.readouterr().err
    assert score_split(record, "test", device="cpu", progress=False) and record.miou() > 0
    assert [*Record(record.path).scores] == ["test"]
    with pytest.raises(ConfigError, match=f"{record.id} was trained on val, which this run would"):
        train(changed(init_from=record.id))
    later = changed(dataset="camvid", model="unet", init_from=record.id)  # a start in between
    larger = changed(dataset="miniscapes2560", with_val=True)  # the same val
    for start, seen in ((later, record.id), (larger, larger.run_id)):
        known = SimpleNamespace(id=start.run_id, config=start, dataset=dataset_spec(start.dataset))
        with pytest.raises(ConfigError, match=f"init_from x: {seen} was trained on val"):
            refuse_seen(changed(init_from="x"), known)
        refuse_seen(changed(init_from="x", with_val=True), known)


def test_a_city_that_the_start_was_trained_on_cannot_be_held_out(home: Path) -> None:
    record, held = train(), train(changed(hold_out=("southtown",)))
    with pytest.raises(ConfigError, match=f"{record.id} was trained on southtown, which"):
        train(changed(init_from=record.id, hold_out=("southtown",)))
    train(changed(init_from=held.id, hold_out=("southtown",)))


def test_cities_that_cannot_be_held_out_are_refused(home: Path) -> None:
    for cities, message in (
        (("utopia",), "held-out city 'utopia' is unknown; choose one of: northtown, southtown"),
        (("northtown", "southtown"), "hold_out northtown, southtown: no city of train is left"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(changed(hold_out=cities))
    with pytest.raises(ConfigError, match="split 'held_out' is unknown; .*: train, val, test"):
        score_split(train(), "held_out")


def test_the_running_mean_of_the_weights_is_kept_and_scored(home, tmp_path, monkeypatch) -> None:
    config, mean, last = dataclasses.replace(STATEFUL, ema=0.8), {}, {}
    update = AveragedModel.update_parameters

    def by_hand(average: AveragedModel, model: nn.Module) -> None:
        for name, tensor in model.state_dict().items():
            last[name] = tensor.double()
            mean[name] = 0.8 * mean.get(name, last[name]) + 0.2 * last[name]
        update(average, model)

    with monkeypatch.context() as patch:
        patch.setattr(AveragedModel, "update_parameters", by_hand)
        record = train(config, results=tmp_path / "uninterrupted")
    assert record.id != STATEFUL.run_id
    for name, kept in record.weights().items():
        if kept.is_floating_point():
            torch.testing.assert_close(kept.double(), mean[name], atol=1e-3, rtol=1e-3)
            assert not torch.allclose(last[name], mean[name], atol=1e-5)
    assert record.history["val_miou"].iloc[-1] == pytest.approx(record.miou(), abs=5e-3)
    for _ in range(3):
        with pytest.raises(OutOfTime):
            train(config, deadline=0.0)
    assert bytes_of(train(config)) == bytes_of(record)


# --- learning rates and weights ---------------------------------------------------------------


def rates(config: RunConfig, steps: int) -> list[float]:
    """The learning rate of each optimiser step of a run."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=config.learning_rate)
    scheduler = optim.build_scheduler(optimizer, config, steps)
    result = []
    for _ in range(config.epochs * steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def test_schedules() -> None:
    result = rates(changed(learning_rate=0.1, gamma=0.5, epochs=25), steps=3)
    assert result == pytest.approx([0.1] * 30 + [0.05] * 30 + [0.025] * 15)

    one_cycle = changed(learning_rate=0.1, schedule="one_cycle", epochs=20)
    result = rates(one_cycle, steps=5)  # rises for a tenth
    assert result[0] == pytest.approx(0.004)
    assert max(result) == pytest.approx(0.1) and result.index(max(result)) == 10
    assert result[:11] == sorted(result[:11])
    assert result[10:] == sorted(result[10:], reverse=True)
    assert result[55] == pytest.approx(0.05)  # halfway down the cosine
    assert result[-1] < 1e-4

    result = rates(dataclasses.replace(one_cycle, warm_up=0.0), steps=5)
    assert result[0] == pytest.approx(0.1) and result == sorted(result, reverse=True)
    assert result[50] == pytest.approx(0.05) and result[-1] < 1e-4


def test_the_recorded_learning_rate_is_the_one_used(home: Path, monkeypatch) -> None:
    used = []

    def watched(state, *arguments):
        used.append([group["lr"] for group in state.optimizer.param_groups])
        return train_one_epoch(state, *arguments)

    train_one_epoch = loop.train_one_epoch
    monkeypatch.setattr(loop, "train_one_epoch", watched)
    config = changed(schedule="one_cycle", epochs=4, encoder_rate=0.25)
    record = train(config)
    expected = rates(config, steps=3)[::3]
    assert record.history["learning_rate"].tolist() == pytest.approx(expected, rel=1e-5)
    for found, rate in zip(used, expected, strict=True):
        assert max(found) == pytest.approx(rate) and min(found) == pytest.approx(rate / 4)


def test_norms_and_biases_are_not_decayed_and_the_encoder_has_its_rate() -> None:
    config = changed(weight_decay=0.1, learning_rate=1.0, encoder_rate=0.25)
    model = build_model("fcn", 19, width=4)
    groups = optim.parameter_groups(model, config)
    found = {id(p): (each["lr"], each["weight_decay"]) for each in groups for p in each["params"]}
    assert len(found) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        rate = 0.25 if name.startswith("encoder.") else 1.0
        assert found[id(parameter)] == (rate, 0.1 if name.endswith("weight") else 0.0)
    unet = build_model("unet", 19, width=4)
    groups = optim.parameter_groups(unet, changed(weight_decay=0.1))
    undecayed = [p for group in groups if not group["weight_decay"] for p in group["params"]]
    assert undecayed and all(parameter.ndim == 1 for parameter in undecayed)


def test_decay_can_be_put_on_everything() -> None:
    model = build_model("swin", 19, size="mini")
    (group,) = optim.parameter_groups(model, changed(weight_decay=0.1, decay_all=True))
    assert len(group["params"]) == len(list(model.parameters())) and group["weight_decay"] == 0.1


def test_init_from_starts_from_the_recorded_weights(home: Path, capsys) -> None:
    record = train()
    started = train(changed(init_from=record.id, epochs=1, learning_rate=1e-9))
    assert started.id != record.id and "init_from" not in capsys.readouterr().out
    for name, tensor in started.weights().items():
        torch.testing.assert_close(tensor, record.weights()[name], atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("classes", [CAMVID_11, TURNED_19], ids=lambda classes: classes.name)
def test_init_from_matches_the_head_by_class_names(home: Path, monkeypatch, model, classes) -> None:
    monkeypatch.setitem(DATASETS, "other", DatasetSpec("other", classes, (32, 64), (32, 64)))
    torch.manual_seed(5)
    config = RunConfig(dataset="other", model=model, **SMALL[model])
    source = config.build_model().state_dict()
    kept = {"history": [], "scores": {}, "environment": {}, "predictions": {}}
    record = save_record(config, state=source, **kept)
    own = dataclasses.replace(config, dataset="miniscapes")
    network = own.build_model()
    for tensor in filter(torch.is_floating_point, network.state_dict().values()):
        tensor.fill_(math.nan)  # so that what is not copied shows
    initialize_from(network, own, record)
    photo = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        expected, found = record.load_model()(photo)[0], network.eval()(photo)[0]
    for index, name in enumerate(CITYSCAPES_19.names):
        if name in classes.names:
            torch.testing.assert_close(found[index], expected[classes.index(name)])
        else:
            assert found[index].isnan().all(), name
    assert len(set(classes.names) & set(CITYSCAPES_19.names)) == classes.num_classes


def test_init_from_windows_turned_by_a_quarter_is_refused(home: Path) -> None:
    config = changed(model="swin", size="mini", window=(2, 4), width=None, epochs=1)
    record = train(config)
    with pytest.raises(RecordError, match="another '.*relative_position_index'; use its --window"):
        train(dataclasses.replace(config, window=(4, 2), init_from=record.id))


def test_init_from_another_architecture_is_refused(home: Path) -> None:
    record = train(changed(epochs=1))
    with pytest.raises(RecordError, match=f"init_from {record.id}: its architecture has no"):
        train(changed(model="unet", init_from=record.id))
    with pytest.raises(RecordError, match="has shape \\(4, 3, 3, 3\\), this run needs \\(8, 3, 3"):
        train(changed(width=8, init_from=record.id))
    with pytest.raises(RecordError, match="run 'nothing' has no record"):
        train(changed(init_from="nothing"))


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "options", "message"), [
    ({"batch_size": 7}, {}, "batch_size 7 is larger than the training split of 6 images"),
    ({"batch_size": 4, "train_images": 3}, {}, "larger than the training split of 3 images"),
    ({"train_images": 7}, {}, "train_images 7: there are 6"),
    ({"skips": 2}, {}, "skips 2: not an option of fcn"),
    ({}, {"device": "tpu"}, "device 'tpu' is unknown; choose one of: cuda, mps, cpu"),
    ({}, {"device": "cuda:99"}, "device 'cuda:99' is not available here"),
    ({}, {"device": "cpu:x"}, "device 'cpu:x' is not available here"),
    ({}, {"tracker": "tensorboard"}, "tracker 'tensorboard' is unknown.*: none, wandb"),
])
def test_a_run_that_cannot_work_is_refused_before_training(home, changes, options, message) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train(changed(**changes), **options)
    assert "\n" not in str(caught.value)
    assert not list(home.glob("results/*/config.json")) and not list(paths.cache_dir().glob("*-*"))


def test_folders_that_cannot_be_written_are_found_before_training(home, tmp_path, monkeypatch):
    (tmp_path / "file").touch()  # a folder below a file can't be made, not even by root
    with pytest.raises(SeglibError, match="file/results: .* can't be written .*SEGLIB_RESULTS"):
        train(results=tmp_path / "file" / "results")
    (home / "checkpoints").touch()
    with pytest.raises(SeglibError, match="checkpoints: .* can't be written .*SEGLIB_HOME"):
        train()


# --- scores -----------------------------------------------------------------------------------


def test_scores_are_those_of_the_exported_predictions(home, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "BATCH", 2)  # of three scenes
    record = train(changed(image_size=(16, 32)))
    folder = tmp_path / "export"
    score_split(record, "val", export=folder, device="cpu", progress=False)
    assert len(list(folder.iterdir())) == 3
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for scene in list_scenes(home / "data" / "miniscapes", "val"):
        predicted = np.asarray(Image.open(folder / f"{scene.name}_labelIds.png"))
        assert predicted.shape == (32, 64)  # the label's own size, twice that of training
        assert np.array_equal(predicted, record.predictions("val")[scene.name])
        truth, instances = read_label_ids(scene.label_ids), read_instance_ids(scene.instance_ids)
        accumulator.add(scene.name, truth, CITYSCAPES_19.encode(predicted), instances)
    assert accumulator.scores().items() <= record.scores["val"].items()


def test_another_split_is_scored_once_and_kept(home: Path, monkeypatch) -> None:
    record = train()
    assert record.history["val_miou"].iloc[-1] == pytest.approx(record.miou(), abs=5e-3)  # fp16
    with pytest.raises(RecordError, match="no scores on 'test'; run: seglib evaluate"):
        record.miou("test")
    scores = score_split(record, "test", device="cpu", progress=False)
    assert len(scores["images"]["names"]) == 3 and scores["block"] == 1
    spec = dataclasses.replace(dataset_spec("miniscapes"), block=7)
    monkeypatch.setattr(evaluation, "dataset_spec", lambda name: spec)
    monkeypatch.setattr(evaluation, "SHOWN_SCENES", 2)
    found = evaluate(record.load_model(), record.config, "test", progress=False)
    assert sorted(found.predictions) == scores["images"]["names"][::2]
    assert found.scores["block"] == 7 and dataset_spec("camvid").block == 20
    monkeypatch.setattr(evaluation, "evaluate", None)  # would fail if it were called again
    assert score_split(load_record(record.id), "test", device="cpu", progress=False) == scores
    assert sorted(record.scores) == ["test", "val"]
    assert sorted(record.predictions("test")) == scores["images"]["names"]


def test_half_precision_is_not_used_where_it_overflows() -> None:
    tensor = torch.tensor([1.0, 1e6])
    assert torch.equal(loop.half(tensor), tensor)
    assert loop.half(torch.tensor([1.0, 2.5])).dtype == torch.float16
    assert loop.half(torch.tensor([3])).dtype == torch.int64


# --- several processes --------------------------------------------------------------------------

def test_accelerates_variables_change_nothing(home: Path, tmp_path, monkeypatch) -> None:
    expected = bytes_of(train(results=tmp_path / "without"))
    for name, value in {
        "GRADIENT_ACCUMULATION_STEPS": "4", "MIXED_PRECISION": "bf16", "USE_FSDP": "true",
        "DYNAMO_BACKEND": "INDUCTOR", "USE_DEEPSPEED": "true", "CPU_AFFINITY": "1",
    }.items():
        monkeypatch.setenv(f"ACCELERATE_{name}", value)
    before = dict(os.environ)
    assert bytes_of(train()) == expected
    assert {name: os.environ.get(name) for name in before} == before


@pytest.mark.parametrize(("name", "value", "message"), [
    ("WORLD_SIZE", "2", "WORLD_SIZE is set .2. without LOCAL_RANK; start with torchrun, or"),
    ("LOCAL_RANK", "0", "MASTER_ADDR expected.*; start with torchrun, or unset"),
])
def test_half_of_a_launchers_variables_is_one_line(home, monkeypatch, name, value, message) -> None:
    for each in ("WORLD_SIZE", "LOCAL_RANK"):  # accelerate leaves both behind, and other threads
        monkeypatch.setenv(each, "")
        monkeypatch.delenv(each)
    monkeypatch.setenv(name, value)
    threads = torch.get_num_threads()
    with pytest.raises(ConfigError, match=message):
        train()
    torch.set_num_threads(threads)
    assert not list(home.glob("results/*"))


def test_a_precision_that_is_not_to_be_had_is_one_line(home, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="fp16 needs a GPU; a CPU trains in fp32 or bf16"):
        train(changed(precision="fp16"))  # accelerate would silently train in fp32
    for name in ("WORLD_SIZE", "LOCAL_RANK"):  # which accelerate sets when it fails, as above
        monkeypatch.delenv(name, raising=False)
    refuse = mock.Mock(side_effect=ValueError("bf16 with MPS device requires PyTorch >= 2.6"))
    monkeypatch.setattr("seglib.training.setup.Accelerator", refuse)
    with pytest.raises(ConfigError, match="PyTorch >= 2.6; choose another --precision or --dev"):
        train(changed(precision="bf16"))


SCRIPT = """
import json, os, sys
import torch
from seglib.config import RunConfig
from seglib.evaluation.evaluate import evaluate
from seglib.training.loop import fit, make_accelerator

torch.set_num_threads(1)
for values in json.loads(sys.argv[1]):
    config = RunConfig.from_dict(values)
    network = fit(config, device="cpu", progress=False).load_model()
    accelerator = make_accelerator(config, torch.device("cpu"))
    assert accelerator.num_processes == int(os.environ["WORLD_SIZE"]) == 2
    split = config.scored_split
    scores = evaluate(network, config, split, progress=False, accelerator=accelerator).scores
    with open(f"{config.run_id}.{accelerator.process_index}", "w") as file:
        json.dump(scores, file)
"""


@pytest.mark.slow
def test_two_processes_train_and_score_like_one(tree: Path, tmp_path: Path) -> None:
    held = list_scenes(tree, "train")[0]  # once more, as the only scene of a third city
    for file in (held.image, held.label_ids, held.instance_ids):
        copy = Path(str(file).replace(held.city, "westtown"))
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes())
    # Six scenes in each batch: an epoch is one step with the gradient of the whole split.
    config = changed(batch_size=6, epochs=10)
    # Batch statistics are of each process's images, and their running mean is the first one's.
    other = changed(model="unet", ema=0.8, batch_size=6, epochs=2)
    third = changed(model="unet", batch_size=6, epochs=1, hold_out=("westtown",))  # one has nothing
    alone = train(config, results=tmp_path / "alone")
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = f"{sys.executable} -m torch.distributed.run --standalone --nproc_per_node 2 script.py"
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(loop.__file__).parents[2])}
    command = [*launch.split(), json.dumps([each.to_dict() for each in (config, other, third)])]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800,
                            env=os.environ | variables)
    assert output.returncode == 0, output.stderr[-3000:]
    assert output.stdout.count("training 10 epochs") == 1
    # Scored by one process, the weights that two trained give the very same counts.
    for each in (third, other, config):
        split = each.scored_split
        together = load_record(each.run_id)
        assert together.environment["processes"] == 2
        scores = evaluate(together.load_model(), each, split, progress=False).scores
        for rank in (0, 1):
            assert json.loads((tmp_path / f"{each.run_id}.{rank}").read_text()) == scores
        assert together.scores[split] == scores

    # Trained by two, the run differs by rounding and by the mean of two means of unequal numbers
    # of scored pixels: in the loss by less than 2 %, in mIoU by less than 3 points.
    losses = [record.history["val_loss"].iloc[-1] for record in (alone, together)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert together.miou() == pytest.approx(alone.miou(), abs=0.03)
