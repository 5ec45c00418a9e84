#!/usr/bin/env python3
"""What the documents point at is there: relative links, pictures, headings, paths of this project in `backticks`. And the
map of the house (docs/ARCHITECTURE.md) names each file of src, and each folder."""
import os
import re
import sys
from pathlib import Path

TOP = Path(os.environ["FREEHOLD_SOURCE"])
PATH = re.compile(r"`((?:src|include|tests|bench|docs|examples|cmake)/[\w./-]*)`")
found = []


def anchors(path):
    """The names that a reader's browser gives to the headings of a Markdown file."""
    headings = re.findall(r"^#+ +(.*?)\s*$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.replace("`", "").lower()).replace(" ", "-") for h in headings}


def check_link(path, target):
    if re.match(r"[a-z]+:", target):
        return
    name, _, anchor = target.partition("#")
    file = path.parent / name if name else path
    if not file.exists():
        found.append(f"{path.relative_to(TOP)}: there is no {target}")
    elif anchor and file.suffix == ".md" and anchor not in anchors(file):
        found.append(f"{path.relative_to(TOP)}: {name or path.name} has no heading for #{anchor}")


documents = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")), *sorted((TOP / "bench").rglob("*.md"))]
for document in documents:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
        check_link(document, target)
    for name in PATH.findall(re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)):
        if not (TOP / name).exists():
            found.append(f"{document.relative_to(TOP)}: there is no `{name}`")

map_of_the_house = (TOP / "docs/ARCHITECTURE.md").read_text()
for file in sorted((TOP / "src").glob("*/*.[ch]")):
    if not re.search(rf"\b{re.sub('^os_', '', file.stem)}\b", map_of_the_house):
        found.append(f"docs/ARCHITECTURE.md: {file.relative_to(TOP)} is not on the map")
for folder in [*TOP.glob("*/CMakeLists.txt"), *TOP.glob("tests/*/CMakeLists.txt"), *TOP.glob("src/*/")]:
    name = str((folder if folder.is_dir() else folder.parent).relative_to(TOP))
    if not name.startswith("build") and name not in map_of_the_house:
        found.append(f"docs/ARCHITECTURE.md: {name}/ is not on the map")

print("\n".join(found))
sys.exit(1 if found else 0)
