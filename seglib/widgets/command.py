"""`seglib view`: the viewer over recorded runs as a page of its own."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from ..cli import option
from ..errors import ConfigError


def view(
    runs: Positional[Annotated[tuple[str, ...], option(metavar="[RUN ...]")]] = (), /, *,
    output: Annotated[Path, option(metavar="FILE")],
    split: Annotated[str, option(metavar="{val,test}")] = "val",
) -> None:
    """Write photographs and what runs predict as one HTML page, to be opened in any browser.

    Args:
        runs: Ids of runs on one dataset (default: the best of every network on MiniScapes).
        output: The page, as in page.html.
        split: val (the default) or test.
    """
    from ..records import load_record
    from ..text import DATASET_NAMES
    from .recorded import view_records
    if output.suffix != ".html" or output.is_dir():
        raise ConfigError(f"output {output}: expected the name of a page, as in page.html")
    records = [load_record(run) for run in dict.fromkeys(runs)]
    dataset = records[0].config.dataset if records else "miniscapes"
    viewer = view_records(dataset, split, records or None)
    viewer.write_page(output, f"Street scenes of {DATASET_NAMES[dataset]} ({split}), segmented")
    print(f"{output}: {len(viewer._scenes)} scenes with predictions of {', '.join(viewer._models)}")
