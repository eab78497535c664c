"""Finds lines of more than 100 characters in code and in the pages that keep to that.

A line may be longer where it cannot be broken: an address, a raw string, a row of a table.
"""

import pathlib
import subprocess
import sys

WIDTH = 100
SUFFIXES = {".rs", ".sh", ".py", ".go", ".js", ".toml"}
UNBREAKABLE = ("://", 'r"', 'r#"', " | ")


def main() -> int:
    files = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
    found = 0
    for path in map(pathlib.Path, files.stdout.splitlines()):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > WIDTH and not any(word in line for word in UNBREAKABLE):
                print(f"{path}:{number}: {len(line)} characters, {WIDTH} are allowed")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
