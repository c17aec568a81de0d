"""Choose pages and modules to reread, by the hash of a commit: a choice that anybody can repeat.

python3 docs/sample.py COMMIT [COUNT]     the first COUNT (20) paths of the commit, in the order of sha256(commit + path)
"""

import hashlib
import subprocess
import sys
from fnmatch import fnmatch

KINDS = ("README.md", "docs/*.md", "src/*.py")


def sample(commit, paths, count):
    """The first paths of a commit in the order of their hashes."""
    wanted = [path for path in paths if any(fnmatch(path, kind) for kind in KINDS)]
    ordered = sorted(
        wanted, key=lambda path: hashlib.sha256(f"{commit}{path}".encode()).hexdigest()
    )
    return ordered[:count]


def git(*arguments):
    """What git prints."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout  # noqa: S607


if __name__ == "__main__":
    whole = git("rev-parse", sys.argv[1]).strip()
    chosen = sample(
        whole,
        git("ls-tree", "-r", "--name-only", whole).splitlines(),
        int(sys.argv[2]) if len(sys.argv) > 2 else 20,
    )
    sys.stdout.write("\n".join(chosen) + "\n")
