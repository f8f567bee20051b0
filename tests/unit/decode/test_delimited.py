"""CSV and TSV. The decoder reads back the rows of the standard library's writer."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decode import DecodeLimits, build_decoder
from schemas.refusal import ReasonCode, Refusal
from transforms.base import Skipped

COLUMNS = ["a", "b", "c"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def delimited(kind="csv", limits=None, **options):
    return build_decoder(kind, {"columns": COLUMNS, **options}, limits or DecodeLimits())


def code(answer):
    assert isinstance(answer, Refusal), answer
    return answer.code


@given(
    rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), delimiter=st.sampled_from([",", ";", "\t", "|"])
)
def test_what_a_csv_writer_writes_is_read_back(rows, delimiter):
    out = StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    want = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    assert delimited(delimiter=delimiter)(out.getvalue().encode()) == (want if len(want) > 1 else want[0])


def test_quoted_values_hold_delimiters_line_ends_and_quotes():
    assert delimited()(b'"x,y","l1\r\nl2","say ""hi"""\r\n') == {"a": "x,y", "b": "l1\r\nl2", "c": 'say "hi"'}
    assert delimited(escape="\\")(rb'x,"\"y\"",z') == {"a": "x", "b": '"y"', "c": "z"}


def test_an_empty_value_is_absent_and_so_is_the_text_for_null():
    assert delimited(null_text="\\N")(b"x,,\\N") == {"a": "x"}
    assert delimited()(b'"","",z') == {"c": "z"}


def test_a_column_may_be_left_out_and_the_header_is_no_entry():
    decode = build_decoder("csv", {"columns": ["id", None, "name"]}, DecodeLimits())
    assert decode(b"1,secret,n") == {"id": "1", "name": "n"}
    assert decode(b"id,anything,name\n1,x,n\n") == {"id": "1", "name": "n"}
    assert decode(b"id,anything,name\n\n") == Skipped("no entry: the columns' names")
    assert decode(b"\n") == []


def test_a_row_of_another_length_is_refused_or_by_setting_taken():
    assert code(delimited()(b"1,2")) is ReasonCode.NO_MATCH
    assert code(delimited()(b"1,2,3,4")) is ReasonCode.NO_MATCH
    assert delimited(ragged=True)(b"1,2\n1,2,3,4") == [{"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}]


def test_a_bad_row_costs_no_other_but_a_quote_that_is_not_closed_costs_what_follows():
    answer = delimited()(b'1,2,3\n1,2\n4,5,6\n7,8,"9\n1,2,3')
    assert [each if isinstance(each, dict) else each.code.value for each in answer] == [
        {"a": "1", "b": "2", "c": "3"}, "NO_MATCH", {"a": "4", "b": "5", "c": "6"}, "NO_MATCH",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [b'"a"b,c,d', b'"a,b,c', b"x" * 200_000 + b",b,c"])
def test_what_is_no_row_is_refused(value):
    assert code(delimited()(value)) is ReasonCode.NO_MATCH


def test_rows_are_bounded():
    limits = DecodeLimits(entries=3)
    assert len(delimited(limits=limits)(b"1,2,3\n" * 3)) == 3
    assert code(delimited(limits=limits)(b"1,2,3\n" * 4)) is ReasonCode.TOO_MANY_ENTRIES


def test_tabs_stand_between_columns_of_tsv_and_quotes_are_text():
    assert delimited("tsv")('say "hi"\t付款\t3'.encode()) == {"a": 'say "hi"', "b": "付款", "c": "3"}


@pytest.mark.parametrize(
    "options",
    [{"columns": []}, {"columns": ["a", "a"]}, {"columns": ["a", ""]}, {"delimiter": '"'}, {"delimiter": ",,"}, {"delimiter": "\n"}, {"escape": ","}],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=r"columns|delimiter|at most|at least"):
        delimited(**options)
