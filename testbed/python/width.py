"""Finds lines of more than 100 characters in what is written by hand.

A line may be longer where it cannot be broken: where it is one word, as an address is, the row of a
table, a raw string of Rust, a link, or an SSH public key. Blocks of code in pages are left out:
they show what programs print. Characters count, not bytes.
"""

import pathlib
import re
import subprocess
import sys

WIDTH = 100
NAMES = {"Containerfile", "Makefile"}
SUFFIXES = {".go", ".js", ".lua", ".md", ".py", ".rs", ".sh", ".toml", ".tpl", ".yaml", ".yml"}
# What programs write, and test data, whose messages are as long as those of the operator.
EXCLUDED = re.compile(
    r"^(charts/.*/templates/crd-.*|crds/.*|deploy/base/operator\.yaml|.*/testdata/.*|.*_test\.yaml"
    r"|docs/(benchmarks/.*|reference\.md)|charts/.*/README\.md)$"
)
# Between what opens a line (a comment, an item of a list, a key) and what ends it.
ONE_WORD = re.compile(r"\s*(///?|//!|#|--)?\s*(- )?([\w-]+: )?\S+")
UNBREAKABLE = {
    ".md": re.compile(r"^\s*\||\]\(|^\[.*\]: "),
    ".rs": re.compile(r'\br#*"| \| .* \| '),
    ".yaml": re.compile(r": ssh-[a-z0-9]+ AAAA"),
}


def is_checked(path: pathlib.Path) -> bool:
    if EXCLUDED.match(str(path)):
        return False
    if path.suffix in SUFFIXES or path.name in NAMES:
        return True
    with path.open("rb") as file:
        return path.suffix == "" and file.read(2) == b"#!"


def is_unbreakable(suffix: str, line: str) -> bool:
    exception = UNBREAKABLE.get(suffix)
    return bool(ONE_WORD.fullmatch(line) or (exception and exception.search(line)))


def without_code(lines: list[str]) -> list[str]:
    """The lines of a page, with those of its blocks of code empty."""
    is_code = False
    kept = []
    for line in lines:
        is_fence = line.lstrip().startswith("```")
        is_code = is_code != is_fence
        kept.append("" if is_code or is_fence else line)
    return kept


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True).stdout
    found = 0
    for path in map(pathlib.Path, filter(None, listed.decode().split("\0"))):
        # A file that is deleted and not yet committed is listed too.
        if not path.is_file() or not is_checked(path):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".md":
            lines = without_code(lines)
        for number, line in enumerate(lines, 1):
            if len(line) > WIDTH and not is_unbreakable(path.suffix, line):
                print(f"{path}:{number}: {len(line)} characters; a line has at most {WIDTH}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
