"""Check that every page of the table of contents was built.

jupyter-book can end well and leave a page out, so the build itself is not believed.
"""

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def toc_pages(toc: dict) -> list[str]:
    """The documents of a `_toc.yml` in reading order, without suffix."""
    pages = [toc[key] for key in ("root", "file") if key in toc]
    for key in ("parts", "chapters", "sections"):
        for child in toc.get(key, []):
            pages += toc_pages(child)
    return pages


def missing_pages(root: Path = ROOT) -> list[str]:
    """The pages that the table of contents names and `_build/html` lacks."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    site = root / "_build" / "html"
    return [page for page in toc_pages(toc) if not (site / f"{page}.html").is_file()]


def main() -> int:
    missing = missing_pages()
    for page in missing:
        print(f"not built: {page}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
