"""Times: the fast ways give the results of the slow ones, no time is read wrongly, and impossible ones are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.fault import BadExpression
from transforms.values.text import Inconvertible
from transforms.values.time_formats import DIRECTIVES, format_reader
from transforms.values.times import EPOCHS, LEAST_MS, MOST_MS, epoch_ms, iso_reader, zone_offsets


def local(*parts):
    """A time without a zone, as in a log."""
    return datetime(*parts)  # noqa: DTZ001 - without a zone on purpose


FORMATS = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d/%b/%Y:%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%y%m%d %H%M%S",
    "%Y年%m月%d日 %H时%M分%S秒", "%A, %d %B %Y %I:%M:%S %p", "%S.%M.%H %j %Y", "57 %Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S 100%%", "%A %d %H%M%S %B %Y",
]  # fmt: skip
ZONES = ["Asia/Shanghai", "UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
NAIVE = st.datetimes(local(2000, 1, 3), local(2099, 12, 28))


def ms(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize("pattern", FORMATS)
@given(
    moments=st.lists(NAIVE, min_size=1, max_size=3),
    seconds=st.lists(st.integers(0, 59), max_size=4),
    zone=st.sampled_from(ZONES),
)
def test_a_format_is_read_as_strptime_reads_it_the_first_time_and_the_next(pattern, moments, seconds, zone):
    read = format_reader(pattern, zone)
    for moment in moments:
        if "%y" in pattern and moment.year >= 2069:
            continue  # two digits mean 1969 to 2068
        for second in (moment.second, *seconds):
            text = moment.replace(second=second).strftime(pattern)
            wanted = ms(datetime.strptime(text, pattern).replace(tzinfo=ZoneInfo(zone)))
            assert read(text) == wanted
            assert read(text) == wanted


@given(st.text("0123456789 :-/", min_size=10, max_size=20), NAIVE)
@example(" 2026111100000", local(2026, 11, 1, 0, 0, 0))
@example(" 2026111000012", local(2026, 11, 10))
def test_what_was_read_before_changes_nothing_of_what_is_read_next(text, moment):
    """Texts that only look like earlier ones (a digit less, a space more) are read as by a new reader."""
    for pattern in ("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S"):
        used, new = format_reader(pattern), format_reader(pattern)
        plain = moment.strftime(pattern)
        shifted = " " + plain[:-1]
        for warm in (plain, shifted, plain[:-2] + "00", shifted[:-2] + "12"):
            result(used, warm)
        for each in (text, shifted[:-2] + "34", shifted[:-2] + "05", plain):
            assert result(used, each) == result(new, each)


def test_names_that_are_not_equally_long_before_the_seconds_shift_nothing():
    """Thursday and November together are as long as Wednesday and October, but the seconds stand at another place."""
    pattern = "%A %d %H%M%S %B %Y"
    read = format_reader(pattern, "UTC")
    for day in (local(2026, 11, 12, 11, 11, 11), local(2026, 10, 7, 11, 11, 11)):
        for number in range(60):
            for moment in (day.replace(second=number), day.replace(minute=number)):
                assert read(moment.strftime(pattern)) == ms(moment.replace(tzinfo=UTC))


def result(read, text):
    try:
        return read(text)
    except Inconvertible as error:
        return str(error)


@given(NAIVE, st.integers(-14 * 60, 14 * 60))
def test_a_zone_in_the_text_counts(moment, minutes):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert format_reader("%d/%b/%Y:%H:%M:%S %z", "UTC")(aware.strftime("%d/%b/%Y:%H:%M:%S %z")) == ms(
        aware.replace(microsecond=0)
    )
    assert iso_reader("UTC")(aware.isoformat()) == ms(aware)


@given(NAIVE, st.sampled_from(".,"), st.integers(1, 9))
def test_a_fraction_at_the_end_is_kept_to_the_millisecond(moment, mark, digits):
    fraction = f"{moment.microsecond:06}789"[:digits]
    text = moment.strftime("%Y-%m-%d %H:%M:%S") + mark + fraction
    wanted = ms(moment.replace(microsecond=0, tzinfo=UTC)) + int(f"{fraction:0<3}"[:3])
    assert format_reader(f"%Y-%m-%d %H:%M:%S{mark}%f", "UTC")(text) == wanted


@given(NAIVE, st.sampled_from(ZONES))
@example(local(2026, 10, 4, 2, 45), "Australia/Lord_Howe")
@example(local(2026, 10, 25, 2, 30), "Europe/Berlin")
@example(local(2026, 3, 29, 2, 30), "Europe/Berlin")
def test_a_zone_s_remembered_offset_is_its_own(moment, zone):
    assert timedelta(milliseconds=zone_offsets(zone)(moment)) == moment.replace(tzinfo=ZoneInfo(zone)).utcoffset()


UNITS = {"epoch_ms": 1, "epoch_us": 1_000, "epoch_ns": 1_000_000}


@given(st.integers(LEAST_MS, MOST_MS - 1), st.integers(0, 999_999))
def test_seconds_milli_micro_and_nanoseconds_are_told_apart(milliseconds, rest):
    assert epoch_ms(milliseconds // 1000) == milliseconds // 1000 * 1000
    assert epoch_ms(Decimal(milliseconds) / 1000) == epoch_ms(str(Decimal(milliseconds) / 1000)) == milliseconds
    for name, per_ms in UNITS.items():
        number = milliseconds * per_ms + rest % per_ms
        assert epoch_ms(number) == epoch_ms(str(number)) == milliseconds
        assert EPOCHS[name](number) == EPOCHS[name](str(number)) == milliseconds
        for other in UNITS.keys() - {name}:
            with pytest.raises(Inconvertible):
                EPOCHS[other](number)
        with pytest.raises(Inconvertible):
            EPOCHS["epoch_s"](number)
        with pytest.raises(Inconvertible):
            EPOCHS[name](milliseconds // 1000)
    assert EPOCHS["epoch_s"](milliseconds // 1000) == milliseconds // 1000 * 1000
    assert EPOCHS["epoch_s"](Decimal(milliseconds) / 1000) == milliseconds


def test_a_long_fraction_is_cut_off_and_never_rounded_up():
    text = "1794326400.999" + "9" * 40
    assert epoch_ms(text) == EPOCHS["epoch_s"](text) == epoch_ms(Decimal(text)) == 1_794_326_400_999


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=True)
    | st.text(max_size=70)
    | st.lists(st.integers(), max_size=1)
    | st.binary(max_size=5)
)
READERS = [epoch_ms, EPOCHS["epoch_us"], iso_reader(), format_reader("%Y-%m-%d %H:%M:%S"), format_reader("%Y-%m-%d %H:%M:%S.%f"), format_reader("%d/%b/%Y:%H:%M:%S %z")]  # fmt: skip


@given(ANYTHING, st.sampled_from(READERS))
@example("9" * 5_000, READERS[0])
@example("1e999999999", READERS[0])
@example("0e999999999", READERS[0])
@example("1e-999999999", READERS[1])
@example(Decimal("NaN"), READERS[0])
@example(Decimal("1e999999"), READERS[0])
@example("0001-01-01 00:00:00", READERS[3])
@example("9999-12-31T23:59:59-14:00", READERS[2])
@example("0001-01-01T00:00:00+14:00", READERS[2])
def test_anything_is_a_time_of_an_event_or_refused(value, read):
    answer = result(read, value)
    if isinstance(answer, str):
        assert not isinstance(value, str) or len(value) < 3 or value not in answer
    else:
        assert LEAST_MS <= answer < MOST_MS


@pytest.mark.parametrize(
    "text",
    ["2026-11-11x00:00:00", "2026-11-11", "2026-02-30T00:00:00", "2026-11-11T24:61:00", "11/11/2026", "20261111"],
)
def test_iso_takes_no_other_separator_and_no_impossible_day(text):
    if text in {"2026-11-11", "20261111"}:
        assert iso_reader("UTC")(text) == 1_794_355_200_000
    else:
        with pytest.raises(Inconvertible):
            iso_reader()(text)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("%Y-%m-%d %H:%M:%S %Z", "%Z"), ("%Y %Y-%m-%d", "%Y twice"), ("%H:%M:%S", "no year"), ("%Y %H:%M", "no day"), ("%Y-%m", "no day"), ("%Y-%m-%d %I:%M", "%I and %p"),
        ("%Y-%m-%d %", "%"), ("%s", "%s"), ("", "no year"), ("%%Y-%m-%d", "no year"),
    ],
)  # fmt: skip
def test_a_format_that_would_be_read_wrongly_is_a_fault(pattern, said):
    with pytest.raises(BadExpression) as bad:
        format_reader(pattern)
    assert said in bad.value.found


def test_every_directive_that_is_offered_can_be_read():
    for each in DIRECTIVES - {"%", "Y", "m", "d"}:
        beside = {"y": "%m-%d", "b": "%Y %d", "B": "%Y %d", "j": "%Y", "I": "%Y-%m-%d %p", "p": "%Y-%m-%d %I"}
        pattern = f"%{each} {beside.get(each, '%Y-%m-%d')}"
        written = datetime(2026, 11, 11, tzinfo=UTC).strftime(pattern)
        assert format_reader(pattern, "UTC")(written) == 1_794_355_200_000


@pytest.mark.parametrize("name", ["GMT+8", "UTC+8", "+08:00", "Etc/GMT+80"])
def test_a_distance_from_utc_is_no_name_and_near_to_none(name):
    with pytest.raises(BadExpression) as bad:
        zone_offsets(name)
    assert bad.value.expected == "an IANA name such as Asia/Shanghai (UTC+8) or UTC"


def test_a_near_zone_is_named():
    with pytest.raises(BadExpression) as bad:
        zone_offsets("Asia/Shangai")
    assert "'Asia/Shanghai'" in bad.value.expected
