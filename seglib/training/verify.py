"""Whether today's code, libraries and processor still give a record's numbers."""

import io
from contextlib import closing

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from ..devices import choose_device
from ..errors import RecordError
from ..provenance import RESULTS_VERSION, commit, describe_machine, versions
from ..records import Record, history_text
from .loop import load_batches, next_epoch
from .setup import make_accelerator, new_state

# Where digits cannot be equal: relative for the training loss, absolute for shares of 1. Scores of
# first epochs amplify rounding: bf16 and fp32 of one run were 0.3 % and 0.02 apart.
LOSS_TOLERANCE, SHARE_TOLERANCE = 0.02, 0.08


def repeat(record: Record, epochs: int = 1) -> str:
    """Train a recorded run's first epochs again, up to a validated one; returns what was found.

    On the recorded processor and libraries every digit must be equal; elsewhere, and on GPUs, the
    training loss within 2 % and scores within 8 points. Raises `RecordError` where they are not,
    with what differs from the record, or on other data.
    """
    config, recorded = record.config, record.environment
    if problem := record.other_data(config.scored_split):
        raise RecordError(problem)
    before, device = torch.get_num_threads(), choose_device(recorded["device"])
    torch.set_num_threads(recorded["threads"])
    here = describe_machine(device) | {"processes": 1, "compiled": False} | versions()
    sessions = [{"compiled": False} | each | each["versions"]
                for each in (recorded, *recorded.get("resumed_on", []))]
    names = ("processor", "threads", "processes", "compiled", *recorded["versions"])
    differing = dict.fromkeys(f"{name} {then.get(name)}" for then in sessions for name in names
                              if here.get(name) != then.get(name))
    try:
        state = new_state(config, make_accelerator(config, device))
        with tqdm(unit="img") as bar, closing(load_batches(state)) as batches:
            while not state.history or state.next_epoch < min(epochs, config.epochs):
                next_epoch(state, batches, bar)
    finally:
        torch.set_num_threads(before)
    found = pd.read_csv(io.StringIO(history_text(state.history)))
    wanted = record.history.iloc[: len(found)]
    code = f"code {commit()} of results version {RESULTS_VERSION}, recorded with " \
           f"{recorded['commit']} of {recorded['results_version']}"
    tables = f"{found.to_string(index=False)}\nrecorded:\n{wanted.to_string(index=False)}"
    if found.equals(wanted):
        return f"{record.id}: {len(found)} recorded rows repeated to every digit"
    close = np.isclose(found["train_loss"], wanted["train_loss"], rtol=LOSS_TOLERANCE).all()
    shares = [table[["val_miou", "val_pixel_accuracy"]] for table in (found, wanted)]
    close &= np.allclose(*shares, rtol=0, atol=SHARE_TOLERANCE, equal_nan=True)
    what = f"recorded with {', '.join(differing)}"
    if close and (differing or device.type != "cpu"):  # on GPUs sums have no fixed order
        return f"{tables}\n{record.id}: within rounding; {what if differing else device.type}"
    print(tables)
    reason = f"by more than rounding; {what}" if differing else \
        "data, libraries and processor are as recorded, so it is the code"
    raise RecordError(f"{record.id}: not repeated: {reason} ({code})")
