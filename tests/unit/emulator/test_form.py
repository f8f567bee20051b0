"""The stand-in's reader of forms returns the same fields as the standard library's."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emulator.quick_audience.form import MOST_FIELDS, read_form

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@given(st.dictionaries(TEXTS, TEXTS, max_size=5), st.sampled_from([quote, None]))
def test_what_was_written_is_read(fields, quoting):
    written = urlencode(fields, quote_via=quoting) if quoting else urlencode(fields)
    assert read_form(written.encode()) == fields


@given(st.text('ab=&%+ "\\\n04C3A9', max_size=30))
def test_it_agrees_with_the_standard_library_on_anything(written):
    try:
        mine = read_form(written.encode())
    except ValueError:
        return
    assert mine == dict(parse_qsl(written, keep_blank_values=True))


def test_many_fields_are_refused():
    with pytest.raises(ValueError, match="more than 100 fields"):
        read_form(b"&".join(b"a=1" for _ in range(MOST_FIELDS + 1)))


def test_bytes_that_are_no_utf8_are_refused():
    with pytest.raises(ValueError, match="utf-8"):
        read_form(b"a=\xff")
