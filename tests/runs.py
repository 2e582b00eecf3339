"""A run that is trained in a second on the tiny tree, and what its record holds."""

from pathlib import Path

from seglib.config import RunConfig
from seglib.records import Record
from seglib.training.loop import fit

TINY = RunConfig(model="fcn", width=4, image_size=(32, 64), epochs=3, batch_size=2,
                 learning_rate=1e-2, precision="fp32")


def train(config: RunConfig = TINY, **options) -> Record:
    return fit(config, **{"device": "cpu", "progress": False, **options})


def contents(folder: Path, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.name not in without}


def bytes_of(record: Record) -> dict[str, bytes]:
    """Every file of a record but the one with times in it, and the digests."""
    return contents(record.path, without=("environment.json", "SHA256SUMS"))
