"""The measured networks differ in nothing but attention; their record is complete."""

import pandas as pd
import pytest
import torch

from seglib.errors import RecordError
from seglib.files import read_json, write_json
from seglib.models.inspection import count_parameters, multiply_adds
from study import attention_cost
from study.attention_cost import CHANNELS, KINDS, PATCH, SIDES, Blocks, growth_exponent


def test_exponents_are_of_the_number_of_pixels():
    assert growth_exponent(SIDES, [3 * side**2 for side in SIDES]) == pytest.approx(1)
    assert growth_exponent(SIDES, [side**4 / 7 for side in SIDES]) == pytest.approx(2)
    assert growth_exponent((64, 128), (5, 5)) == pytest.approx(0)


@pytest.mark.parametrize("side", [64, 128])
def test_work_by_hand(side):
    tokens = (side // PATCH) ** 2
    shared = tokens * PATCH**2 * 3 * CHANNELS + 2 * 12 * tokens * CHANNELS**2
    pairs = {"global": tokens**2, "global, fused": tokens**2, "windows": tokens * 64}
    for kind in KINDS:
        assert multiply_adds(Blocks(kind), side) == shared + 2 * 2 * pairs[kind] * CHANNELS


def test_the_kinds_differ_in_attention_only():
    counts = {kind: count_parameters(Blocks(kind)) for kind in KINDS}
    biases = 2 * 15 * 15 * 2  # two blocks, offsets, heads
    assert counts["global"] == counts["global, fused"] == counts["windows"] - biases
    torch.manual_seed(0)
    plain, fused = Blocks("global").eval(), Blocks("global, fused").eval()
    fused.load_state_dict(plain.state_dict())
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(plain(image), fused(image))


def test_measuring_sees_the_matrix_of_all_pairs():
    table = attention_cost.measure(sides=(64, 128), repeats=1)
    assert table.groupby("attention", sort=False).size().to_dict() == dict.fromkeys(KINDS, 2)
    assert (table["seconds"] > 0).all()
    held = table.set_index(["attention", "side"])["megabytes"]
    matrix = 2 * 1024**2 * 4 / 1e6  # two heads, 32×32 tokens, four bytes
    assert held["global", 128] > 2 * matrix > held["global, fused", 128]
    assert held["windows", 128] == pytest.approx(4 * held["windows", 64], rel=0.1)
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_committed_record_is_complete_and_of_these_networks():
    table = attention_cost.load_growth()
    measured = [[side, kind] for side in SIDES for kind in KINDS]
    assert table[["side", "attention"]].to_numpy().tolist() == measured
    work = table.pivot(index="side", columns="attention", values="multiply_adds")
    exponents = {kind: growth_exponent(work.index, work[kind]) for kind in KINDS}
    assert exponents["windows"] == pytest.approx(1)
    assert exponents["global"] == exponents["global, fused"] > 1.7


def test_a_record_is_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLIB_RESULTS", str(tmp_path))
    with pytest.raises(RecordError, match="attention_growth.json: no such file"):
        attention_cost.load_growth()
    rows = [(kind, side, 0.5, 2.0) for side in (64, 96) for kind in KINDS]
    measured = pd.DataFrame(rows, columns=["attention", "side", "seconds", "megabytes"])
    monkeypatch.setattr(attention_cost, "measure", lambda: measured)
    attention_cost.main()
    table = attention_cost.load_growth()
    pd.testing.assert_frame_equal(table[measured.columns], measured)
    file = attention_cost.record_file()
    write_json(file, {**read_json(file), "networks": {"patch": 16}})
    with pytest.raises(RecordError, match="run: python -m study.attention_cost"):
        attention_cost.load_growth()
