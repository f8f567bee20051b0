"""Lookup tables in files: the output of usual writers is read back, and a fault names the file and line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.load import load_source
from pipeline.config.table_files import TableFile, read_tables
from pipeline.errors import UsageError
from pipeline.runtime.build_converter import build_converter
from schemas.log import RawRecord

GOOD = """\
source: shop-app
kafka: {bootstrap_servers: "localhost:9092", topics: [shop-app-log]}
decode: json
tables: {level: {"1": silver}}
table_files:
  city: {file: tables/cities.csv, key: code, value: name}
  shop: {file: shops.yaml}
events:
  - event_code: pay
    event_time: $.ts
    customer_id: $.user
    out_biz_id: $.no
    attributes: {city: "$.city | lookup('city', 'none')", shop: $.shop | lookup('shop'), level: $.level | lookup('level')}
report: {region: cn-shanghai, organization_id: org-0001, access_id: retailadvqa-cn-test}
"""


@pytest.fixture
def load(tmp_path):
    def load(text=GOOD, cities="name,code\n上海,021\n\n北京,010\n", shops="S1: 一号店\nS2: 2\n"):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "tables" / "cities.csv").write_bytes(cities if isinstance(cities, bytes) else cities.encode())
        (tmp_path / "shops.yaml").write_text(shops, encoding="utf-8")
        path = tmp_path / "shop.yaml"
        path.write_text(text, encoding="utf-8")
        return load_source(path, {})

    return load


def test_a_mapping_looks_up_in_them_wherever_the_job_is_started(load, monkeypatch):
    source = load()
    monkeypatch.chdir("/")
    value = b'{"ts": 1794326400, "user": "u", "no": "n", "city": "021", "shop": "S2", "level": 1}'
    (draft,) = build_converter(source, {})(RawRecord("t", 0, 0, -1, None, value)).messages
    assert b'"city":"\xe4\xb8\x8a\xe6\xb5\xb7","shop":"2","level":"silver"' in draft.body


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": GOOD.replace("cities.csv", "towns.csv")}, "shop.yaml:6: table_files.city.file: found tables/towns.csv: a file that cannot be read (No such file or directory)"),
        ({"text": GOOD.replace("tables/cities.csv", '"a\\0.csv"')}, "a file that cannot be read (embedded null"),
        ({"text": GOOD.replace("shops.yaml", '"a\\0.yaml"')}, "a file that cannot be opened (embedded null"),
        ({"text": GOOD.replace("cities.csv", "cities.xlsx")}, "tables/cities.xlsx: a file of another kind; expected its name to end in .csv, .tsv, .yaml or .yml"),
        ({"text": GOOD.replace("key: code", "key: cod")}, "tables/cities.csv:1: no column 'cod'; expected 'code', or the name of one of its 2 columns"),
        ({"text": GOOD.replace("key: code", "kye: code")}, "table_files.city.kye: found unknown key 'kye'; did you mean 'key'?"),
        ({"text": GOOD.replace("lookup('city'", "lookup('cty'")}, "events[0].attributes.city: found unknown table 'cty'; expected 'city'"),
        ({"text": GOOD.replace('level: {"1"', 'city: {"1"')}, "table_files.city: found a second table 'city'"),
        ({"cities": "name,code\na,1\nb,1\n"}, "tables/cities.csv:3: the key of an earlier line, with another value; expected each key once"),
        ({"cities": "name,code\na\n"}, "tables/cities.csv:2: a row of 1 columns; expected as many as the header has, 2"),
        ({"cities": "name,code\n上海, China,021\n"}, "tables/cities.csv:2: a row of 3 columns; expected as many as the header has, 2; a text with a delimiter in it stands in double quotes"),
        ({"cities": "name,code,code\na,1,2\n"}, "tables/cities.csv:1: 2 columns 'code'; expected each name once"),
        ({"cities": "name;code\na;1\n"}, "tables/cities.csv:1: one column; expected columns parted by commas in a .csv file"),
        ({"cities": 'name,code\n"a,1\n'}, "a row that cannot be read"),
        ({"cities": "名,code\n".encode("gb18030")}, "tables/cities.csv:1: bytes that are no utf-8; expected the charset"),
        ({"cities": ""}, "tables/cities.csv:1: no column 'code'; expected a header line"),
        ({"shops": "- a\n"}, "shop.yaml:7: table_files.shop.file: found shops.yaml:1: no mapping; expected one mapping of keys to values"),
        ({"shops": "a: [$.b]\n"}, "shop.yaml:7: table_files.shop"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_its_file_and_line(load, change, says):
    with pytest.raises(UsageError) as error:
        load(**change)
    assert says in str(error.value)


CELLS = st.text(st.characters(codec="gb18030", exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.mark.parametrize(
    "cities",
    [
        "name, code\n上海, 021\n",
        "name,code,\n上海,021,\n",
        b"\xef\xbb\xbfcode,name\r\n021,\xe4\xb8\x8a\xe6\xb5\xb7\r\n",
    ],
)
def test_blanks_around_cells_delimiters_behind_them_and_a_byte_order_mark_are_no_part_of_them(load, cities):
    assert load(cities=cities).tables["city"] == {"021": "上海"}


@given(st.dictionaries(CELLS.map(str.strip), CELLS.map(str.strip), max_size=6), st.sampled_from(["utf-8", "gb18030"]))
def test_what_the_format_s_own_writer_writes_is_read_back(tmp_path_factory, table, charset):
    folder = tmp_path_factory.mktemp("tables")
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerows([["key", "other", "value"], *([key, "x", value] for key, value in table.items())])
        (folder / name).write_bytes(text.getvalue().encode(charset))
        faults = []
        written = {"t": TableFile(file=name, key="key", value="value", charset=charset)}
        assert read_tables(written, folder, {}, faults) == {"t": table}
        assert not faults
