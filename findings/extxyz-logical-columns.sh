#!/bin/sh
# extxyz 0.4.6: its three readers see three different things in a column of logicals (`move_mask`, which atoms may move), silently.
#
# Valid input: two atoms with a column of type L, one true and one false. The format has four spellings of each: T and F, true and
# false, True and False, TRUE and FALSE. The C reader (the default) reads `true` as false. The Python reader, which the library takes
# where it is asked to (use_cextxyz=False), reads `T` as false, the spelling that ASE and extxyz itself write: every atom is
# fixed. With use_regex=True in addition it reads all eight as true: no atom is. Values of the comment line are read right by all.
# No reader raises or warns. Output seen:
#   T F         C [True, False]    Python [False, False]  Python with regex [True, True]
#   true false  C [False, False]   Python [True, False]   Python with regex [True, True]
#   True False  C [True, False]    Python [True, False]   Python with regex [True, True]
#   TRUE FALSE  C [True, False]    Python [True, False]   Python with regex [True, True]
#
# Run: sh findings/extxyz-logical-columns.sh      (half a minute; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install extxyz==0.4.6 numpy==2.4.6
cd "$folder"
cat >show.py <<'PYTHON'
import sys

from extxyz import read_dicts

READERS = {"C": {}, "Python": {"use_cextxyz": False}, "Python with regex": {"use_cextxyz": False, "use_regex": True}}
EXPECTED = {
    "T F": [[True, False], [False, False], [True, True]],
    "true false": [[False, False], [True, False], [True, True]],
    "True False": [[True, False], [True, False], [True, True]],
    "TRUE FALSE": [[True, False], [True, False], [True, True]],
}


def columns(words):
    yes, no = words.split()
    with open("two.xyz", "w") as stream:
        stream.write(f'2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:move_mask:L:1 yes={yes} no={no}\n'
                     f"Cu 0 0 0 {yes}\nCu 2 0 0 {no}\n")
    for options in READERS.values():
        frame = read_dicts("two.xyz", **options)
        frame = frame[0] if isinstance(frame, list) else frame
        assert (frame.info["yes"], frame.info["no"]) == (True, False)
        yield frame.arrays["move_mask"].tolist()


found = {words: list(columns(words)) for words in EXPECTED}
for words, seen in found.items():
    print(f"{words:10}  " + "  ".join(f"{reader} {value!s:15}" for reader, value in zip(READERS, seen)))
sys.exit(0 if found == EXPECTED else 1)
PYTHON
venv/bin/python show.py
