"""LaTeX: finding an engine or installing one, compiling to the same bytes, reading the log."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import SeglibError

PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended tex-gyre lmodern"
APT = (
    "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "
    f"--no-install-recommends {PACKAGES} poppler-utils"
)
# What the report loads that a small TeX installation may lack.
STYLES = ("babel.sty", "lmodern.sty", "microtype.sty", "natbib.sty", "tgtermes.sty")
OVERFULL = 2.0  # points that a line may stick out
# A fixed clock, so that the same sources give the same bytes; one line per message in the log.
ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": "0",
    "FORCE_SOURCE_DATE": "1",
    "TZ": "UTC",
    "max_print_line": "10000",
}
COMMANDS = {
    "latexmk": ("latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-silent"),
    "tectonic": ("tectonic", "--keep-logs"),
}


class MissingEngine(SeglibError):
    """Neither latexmk nor tectonic is there, and none can be installed without asking."""


_WARNINGS = re.compile(
    r"^(?:LaTeX|Package \w+) Warning: (?:.*(?:undefined|multiply defined|multiply-defined).*)"
    r"|^Missing character: .*"
    r"|^Warning--.*",
    re.MULTILINE,
)
_BOXES = re.compile(r"^Overfull \\[hv]box \((\d+\.?\d*)pt too (?:wide|high)\).*", re.MULTILINE)


def find_engine() -> str | None:
    """latexmk, if its LaTeX has all that the report loads, or else tectonic; None if neither."""
    if shutil.which("latexmk") and shutil.which("pdflatex") and _has_styles():
        return "latexmk"
    return "tectonic" if shutil.which("tectonic") else None


def _has_styles() -> bool:
    if not shutil.which("kpsewhich"):
        return True  # no way of knowing: LaTeX itself will tell
    return subprocess.run(["kpsewhich", *STYLES], capture_output=True).returncode == 0


def install_command() -> str:
    """The one command that installs an engine on this system."""
    if shutil.which("apt-get"):
        return APT if _is_root() else f"sudo sh -c '{APT}'"
    if shutil.which("brew"):
        return "brew install tectonic"
    if shutil.which("dnf"):
        return "sudo dnf install latexmk texlive-scheme-medium"
    return "conda install -c conda-forge tectonic"


def need_engine() -> str:
    """An engine; installs one where that needs no question: as root on Debian and its kin.

    Raises `MissingEngine` with the command that installs one, `SeglibError` if installing failed.
    """
    engine = find_engine()
    if engine is not None:
        return engine
    command = install_command()
    if command != APT:
        raise MissingEngine(
            f"the report needs latexmk with its packages, or tectonic; install one: {command}"
        )
    print(f"the report needs LaTeX; installing it: {command}", file=sys.stderr)
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.DEVNULL)
    engine = find_engine()
    if done.returncode or engine is None:
        raise SeglibError(f"installing LaTeX failed (exit code {done.returncode}): {command}")
    return engine


def compile_pdf(folder: Path, engine: str) -> Path:
    """Compile `folder`/main.tex and return the PDF; raises `SeglibError` with LaTeX's first error.

    The same sources give the same bytes, whatever the clock and the folder.
    """
    command = [*COMMANDS[engine], "main.tex"]
    environment = os.environ | ENVIRONMENT
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                          errors="replace")  # fmt: skip
    if done.returncode:
        log = _read(folder / "main.log") or done.stdout + done.stderr
        errors = [line for line in log.splitlines() if line.startswith("!")]
        place = re.search(r"^l\.\d+.*", log, re.MULTILINE)
        first = errors[0][2:] if errors else done.stderr.strip()[-200:]
        raise SeglibError(
            f"{folder / 'main.tex'}: LaTeX stopped: {first} {place[0] if place else ''}".strip()
        )
    return folder / "main.pdf"


def problems(folder: Path) -> list[str]:
    """What a reader would stumble over, from the logs and the text of the PDF; empty if nothing.

    Undefined and doubly defined references, citations without an entry, missing glyphs, boxes that
    stick out by more than `OVERFULL` points, and "??" in the text (where pdftotext is there).
    """
    log = _read(folder / "main.log")
    found = _WARNINGS.findall(log) + _WARNINGS.findall(_read(folder / "main.blg"))
    found += [box[0] for box in _BOXES.finditer(log) if float(box[1]) > OVERFULL]
    if shutil.which("pdftotext"):
        command = ["pdftotext", "-layout", str(folder / "main.pdf"), "-"]
        text = subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
        found += [f"text: {line.strip()}" for line in text.splitlines() if "??" in line]
    return list(dict.fromkeys(found))


def picture(pdf: Path, target: Path, page: int = 1) -> None:
    """Save one page of a PDF as a PNG file; `SeglibError` if pdftoppm is not there."""
    if not shutil.which("pdftoppm"):
        raise SeglibError("a picture of a page needs pdftoppm, which is part of poppler-utils")
    pages = ("-f", str(page), "-l", str(page))
    command = ["pdftoppm", "-r", "90", "-png", "-singlefile", *pages, str(pdf)]
    subprocess.run([*command, str(target.with_suffix(""))], check=True, capture_output=True)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
