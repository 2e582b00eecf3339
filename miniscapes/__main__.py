"""`python -m miniscapes OUT`: write the dataset as a Cityscapes tree into a new folder."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from .generate import COUNTS, generate


def main() -> int:
    """Parse the arguments and generate; a mistake is one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m miniscapes", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder that is new or empty")
    parser.add_argument(
        "--scenes", type=int, nargs="+", default=list(COUNTS.values()), metavar="N",
        help="scenes of train, val and test (default 320 80 80); one number is train's alone",
    )
    parser.add_argument(
        "--size", type=int, nargs=2, default=(256, 512), metavar=("H", "W"),
        help="height and width, up to 1024 2048 (default 256 512)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument("--workers", type=int, metavar="N", help="default: one per processor")
    options = parser.parse_args()
    if len(options.scenes) > len(COUNTS):
        parser.error(f"--scenes takes at most {len(COUNTS)} numbers, one for each split")
    counts = dict(zip(COUNTS, options.scenes, strict=False))
    try:
        out = Path(os.path.expanduser(options.out)).resolve()  # through links, and not "."
        if out.exists() and (not out.is_dir() or any(os.scandir(out))):
            parser.error(f"{out}: is not an empty folder")
        # The tree appears as a whole or not at all.
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            tree = Path(folder) / "tree"
            tree.mkdir()  # of no scenes, too
            generate(
                tree, seed=options.seed, size=options.size, counts=counts, workers=options.workers
            )
            tree.replace(out)  # an empty folder of that name gives way
    except ValueError as problem:
        parser.error(str(problem))
    except OSError as problem:
        parser.error(f"{problem.filename or options.out}: {problem.strerror or problem}")
    except KeyboardInterrupt:
        print("\nminiscapes: interrupted; nothing was kept", file=sys.stderr)
        return 1
    scenes = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{out}: {scenes} scenes of {options.size[0]}×{options.size[1]} pixels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
