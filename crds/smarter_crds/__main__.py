"""Writes everything that is generated from the models: `python -m smarter_crds`, in the repository's root."""

import argparse
import sys
from pathlib import Path

from smarter_crds import generate


def main() -> None:
    """Write all generated files below the folder given, or the current one."""
    parser = argparse.ArgumentParser(prog="python -m smarter_crds", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(), help="the repository's root (default: here)")
    root = parser.parse_args().root
    if not (root / "crds" / "smarter_crds").is_dir():
        parser.error(f"{str(root)!r} is not the repository's root: it has no folder crds/smarter_crds")
    files = generate.files()
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {len(files)} files\n")


if __name__ == "__main__":
    main()
