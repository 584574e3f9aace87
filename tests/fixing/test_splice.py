"""A JSON edit changes one value; every other byte of the file stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.edits import Splice
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixing.splice import set_key, splice
from dtypecheck.subjects import pointer


def test_only_the_value_changes() -> None:
    before = b'{\n  "a": 1.0,\r\n\t"force_upcast" :  false , "b": [1,  2],\n "c": "\\u00e9"}\n\n'
    assert set_key("c.json", before, "/force_upcast", "true") == before.replace(b"false", b"true")


def test_a_missing_key_is_added_as_its_neighbours_are_written() -> None:
    for before, after in (
        (b'{\n  "a": 1\n}\n', b'{\n  "a": 1,\n  "k": true\n}\n'),
        (b'{\r\n\t"a": 1\r\n}', b'{\r\n\t"a": 1,\r\n\t"k": true\r\n}'),
        (b'{"a":1}', b'{"a":1,"k":true}'),
        (b'{"a": 1, "b": 2}', b'{"a": 1, "b": 2, "k": true}'),
        (b"{}", b'{"k": true}'),
        (b"{\n}", b'{"k": true\n}'),
    ):
        assert set_key("c.json", before, "/k", "true") == after


def test_nested_keys_elements_and_keys_with_strange_signs_are_found() -> None:
    before = b'{"a": {"b/c": [1, {"~": "x"}]}, "b/c": 0}'
    assert set_key("c.json", before, "/a/b~1c/1/~0", '"y"') == before.replace(b'"x"', b'"y"')
    assert set_key("c.json", before, "/a/b~1c/0", "null") == before.replace(b"[1,", b"[null,")


def test_of_a_repeated_key_the_one_that_parsers_take_is_set() -> None:
    assert json.loads(set_key("c.json", b'{"a": 1, "a": 2}', "/a", "3")) == {"a": 3}


def test_a_byte_order_mark_and_an_escaped_key_stay_as_they_are() -> None:
    before = b'\xef\xbb\xbf{"\\u0061": 1}'
    assert set_key("c.json", before, "/a", "2") == b'\xef\xbb\xbf{"\\u0061": 2}'


@pytest.mark.parametrize(
    ("data", "at", "word"),
    [
        (b'{"a": ', "/a", "JSON"),
        (b'{"a": 1}', "/b/c", "nothing at /b"),
        (b"[1]", "/5", "nothing at /5"),
        (b"\xff", "/a", "JSON"),
        (b"[" * 100_000, "/a", "JSON|deep"),
    ],
)
def test_what_has_no_place_for_it_is_refused_by_name(data: bytes, at: str, word: str) -> None:
    with pytest.raises(Refusal, match=f"c.json.*({word})"):
        set_key("c.json", data, at, "1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=5),
    st.sampled_from([None, 0, 1, 2, 4, "\t"]),
    st.booleans(),
    st.data(),
)
def test_what_json_reads_afterwards_differs_in_that_key_alone(
    content: dict[str, object], indent: int | str | None, ascii_only: bool, data: st.DataObject
) -> None:
    before = json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if "\\ud" not in before.decode("utf-8", "replace"):
        try:
            before.decode()
        except UnicodeDecodeError:
            return
    key = data.draw(st.sampled_from([*content, "added"]))
    after = set_key("c.json", before, pointer(key), "[7]")
    assert json.loads(after) == {**content, key: [7]}
    if key in content:
        again = set_key("c.json", after, pointer(key), json.dumps(content[key], indent=indent, ensure_ascii=ascii_only))
        assert json.loads(again) == content


def test_characters_of_a_text_are_replaced_where_the_expected_ones_stand() -> None:
    text = "é = load(torch_dtype=torch.float16)\n"
    start = text.index("torch.float16")
    edit = Splice("serve.py", start, start + 13, "torch.float16", "torch.bfloat16")
    assert splice(edit, text.encode()).decode() == text.replace("torch.float16", "torch.bfloat16")


def test_a_text_that_changed_since_is_refused() -> None:
    with pytest.raises(Refusal, match=r"serve\.py.*not the one"):
        splice(Splice("serve.py", 0, 3, "abc", "x"), b"abd")
    with pytest.raises(Refusal, match=r"serve\.py.*UTF-8"):
        splice(Splice("serve.py", 0, 3, "abc", "x"), b"\xff\xff\xff")
