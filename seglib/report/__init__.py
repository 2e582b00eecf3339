"""The written report: LaTeX sources in `report/`, and every number in it from the records.

`build` reads which numbers, tables and figures the sources ask for (`source`), answers them from
the records (`runs`, `numbers`, `tables`, `drawings`), and compiles everything in `build/report/`
(`engine`). Nothing that is measured stands in the sources themselves.
"""

import shutil
from pathlib import Path

from .. import paths
from ..errors import SeglibError
from ..files import atomic_folder, atomic_path
from .drawings import make_figure
from .engine import compile_pdf, need_engine, picture, problems
from .numbers import Numbers
from .parts import PARTS
from .runs import Runs
from .source import definitions, provenance, read_uses, resolve
from .tables import table

__all__ = ["assemble", "build", "picture"]


def build(
    street: str = "camvid", *, source: Path | None = None, compiled: bool = True
) -> tuple[Path, list[str]]:
    """Make the report and return the PDF's path with what the logs complain of.

    Args:
        street: the dataset of real photographs that it tells of, camvid or cityscapes.
        source: folder of the LaTeX sources (default `paths.report_dir()`).
        compiled: also compile; otherwise the folder to compile in is returned.

    Returns:
        `report/main.pdf`, or `report/<dataset>.pdf` for another dataset than CamVid.

    Raises:
        SeglibError: a record, a figure or a number that the text needs is missing or older than
            what it shows, a claim in the text does not hold, or LaTeX failed or is not there.
    """
    engine = need_engine() if compiled else ""
    folder = assemble(street, source or paths.report_dir())
    for line in left_out(street):
        print(line)
    if not compiled:
        return folder, []
    made = compile_pdf(folder, engine)
    target = paths.report_dir() / ("main.pdf" if street == "camvid" else f"{street}.pdf")
    with atomic_path(target) as temporary:
        shutil.copyfile(made, temporary)
    return target, problems(folder)


def left_out(street: str) -> list[str]:
    """A line for each optional part that the report does without, and what it waits for."""
    runs = Runs(street)
    waiting = {part: runs.lacking(part) for part in PARTS}
    return [
        f"without {part}: it needs {missing[0]}"
        + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        for part, missing in waiting.items()
        if missing
    ]


def assemble(street: str, source: Path) -> Path:
    """Put sources, generated files and figures into one folder, ready for LaTeX; return it."""
    if not (source / "main.tex").exists():
        raise SeglibError(f"{source}: no main.tex: the report's sources are part of a checkout")
    numbers = Numbers(Runs(street))
    uses = list(read_uses(source, numbers))
    answers = resolve(uses, numbers)
    codes = numbers.runs.codes
    folder = paths.build_dir() / "report" / street
    with atomic_folder(folder) as temporary:
        shutil.copytree(
            source, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pdf")
        )
        generated = temporary / "generated"
        generated.mkdir()
        (generated / "results.tex").write_text(definitions(answers, codes), encoding="utf-8")
        (generated / "sources.tex").write_text(provenance(answers, codes), encoding="utf-8")
        for use in dict.fromkeys((use.command, use.arguments, use.where) for use in uses):
            command, arguments, where = use
            try:
                if command == "resulttable":
                    text = table(arguments[0], numbers)
                    (generated / f"table-{arguments[0]}.tex").write_text(text, encoding="utf-8")
                elif command == "resultfigure":
                    file = make_figure(arguments[0], numbers)
                    name = f"figure-{arguments[0]}{file.suffix}"
                    shutil.copyfile(file, generated / name)
            except SeglibError as problem:
                raise SeglibError(f"report/{where}: {problem}") from None
    return folder
