from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal

decode = build_decoder("logfmt", {}, DecodeLimits())

KEYS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs"], exclude_characters='="\x7f'), min_size=1, max_size=6
).filter(str.split)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def written(key, value):
    plain = value and all(character > " " and character not in '="\\\x7f' for character in value)
    return f"{key}={value if plain else json.dumps(value, ensure_ascii=False)}"


@given(fields=st.dictionaries(KEYS, VALUES, min_size=1, max_size=5), between=st.sampled_from([" ", "  ", "\t"]))
def test_what_a_logfmt_writer_writes_is_read_back_the_same(fields, between):
    line = between.join(written(key, value) for key, value in fields.items())
    assert decode(line.encode() + b"\n") == fields


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('time="2024-05-01T10:00:00+08:00" level=info msg="order \\"1\\" paid\\n\\u4ed8" err=', {"time": "2024-05-01T10:00:00+08:00", "level": "info", "msg": 'order "1" paid\n付', "err": ""}),
        ("url=https://a.b/?x=1&y=2 n=1", {"url": "https://a.b/?x=1&y=2", "n": "1"}),
        ("a=1 a=2", {"a": "2"}),
        ('a="\\q\\d \\"x"', {"a": 'qd "x'}),
        ('msg="\\x1b[31mred\\x1b[0m\\n" a="\\a\\v"', {"msg": "\x1b[31mred\x1b[0m\n", "a": "\a\v"}),  # colours, as logrus and slog write them
        ('a="\\u4ed8\\x7f\\ufeff\\U0001f600\\\\n"', {"a": "付\x7f\ufeff\U0001f600\\n"}),
        ('a="\\ud83d\\ude00\\v"', {"a": "\U0001f600\v"}),
        ('a="\\xe4\\xff\\ud800\\Uffffffff\\q"', {"a": "\\xe4\\xff\\ud800\\Uffffffffq"}),
        ('a="x\ty\\nz"', {"a": "x\ty\nz"}),  # a tab without an escape
        ("  a=1  ", {"a": "1"}),
        ("a=单价 b=張三", {"a": "单价", "b": "張三"}),
    ],
)  # fmt: skip
def test_lines_as_they_are_written(line, fields):
    assert decode(line.encode()) == fields


@pytest.mark.parametrize(
    "line", ["", "   ", "only words here", 'a="1', 'a="1"2', 'a=1"2"', "=1", '"a"=1', 'a=1 "', "a=1 =2"]
)
def test_what_is_no_logfmt_is_refused(line):
    answer = decode(line.encode())
    assert isinstance(answer, Refusal)
    assert answer.code is ReasonCode.NO_MATCH
