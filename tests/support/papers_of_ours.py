"""The papers of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {"node_modules", "vectors", "tools"} & set(path.relative_to(ROOT).parts)
    and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)  # what was fetched, not written here
)
