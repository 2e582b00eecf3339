"""Write the project's address into its notebooks, so that Colab can open and run them.

    python -m tools.colab https://github.com/OWNER/NAME [NOTEBOOK ...]

Without names, all of notebooks/ is meant. Each gets a badge that opens this very notebook and a
bootstrap cell that clones from there. Colab opens repositories on GitHub; for others the badge
leads to its start page. Nothing else in a notebook changes, and doing it twice changes nothing.
"""

import argparse
import re
import sys
from pathlib import Path

from seglib.cli import exit_code
from seglib.errors import ConfigError, SeglibError
from seglib.paths import home
from tools.contract import BADGE, REPOSITORY_LINE
from tools.notebooks import read_notebook, write_notebook

BRANCH = "main"
START_PAGE = "https://colab.research.google.com/"

# The address goes into a shell command of the bootstrap cell, so only plain characters may pass.
_ADDRESS = re.compile(r"https://[\w.-]+(:\d+)?(/[\w.~-]+){2,}|file:///[\w./~-]+", re.ASCII)
_ON_GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)", re.ASCII)
_BADGE_LINK = re.compile(re.escape(f"({BADGE})](") + r"[^)]*\)")
_REPOSITORY = re.compile(re.escape(REPOSITORY_LINE).replace('""', r'"[^"\n]*"', 1))


def check_address(address: str) -> str:
    """The address without a closing slash; raises `ConfigError` unless git can clone from it.

    Allowed are https addresses with at least an owner and a name, without a user or password, and
    folders of this machine as file:///…
    """
    address = address.strip().rstrip("/")
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            f"REPO {' '.join(repr(address).split())[:80]} is not an address to clone from; "
            "give it as REPO=https://github.com/OWNER/NAME"
        )
    return address


def badge_link(address: str, name: str) -> str:
    """Where a notebook's badge leads; `name` is the notebook's file name."""
    if found := _ON_GITHUB.fullmatch(address):
        owner, project = found[1], found[2].removesuffix(".git")
        return f"{START_PAGE}github/{owner}/{project}/blob/{BRANCH}/notebooks/{name}"
    return START_PAGE


def stamp(path: Path, address: str) -> bool:
    """Write `address` into one notebook; returns whether that changed the file.

    Raises `ConfigError` for a bad address and `SeglibError` for a file that is no notebook of ours.
    """
    address = check_address(address)
    path = Path(path)
    notebook = read_notebook(path)
    link = f"({BADGE})]({badge_link(address, path.name)})"
    line = REPOSITORY_LINE.replace('""', f'"{address}"', 1)
    changed = False
    for position, pattern, text, what in (
        (0, _BADGE_LINK, link, "Colab badge"),
        (1, _REPOSITORY, line, "bootstrap line"),
    ):
        cell = notebook.cells[position] if len(notebook.cells) > position else {"source": ""}
        source, count = pattern.subn(lambda found, text=text: text, cell["source"], count=1)
        if not count:
            raise SeglibError(f"{path}: cell {position + 1} has no {what} to fill in")
        changed = changed or source != cell["source"]
        cell["source"] = source
    if changed:
        write_notebook(notebook, path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    summary, usage = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        prog="python -m tools.colab",
        description=summary,
        epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", metavar="ADDRESS")
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    options = parser.parse_args(arguments)

    def stamp_all() -> None:
        if not (paths := options.notebooks or sorted((home() / "notebooks").glob("*.ipynb"))):
            raise SeglibError(f"{home() / 'notebooks'}: no notebook there; name some")
        for path in paths:
            state = "stamped" if stamp(path, options.address) else "already so"
            print(f"{path.name:40} {state}")

    return exit_code(stamp_all)


if __name__ == "__main__":
    sys.exit(main())
