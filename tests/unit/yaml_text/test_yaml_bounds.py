"""A short YAML file stays a small one: numbers, aliases, merges, variables and fragments are bounded, and no scalar is a fault in log2mq itself."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.check import check
from pipeline.config.load import load_source
from pipeline.config.warnings import warnings
from pipeline.errors import UsageError
from pipeline.yaml_text.interpolate import MOST_CHARACTERS, interpolate
from pipeline.yaml_text.yaml_constructor import MOST_DIGITS, MOST_MERGED
from pipeline.yaml_text.yaml_file import SOURCE_FILE, UnreadableYaml, parse_yaml
from tests.support.good_files import GOOD_SOURCE, faults_of

MIB = 1 << 20


@pytest.fixture
def load(tmp_path):
    def load(text, environment=None):
        path = tmp_path / "shop.yaml"
        path.write_text(text, encoding="utf-8")
        source = load_source(path, environment or {})
        warnings(source)
        return source

    return load


def fault(text):
    with pytest.raises(UnreadableYaml) as error:
        parse_yaml(Path("x.yaml"), text)
    return str(error.value)


HUGE = {
    "decimal": "1" * 20_000,
    "hexadecimal": f"0x{'f' * 20_000}",
    "octal": f"0o{'7' * 20_000}",
    "binary": f"0b{'1' * 20_000}",
    "with underscores": "1" + "_1" * 20_000,
    "negative": f"-0x{'f' * 20_000}",
    "exponent": f"1e{'9' * 20_000}",
    "fraction": f"0.{'3' * 20_000}",
    "by its tag": f"!!int '{'9' * 20_000}'",
}


@pytest.mark.parametrize("number", HUGE.values(), ids=list(HUGE))
def test_a_number_of_thousands_of_digits_is_a_fault_with_its_line(number):
    assert fault(f"a: 1\nb: {number}\n").startswith("x.yaml:2: found YAML that cannot be read (a number of ")


def test_so_is_one_of_yaml_1_1():
    for number in (HUGE["binary"], "0" + "7" * 20_000, ":".join(["59"] * 2_000)):
        said = fault(f"%YAML 1.1\n---\na: 1\nb: {number}\n")
        assert said.startswith("x.yaml:4: found YAML that cannot be read (a number of ")


def test_a_number_as_long_as_one_may_be_is_a_number():
    digits = "9" * MOST_DIGITS
    assert parse_yaml(Path("x"), f"a: {digits}\n").content == {"a": int(digits)}


SETTINGS = [
    "dedup: {keep: {}}", "dedup: {max_size: {}}", "dedup: {path: {}}", "dedup: {scope: {}}", "dead_letters: {stop_above: {}}", "dead_letters: {window: {}}",
    "limits: {unfinished: {}}", "limits: {in_flight: {}}", "limits: {cpu: {}}", "commit: {every: {}}", "event_times: {before: {}}", "time_zone: {}", "match: {}",
    "tables: {t: {k: {}}}", "tables: {t: {}}", "keys: {k: {}}", "fragments: {f: {}}", "fragments: {f: {attributes: {a: {}}}}", "catalogue: {}", "otherwise: {}",
    "transform: {plugin: p, options: {a: {}}}", "table_files: {t: {file: {}}}", "stop: {grace: {}}", "identities: {}", "users: [{when: {a: {}}}]", "users: {}",
]  # fmt: skip
PARTS = {
    "source: shop-app": "source: {}",
    '"localhost:9092"': "{}",
    "[shop-app-log]": "{}",
    "decode: json": "decode: {}",
    "{type: paid}": "{type: {}}",
    "pay_order": "{}",
    "$.ts": "{}",
    "$.user": "{}",
    "$.no": "{}",
    "$.amount | divide(100)": "{}",
    "cn-shanghai": "{}",
    "org-0001": "{}",
    "retailadvqa-cn-test": "{}",
}
SCALARS = st.one_of(
    st.sampled_from(
        [
            *("0x" + "f" * 60, "0x" + "f" * 20_000, "-1", "-0", "0", "1e400", "-1e400", ".inf", "-.inf", ".nan", "1.5e308", "9" * 30, "9" * 900, "999999999999w", "999999999999999999TiB", "100%"),
            *("~", "", "true", "!!int x", "!!int '0x1'", "!!float x", "!!bool x", "!!null x", "!!timestamp x", "2026-11-29", "2026-11-29T07:00:00+08:00"),
            *("!!binary aGk=", "!!set {a}", "!!omap [{a: 1}]", "!x y", "!<x> {a: 1}", "[]", "{}", "[[]]", "[{}]", "{a: 1}", "&a [*a]", "&a {b: *a}", "{<<: {a: 1}}"),
            *("'\\0'", '"\\0"', '"\\u202e"', '"\\ud83d\\ude00"', "'${'", "'${A}'", "'$${A}'", "'${A:-x}'", "? x", "[? x]", "|\n    x", "'{{ $.a }}'", "'$'", "'$['", "'|'"),
        ]
    ),
    st.integers().map(str),
    st.floats().map(str),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(lambda text: "'" + text.replace("'", "''") + "'"),
)  # fmt: skip


@given(st.one_of(st.sampled_from(SETTINGS), st.sampled_from(sorted(PARTS))), SCALARS)
def test_no_value_of_a_setting_is_a_fault_in_log2mq_itself(tmp_path_factory, where, value):
    """The command's exit code 70 is for that. A file is right, or it has faults with their lines."""
    part = PARTS.get(where, where).replace("{}", value, 1)
    text = GOOD_SOURCE.replace(where, part, 1) if where in PARTS else f"{GOOD_SOURCE}{part}\n"
    path = tmp_path_factory.mktemp("odd") / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(check, [str(path)], env={"A": "1"})
    assert result.exception is None or isinstance(result.exception, UsageError)


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.slow
def test_aliases_of_one_long_text_do_not_fill_the_memory(load):
    """Four thousand aliases of half a MiB took 2 GB and 23 s."""
    before = peak_mib()
    names = ", ".join(f"k{number}: *x" for number in range(4_000))
    (said,) = faults_of(load, GOOD_SOURCE + f'tables: {{t: {{x: &x "{"y" * (MIB // 2)}", {names}}}}}\n')
    assert "found more values than such a file can need; expected fewer aliases or keys" in said
    assert peak_mib() - before < 200


