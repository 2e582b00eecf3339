"""results.json → README.md."""

import statistics
from typing import Any

from seglib.files import atomic_path

from .measuring import FOLDER, Comparison

INTRODUCTION = """\
# Side by side

The same jobs done by seglib and by what a user would pick instead, both on the same machine.
Made by `make bench ROWS="…"`; every number comes from [`results.json`](results.json).

Each number is the median of repetitions, which alternate with the peer's where time is measured;
the smallest and largest are in brackets. Without brackets one number was kept: of one
measurement, or as *Checked on the way* says. The ratio is the median over pairs; above 1, seglib
did better. Targets are goals, not what was expected. **Bold** ratios miss their target, or are
below 1 where no target was set; the reasons stand at the end, with the machine. Of scores the
difference of the medians counts, and the brackets are over seeds. Scores after so many minutes
compare recipes as the two projects have them; what one recipe gives both stands under *Scores of
one recipe*.

Our networks compute in bf16 on machines that do so in hardware, otherwise in 32 bits.
`python -m benchmarks.gpu` measures seglib on one GPU, without the other libraries; with `--merge`
its rows come here. What trains for an hour or more runs only by name:
`make bench ROWS="quality-10 quality same-recipe"`.
"""


SECTIONS = {
    "training": "Training",
    "memory": "Memory of training",
    "busy": "Training on a busy machine",
    "gpu": "On a GPU",
    "quality-10": "Scores after ten minutes of training",
    "quality": "Scores after the minutes of the recorded recipes",
    "same-recipe": "Scores of one recipe",
    "input": "Reading a dataset",
    "prediction": "Labelling photographs",
    "scoring": "Scoring",
    "imports": "Imports",
    "suite": "README's two commands",
}


def write_readme(results: dict[str, dict[str, Any]]) -> None:
    """Write the page; the same results give the same bytes."""
    with atomic_path(FOLDER / "README.md") as temporary:
        temporary.write_text(render(results), encoding="utf-8")


def render(results: dict[str, dict[str, Any]]) -> str:
    """The page as Markdown."""
    rows, lines = [], [INTRODUCTION.rstrip()]
    for name in sorted(results, key=[*SECTIONS, *results].index):
        section = [Comparison(**row) for row in results[name]["rows"]]
        lines += ["", f"## {SECTIONS.get(name, name)}", "", *table(section)]
        rows += section
    if short := [row for row in rows if row.falls_short()]:
        lines += ["", "## Where it falls short", ""]
        lines += [
            f"- {_pair(row)}: {_verdict(row)}"
            f"{f', the target is {row.target:g}' if row.target else ''}. {row.why}".rstrip()
            for row in short
        ]
    if notes := [row for row in rows if row.note]:
        lines += ["", "## Checked on the way", ""]
        lines += [f"- {_pair(row)}: {row.note}." for row in notes]
    lines += ["", "## Machine", "", *_machines(results)]
    return "\n".join(lines) + "\n"


def table(rows: list[Comparison]) -> list[str]:
    """The lines of a table of these rows."""
    head = "| what | unit | seglib | peer | ratio | target |"
    return [head, "| --- | --- | ---: | ---: | ---: | ---: |", *(_line(row) for row in rows)]


def _pair(row: Comparison) -> str:
    """Which row is meant: titles repeat where there are several peers."""
    peer, _, _ = row.peer_way.partition(":")
    return f"**{row.title}** against {peer}" if peer else f"**{row.title}**"


def _verdict(row: Comparison) -> str:
    return f"{row.ratio():.2f} times" if row.ratios() else row.verdict()


def _line(row: Comparison) -> str:
    ratio, target, peer = row.verdict(), "", ""
    if row.peer:
        ratio = f"**{ratio}**" if row.falls_short() else ratio
        target = f"{row.target:g}" if row.target else ""
        peer = f"{_spread(row.peer)}<br>{row.peer_way}"
    ours = f"{_spread(row.ours)}<br>{row.our_way}"
    return f"| {row.title} | {row.unit} | {ours} | {peer} | {ratio} | {target} |"


def _spread(values: list[float]) -> str:
    median = _digits(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({_digits(min(values))}–{_digits(max(values))})"


def _digits(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _machines(results: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each machine, or set of versions, that results come from."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        machine, count = dict(result["machine"]), result["repetitions"]
        line = (
            f"{machine.pop('processor')}, {machine.pop('cores')} cores, "
            f"{machine.pop('threads')} threads, {machine.pop('memory_gb', '?')} GB memory, "
            f"{machine.pop('system')}; "
        )
        machine.pop("device")
        line += ", ".join(f"{key} {value}" for key, value in machine.items())
        names.setdefault(line, []).append(
            f"{name} ({count} repetition{'s' if count != 1 else ''}, {result['measured']})"
        )
    lines = [f"- {line}.\n  Measured: {', '.join(measured)}." for line, measured in names.items()]
    left = [part for result in results.values() for part in result.get("left_out", [])]
    return [*lines, *([f"- Left out on the GPU: {', '.join(left)}."] if left else [])]
