"""`repeat` says whether today's code still gives a record's numbers, and if not, why."""

import dataclasses
from pathlib import Path

import pytest
from edits import edited
from runs import TINY, train

from seglib.errors import RecordError
from seglib.records import Record, history_text
from seglib.training import loop
from seglib.training.loop import OutOfTime
from seglib.training.verify import repeat


@pytest.fixture
def record(home: Path) -> Record:
    return train(dataclasses.replace(TINY, validate_every=2))


def shifted(record: Record, loss: float, miou: float = 0.0) -> Record:
    """The record with another training loss, by that factor, and another mIoU."""
    history = record.history
    history["train_loss"] *= loss
    history["val_miou"] += miou
    return edited(record, "history.csv", history_text(history.to_dict("records")).encode())


def test_the_same_digits_are_one_line(record: Record) -> None:
    for epochs, rows in ((1, 1), (2, 1), (3, 2), (99, 2)):  # validated after 2 and 3
        expected = f"{record.id}: {rows} recorded rows repeated to every digit"
        assert repeat(record, epochs) == expected
    other = edited(record, "environment.json", record.environment | {"processor": "an abacus"})
    assert repeat(other, 3) == expected


def test_machines_of_later_sessions_are_recorded_and_do_not_matter(home, monkeypatch) -> None:
    with pytest.raises(OutOfTime):
        train(deadline=0.0)
    monkeypatch.setattr(loop, "commit", lambda: "another")
    record = train()
    assert record.environment["commit"] != "another"
    assert [each["commit"] for each in record.environment["resumed_on"]] == ["another"]
    assert repeat(record) == f"{record.id}: 1 recorded rows repeated to every digit"


def test_elsewhere_close_is_enough(record: Record) -> None:
    close, versions = shifted(record, 1.01, 0.02), record.environment["versions"]
    for changes, what in (
        ({"processor": "an abacus"}, "processor an abacus"),
        ({"processes": 2, "compiled": True}, "processes 2, compiled True"),
        ({"resumed_on": [record.environment | {"threads": 99}]}, "threads 99"),
        ({"versions": versions | {"torch": "0.1", "numpy": "0.2"}}, "torch 0.1, numpy 0.2"),
    ):
        other = edited(close, "environment.json", record.environment | changes)
        *tables, line = repeat(other).splitlines()
        assert line == f"{record.id}: within rounding; recorded with {what}"
        assert "recorded:" in tables and "val_miou" in tables[0]
    with pytest.raises(RecordError, match="so it is the code"):  # here it is not
        repeat(edited(close, "environment.json", record.environment))


@pytest.mark.parametrize(("loss", "miou"), [(1.1, 0.0), (1.0, 0.2), (1.0, float("nan"))])
def test_far_off_is_refused_with_its_cause(record: Record, capsys, loss, miou) -> None:
    far = shifted(record, loss, miou)
    same = "data, libraries and processor are as recorded, so it is the code"
    with pytest.raises(RecordError, match=f"{record.id}: not repeated: {same} .code .* recorded w"):
        repeat(far)
    assert "recorded:" in capsys.readouterr().out
    other = edited(far, "environment.json", far.environment | {"processor": "an abacus"})
    with pytest.raises(RecordError, match="by more than rounding; recorded with processor an abac"):
        repeat(other)