def test_a_text_may_be_named_some_times():
    text = "a: &a '" + "x" * (MIB // 2) + "'\nb: [*a, *a, *a]\n"
    assert len(parse_yaml(Path("x"), text, SOURCE_FILE).content["b"]) == 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("".join(f"a{place}: &a{place} {{k{place}: 1" + (f", <<: *a{place - 1}" if place else "") + "}\n" for place in range(3_000)), marks=pytest.mark.slow),
        "a: &a {" + ",".join(f"k{place}: 1" for place in range(2_000)) + "}\nb: {<<: [" + ",".join(["*a"] * 2_000) + "]}\n",
        "a: &a {x: 1}\n" + "".join(f"{now}: &{now} {{<<: [{','.join([f'*{before}'] * 9)}]}}\n" for before, now in zip("abcdefghijkl", "bcdefghijklm", strict=True)),
    ],
    ids=["each merges the one before", "one merges another many times", "nine times nine times nine"],
)  # fmt: skip
def test_merges_do_not_multiply(text):
    assert "more merged keys than such a file can need" in fault(text)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_merges_of_a_usual_size_are_read(sizes):
    parts = [
        f"p{place}: &p{place} {{{', '.join(f'k{place}-{key}: {key}' for key in range(size))}}}"
        for place, size in enumerate(sizes)
    ]
    merged = ", ".join(f"*p{place}" for place in range(len(sizes)))
    content = parse_yaml(Path("x"), "\n".join([*parts, f"all: {{<<: [{merged}], own: 1}}", ""])).content
    assert len(content["all"]) == sum(sizes) + 1 < MOST_MERGED


def test_variables_do_not_multiply():
    faults = []
    names = ["${A}" * 1_000] * 50
    content = interpolate({"a": names, "b": "${B}"}, {"A": "x" * 100_000, "B": "b"}, faults)
    assert sum(map(len, content["a"])) <= MOST_CHARACTERS
    ((location, found, _),) = faults
    assert location[0] == "a"
    assert found == f"found variables of more than {MOST_CHARACTERS:,} characters together"


@pytest.mark.slow
def test_fragments_do_not_multiply(load):
    attributes = ", ".join(f"a{number}: $.a" for number in range(2_000))
    rules = "".join(f"  - {{use: big, event_code: e{number}}}\n" for number in range(2_000))
    text = GOOD_SOURCE.replace("events:\n", f"fragments: {{big: {{attributes: {{{attributes}}}}}}}\nevents:\n{rules}")
    said = faults_of(load, text)
    assert any("found more values from fragments than such a file can need" in each for each in said)
