"""Reading the LaTeX sources: which numbers, tables and figures they ask for, and where.

The commands, as `seglib.sty` typesets them:

    \\result{key}                      a number (`numbers` explains keys)
    \\interval{key}                    with its 95 % interval
    \\difference{run}{run}{metric}     the first minus the second, with its interval
    \\compare{run}{run}{metric}        the predicate of a sentence about the first run
    \\whether{run}{run}{metric}{if the first is better}{if neither is}{if it is worse}
    \\ifholds{key < key or number}{if so}{if not}   for numbers, with <, > or =
    \\recorded{part}{if it is there}{if not}        for the optional parts of `parts`
    \\claim{run}{better than}{run}{metric}   prints nothing; the report fails if it is not so
    \\holds{key < key or number}       the same for numbers
    \\ranking{role}{metric}            the four architectures from best to worst
    \\runname{run} \\Runname{run} \\datasetname{role} \\finalsplit{role}   words
    \\resulttable{name} \\resultfigure[options]{name}   from `tables` and `drawings`
    \\datasetsection{role}{stem}       sections/<stem>-<dataset>.tex

Of \\whether, \\ifholds and \\recorded only the text that is printed counts: what the others ask for
need not be recorded, and what they claim need not hold.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, RecordError, SeglibError
from . import latex
from .numbers import VERDICTS, Number, Numbers

ARGUMENTS = {
    "result": 1, "interval": 1, "difference": 3, "compare": 3, "whether": 3, "ifholds": 1,
    "recorded": 1, "claim": 4, "holds": 1, "ranking": 2, "runname": 1, "Runname": 1,
    "datasetname": 1, "finalsplit": 1, "resulttable": 1, "resultfigure": 1, "datasetsection": 2,
    "input": 1,
}  # fmt: skip
BRANCHES = {"whether": 3, "ifholds": 2, "recorded": 2}  # texts of which one is printed
_COMMAND = re.compile(r"\\(" + "|".join(ARGUMENTS) + r")(?![A-Za-z@])(?:\[[^\]]*\])?(?=\s*\{)")
_COMMENT = re.compile(r"(?<!\\)%.*")


@dataclass(frozen=True)
class Use:
    """One command in the sources."""

    command: str
    arguments: tuple[str, ...]
    where: str  # file and line

    @property
    def key(self) -> str:
        """The name under which LaTeX finds the answer."""
        return f"{self.command}@{'|'.join(self.arguments)}"


def read_uses(folder: Path, numbers: Numbers, file: str = "main.tex") -> Iterator[Use]:
    """The commands of a file and of all that it inputs, in their order.

    Raises `SeglibError` for a file that is missing or a command without its arguments.
    """
    path = folder / file
    try:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SeglibError(f"{path}: cannot be read ({problem.strerror})") from None
    position = 0
    while match := _COMMAND.search(text, position):
        command, end = match[1], match.end()
        where = f"{file}:{text.count(chr(10), 0, match.start()) + 1}"
        arguments = []
        for _ in range(ARGUMENTS[command]):
            argument, end = _group(text, end, where)
            arguments.append(" ".join(argument.split()))
        use = Use(command, tuple(arguments), where)
        if command in BRANCHES:
            text = _only_printed(text, end, use, numbers)
        for inner in _inputs(use, numbers):
            yield from read_uses(folder, numbers, inner)
        if command != "input":
            yield use
        position = match.end()  # arguments hold commands of their own


def _only_printed(text: str, start: int, use: Use, numbers: Numbers) -> str:
    """The text with the branches after `start` that are not printed emptied, but for their lines.

    All stay where no record decides: `resolve` will say so.
    """
    try:
        printed = BRANCHES[use.command] - 1 - int(answer(use, numbers).text)
    except SeglibError:
        return text
    end = start
    for number in range(BRANCHES[use.command]):
        branch, end = _group(text, end, use.where)
        if number != printed:
            begin = end - 1 - len(branch)
            text = text[:begin] + re.sub(r"[^\n]", " ", branch) + text[end - 1 :]
    return text


def _inputs(use: Use, numbers: Numbers) -> list[str]:
    """The file that a command brings in, if it brings one."""
    if use.command == "input" and not use.arguments[0].startswith("generated/"):
        return [f"{use.arguments[0].removesuffix('.tex')}.tex"]
    if use.command == "datasetsection":
        role, stem = use.arguments
        return [f"sections/{stem}-{numbers.runs.dataset(role).name}.tex"]
    return []


def _group(text: str, start: int, where: str) -> tuple[str, int]:
    """The text in the braces that begin at or after `start`, and the position behind them."""
    opening = text.index("{", start) if "{" in text[start:] else len(text)
    if text[start:opening].strip() or opening == len(text):
        raise SeglibError(f"{where}: a command of the report lacks an argument")
    depth = 0
    for position in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[opening + 1 : position], position + 1
    raise SeglibError(f"{where}: a brace is never closed")


def answer(use: Use, numbers: Numbers) -> Number | None:
    """What a command prints; None for those that print nothing of their own.

    Raises `SeglibError`: no record answers, or a claim does not hold.
    """
    runs, arguments = numbers.runs, use.arguments
    if use.command in ("result", "interval", "difference", "compare", "ranking"):
        return getattr(numbers, use.command)(*arguments)
    if use.command in ("runname", "Runname"):
        label = runs.label(arguments[0])
        label = label[0].upper() + label[1:] if use.command == "Runname" else label
        return Number(label, None, (runs.record(arguments[0]).id,))
    if use.command in ("datasetname", "finalsplit"):
        known = {"datasetname": runs.dataset_name, "finalsplit": runs.final_split}
        return Number(known[use.command](arguments[0]), None, ())
    if use.command == "whether":
        return Number(str(numbers.verdict(*arguments)), None, ())
    if use.command == "ifholds":
        return Number(str(int(_relation(arguments[0], numbers)[0])), None, ())
    if use.command == "recorded":
        return Number(str(int(not runs.lacking(arguments[0]))), None, ())
    if use.command == "datasetsection":
        return Number(f"{arguments[1]}-{runs.dataset(arguments[0]).name}", None, ())
    if use.command == "claim":
        _check_claim(arguments, numbers)
    if use.command == "holds":
        true, left, right = _relation(arguments[0], numbers)
        if not true:
            raise RecordError(
                f"the text relies on {arguments[0]}, the records say {left:.4g} and {right:.4g}"
            )
    return None


def _check_claim(arguments: tuple[str, ...], numbers: Numbers) -> None:
    first, relation, second, metric = arguments
    if relation not in VERDICTS:
        raise ConfigError(f"relation {relation!r} is unknown; choose from: {', '.join(VERDICTS)}")
    found = VERDICTS[numbers.verdict(first, second, metric)]
    if found != relation:
        _, low, high = numbers.paired(first, second, metric)
        raise RecordError(
            f"the text claims {first} {relation} {second} in {metric}, the records say {found} "
            f"({100 * low:+.1f} to {100 * high:+.1f} points)"
        )


def _relation(text: str, numbers: Numbers) -> tuple[bool, float, float]:
    """Whether a relation of two numbers is true, and the two."""
    match = re.fullmatch(r"(.+?) ([<>=]) (.+)", text)
    if not match:
        raise ConfigError(f"{text!r} must be two numbers with <, > or = between them")

    def value(part: str) -> float:
        try:
            return float(part)
        except ValueError:
            found = numbers.result(part).value
        if found is None:
            raise RecordError(f"{part!r} has no value to compare")
        return found

    left, right = value(match[1]), value(match[3])
    return {"<": left < right, ">": left > right, "=": left == right}[match[2]], left, right


def resolve(uses: list[Use], numbers: Numbers) -> dict[str, Number]:
    """The answers by key; raises one `SeglibError` that names the first failure and counts them."""
    answers: dict[str, Number] = {}
    failures: dict[str, str] = {}
    for use in uses:
        if use.key in answers or use.key in failures:
            continue
        try:
            found = answer(use, numbers)
        except SeglibError as problem:
            failures[use.key] = f"{use.where}: {problem}"
            continue
        if found is not None:
            answers[use.key] = found
    if failures:
        more = f" (and {len(failures) - 1} more like this)" if len(failures) > 1 else ""
        raise RecordError(f"report/{next(iter(failures.values()))}{more}")
    return answers


def definitions(answers: dict[str, Number], codes: dict[str, str]) -> str:
    """The LaTeX file that defines every answer; numbers link to the run they come from."""
    lines = []
    for key, found in answers.items():
        target = codes.get(found.source[0], "data") if found.source else ""
        lines.append(rf"\seglibset{{{key}}}{{{target}}}{{{found.text}}}")
    return "\n".join(lines) + "\n"


def provenance(answers: dict[str, Number], codes: dict[str, str]) -> str:
    """The list of all numbers in the text by the run they come from, with their pages."""
    by_source: dict[tuple[str, ...], list[str]] = {}
    for key, found in answers.items():
        command, _, arguments = key.partition("@")
        if found.source and command not in ("runname", "Runname", "ranking"):
            by_source.setdefault(found.source, []).append(key)
    order = list(codes)

    def position(source: tuple[str, ...]) -> tuple:
        known = [order.index(one) if one in order else len(order) for one in source]
        return (len(source) > 1, known, source)

    lines, joint = [], []
    for source in sorted(by_source, key=position):
        name = _marks(source, codes)
        entries = "; ".join(
            rf"\seglibentry{{{key}}}{{{latex.escape(_short(key, len(source)))}}}"
            for key in by_source[source]
        )
        if len(source) == 1:
            lines.append(rf"\item[{name}] {entries}.")
        else:
            joint.append(rf"\textbf{{{name}}} {entries}.")
    if joint:
        lines.append(r"\item[Several runs] " + "\n".join(joint))
    return "\n".join(lines) + "\n"


def _marks(source: tuple[str, ...], codes: dict[str, str]) -> str:
    """The codes of runs: "R2, R1"; "R5 to R8" for three or more in a row."""
    marks = [latex.escape(codes.get(one, one)) for one in source]
    order = list(codes)
    places = [order.index(one) if one in order else -1 for one in source]
    in_a_row = places == list(range(places[0], places[0] + len(places)))
    return f"{marks[0]} to {marks[-1]}" if in_a_row and len(marks) > 2 else ", ".join(marks)


def _short(key: str, runs: int) -> str:
    """What a key asks for, without the run that the list's entry already names."""
    command, _, arguments = key.partition("@")
    if runs > 1:
        return arguments.rpartition("|")[2].replace("/", " ")
    role, run, *rest = arguments.split("/")
    return " ".join(rest) + (" with interval" if command == "interval" else "")
