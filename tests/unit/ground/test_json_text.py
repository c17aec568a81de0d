"""JSON that has one meaning, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlip_kmc.ground.json_text import JsonError, read_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_json_writes_is_read(value):
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": 1, "a": 1}', "key 'a' is there twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "key 'a' is there twice"),
        (b"NaN", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"1e999", "is too large"),
        (b"{", "it is not JSON"),
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 200_000, "it is not JSON"),
        (b"\xef\xbb\xbf{}", "it is not JSON"),
        (b"{} {}", "it is not JSON"),
        ('{"a":1}'.encode("utf-16"), "it is not JSON"),
    ],
)
def test_what_has_no_one_meaning_is_refused(text, said):
    with pytest.raises(JsonError, match=said):
        read_json(text)
