"""`log2mq events`, as a person uses it."""

from __future__ import annotations

import json
from functools import partial

import pytest
from click.testing import CliRunner
from rich.console import Console

from pipeline.catalogue.file import read_catalogue
from pipeline.cli.events import rows as events_rows
from pipeline.cli.main import cli
from pipeline.errors import UsageError
from tests.support.good_files import GOOD_CATALOGUE, GOOD_SOURCE
from tests.support.paths import ROOT


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.catalogue.yaml"
    path.write_text(GOOD_CATALOGUE, encoding="utf-8")
    return path


def events(*words):
    result = CliRunner().invoke(cli, ["events", *map(str, words)])
    if isinstance(result.exception, UsageError):
        assert result.exception.exit_code == 2
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ([], ["pay_order", "app_start", "app_stop", "follow"]),
        (["--search", "ORDER"], ["pay_order"]),
        (["--search", "stopped"], ["app_stop"]),
        (["--channel", "Shop on iOS"], ["app_start", "app_stop"]),
        (["--channel", "Social Interaction"], ["follow"]),
        (["--origin", "custom"], ["pay_order"]),
        (["--origin", "quick_tracking", "--search", "start"], ["app_start"]),
        (["--origin", "system"], ["follow"]),
        (["--search", "nothing"], []),
    ],
)
def test_the_list_is_searched_by_name_or_code_and_filtered_by_channel_and_origin(file, options, codes):
    heading, *rows = events("list", file, *options).splitlines()
    assert heading.split("\t") == ["code", "name", "channel", "origin", "properties"]
    assert [row.split("\t")[0] for row in rows] == codes


def test_on_a_terminal_the_list_fits_80_columns(file, monkeypatch):
    monkeypatch.setattr(events_rows, "output", lambda: Console(width=80, force_terminal=True, color_system=None))
    file.write_text(
        GOOD_CATALOGUE.replace("Order paid", "An order of very many words that was paid at last, in all colours")
    )
    for words in (("list", file), ("channel", "list", file), ("show", file, "pay_order")):
        shown = events(*words)
        assert "─" in shown
        assert max(map(len, shown.splitlines())) <= 80
    assert "pay_order" in events("list", file)


def test_names_with_brackets_are_shown_as_they_are(file, monkeypatch):
    from pipeline.observe import console

    monkeypatch.setattr(console, "Console", partial(Console, width=80, force_terminal=True, color_system=None))
    file.write_text(GOOD_CATALOGUE.replace("Order paid", "'Paid [new] [/x] :smile:'"))
    for words in (("list", file), ("show", file, "pay_order")):
        assert "Paid [new] [/x] :smile:" in events(*words)


def test_one_event_is_shown_whole(file):
    shown = events("show", file, "pay_order")
    for part in ("pay_order: Order paid", "origin: custom", "channel: Shop app (app, APP_KEY shop-app)", "tasks: Thanks", "amount\tAmount\tnumeric\tevent"):  # fmt: skip
        assert part in shown
    assert "collected by Quick Tracking, iOS" in events("show", file, "app_start")
    assert "Social Interaction (a feature module)\nno properties" in events("show", file, "follow")


def test_a_catalogue_made_from_nothing_by_commands(tmp_path):
    path = tmp_path / "new.catalogue.yaml"
    events("channel", "add", path, "Shop", "--application-type", "web", "--app-key", "k1")
    events("channel", "add", path, "QT", "--application-type", "mini_program", "--quick-tracking", "--platform-type", "WeChat")  # fmt: skip
    events("add", path, "pay", "--name", "Paid", "--channel", "Shop", "--property", "amount:numeric:Amount: in yuan")
    events("add", path, "open", "--name", "Opened", "--channel", "QT", "--global-property", "uid:text:User")
    events("add", path, "close", "--name", "Closed", "--channel", "QT")
    events("add", path, "follow", "--name", "Followed", "--channel", "Social Interaction", "--origin", "system")
    events("edit", path, "pay", "--name", "Order paid", "--property-name", "amount=Yuan", "--property", "no:text:No")
    events("channel", "edit", path, "Shop", "--name", "Web shop")
    catalogue = read_catalogue(path).catalogue
    assert [each.id for each in catalogue.events_by_code["close"].properties] == ["uid"]
    assert [(each.id, each.name) for each in catalogue.events_by_code["pay"].properties] == [("amount", "Yuan"), ("no", "No")]  # fmt: skip
    assert "ok: 2 channels, 4 events, 4 properties" in events("check", path)
    assert "Web shop\tweb\tk1\tno\t1\nQT\tmini_program\t\tyes, WeChat\t2" in events("channel", "list", path)
    events("delete", path, "pay")
    events("channel", "delete", path, "Web shop")
    assert [each.name for each in read_catalogue(path).catalogue.channels] == ["QT"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["delete", "FILE", "pay_order"], "the automated marketing task 'Thanks' uses it"),
        (["edit", "FILE", "follow", "--name", "x"], "a system default event cannot be edited"),
        (["edit", "FILE", "pay_order"], "found nothing to edit; expected --name"),
        (["edit", "FILE", "pay_order", "--property", "a:number:A"], "--property: found 'a:number:A'; expected ID:TYPE:NAME"),
        (["edit", "FILE", "pay_order", "--global-property", "a"], "--global-property: found 'a'"),
        (["edit", "FILE", "pay_order", "--property-name", "amount"], "--property-name: found 'amount'; expected ID=NAME"),
        (["edit", "FILE", "pay_order", "--name", " x"], "--name: found ' x'; expected a text of one line"),
        (["edit", "FILE", "pay_order", "--name", "", "--property", "a:text:A"], "--name: found ''; expected a text of one line, not empty"),
        (["edit", "FILE", "pay_order", "--property", " a:text:A"], "--property: found ' a'; expected a text of one line"),
        (["edit", "FILE", "pay_order", "--property-name", "amount= x"], "--property-name: found ' x'; expected a text of one line"),
        (["edit", "FILE", "pay_order", "--property-name", "amount=x", "--property-name", "amount=y"], "--property-name: found one property twice"),
        (["edit", "FILE", "pay_order", "--name", "a\u200bb"], "--name: found 'a\\u200bb'; expected a text of one line, not empty, without white space around it or characters that do not show"),
        (["edit", "FILE", "pay_order", "--global-property", "a:text:A"], "shop.catalogue.yaml: not written: event 'pay_order': property 'a': scope: found global; expected event"),
        (["add", "FILE", "", "--name", "x", "--channel", "Till"], "CODE: found ''; expected a text of one line, not empty"),
        (["add", "FILE", "x", "--name", "x", "--channel", "Til"], "shop.catalogue.yaml: not written: event 'x': channel: found 'Til', a channel that is not listed; expected a channel of the file (did you mean 'Till'?)"),
        (["add", "FILE", "x", "--name", "x", "--channel", "Till", "--origin", "quick_tracking"], "found quick_tracking; expected custom"),
        (["channel", "add", "FILE", "x", "--application-type", "web"], "not written: channel 'x': app_key: found nothing; expected the APP_KEY"),
        (["add", "FILE", "x", "--name", "x", "--channel", "TILL"], "(did you mean 'Till'?)"),
        (["channel", "add", "FILE", " x", "--application-type", "web", "--app-key", "x"], "NAME: found ' x'; expected a text of one line"),
        (["channel", "add", "FILE", "x", "--application-type", "web", "--app-key", ""], "--app-key: found ''; expected a text of one line"),
        (["channel", "delete", "FILE", "Shop app"], "it has the events pay_order"),
        (["show", "FILE", "pay"], "event 'pay': found none of that code (did you mean 'pay_order'?)"),
        (["list", "FILE", "--channel", "Til"], "--channel: found 'Til', a channel that is not listed (did you mean 'Till'?)"),
        (["import", "FILE"], "found neither --csv nor --source; expected one"),
        (["import", "FILE", "--csv", "none.csv"], "none.csv: found a file that cannot be opened"),
        (["import", "FILE", "--source", "none.yaml", "--channel", "x"], "channel 'x': found none of that name"),
        (["import", "FILE", "--csv", "none.csv", "--channel", "Till"], "--channel: found it without --source; expected it with that only"),
        (["import", "FILE", "--source", "none.yaml", "--charset", "gbk"], "--charset: found it without --csv; expected it with that only"),
        (["export", "FILE", "--to", "FILE"], "the catalogue itself; expected another file"),
        (["export", "FILE", "--to", "/none/x.csv"], "--to: found a place that cannot be written"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence_and_changes_nothing(file, words, says):
    assert says in events(*(file if word == "FILE" else word for word in words))
    assert file.read_text(encoding="utf-8") == GOOD_CATALOGUE


def test_a_difference_is_shown_and_what_the_console_refuses_ends_with_a_sentence_each(file, tmp_path):
    new = tmp_path / "new.yaml"
    new.write_text(GOOD_CATALOGUE.replace("Order paid", "Paid").replace("Amount, type: numeric", "Amount, type: text"))
    result = CliRunner().invoke(cli, ["events", "diff", str(file), str(new)])
    assert result.stdout.splitlines() == [
        "~ event 'pay_order': name changed from 'Order paid' to 'Paid'",
        "~ event 'pay_order': property 'amount': type changed from numeric to text (refused)",
    ]
    assert str(result.exception).startswith(f"{new}: the console would refuse: event 'pay_order': property 'amount'")
    new.write_text(GOOD_CATALOGUE.replace("Order paid", "Paid"))
    assert "1 change, nothing that the console would refuse" in events("diff", file, new)
    assert events("diff", file, file) == "no change\n"


def test_an_event_deleted_that_a_task_still_uses_is_refused_by_diff(file, tmp_path):
    new = tmp_path / "new.yaml"
    before, _, after = GOOD_CATALOGUE.partition("  - code: pay_order")
    new.write_text(before + "  - code: app_start" + after.partition("  - code: app_start")[2])
    said = events("diff", file, new)
    assert "event 'pay_order' deleted: the automated marketing task 'Thanks' uses it" in said
    assert "tasks[0].events[0]: found 'pay_order', an event that is not listed" in said


def test_out_and_in_again(file, tmp_path):
    table, other = tmp_path / "events.csv", tmp_path / "other.yaml"
    events("export", file, "--to", table, "--charset", "gb18030")
    assert "now 3 channels, 4 events, 4 properties" in events("import", other, "--csv", table, "--charset", "gb18030")
    assert events("diff", file, other).splitlines()[0] == "- task 'Thanks' deleted"  # all but that is in the table
    assert "origin: custom" not in other.read_text(encoding="utf-8")
    assert events("export", file) == events("export", other)
    whole = json.loads(events("export", file, "--format", "json"))
    assert [each["origin"] for each in whole["events"]] == ["custom", "quick_tracking", "quick_tracking", "system"]
    other.write_text(json.dumps(whole))  # JSON is YAML
    assert events("diff", file, other) == "no change\n"


def test_what_a_mapping_uses_fits_it(tmp_path):

    example = (ROOT / "examples" / "shop-app.yaml").read_text(encoding="utf-8")
    source, path = tmp_path / "shop-app.yaml", tmp_path / "shop-app.catalogue.yaml"
    source.write_text(example, encoding="utf-8")
    result = CliRunner().invoke(cli, ["events", "import", str(path), "--source", str(source)])
    assert "note: channel 'shop-app': its application type is taken to be app" in result.stderr
    keys = {"SCA_AK_ENV": "a", "SCA_SK_ENV": "b"}
    checked = CliRunner(env=keys).invoke(cli, ["check", str(source)])
    assert checked.exit_code == 0, checked.output
    assert "catalogue" not in checked.stdout


def test_what_a_plugin_makes_cannot_be_known(file, tmp_path):
    source = tmp_path / "shop.yaml"
    before, _, after = GOOD_SOURCE.partition("events:\n")
    source.write_text(before + "transform: {plugin: shop, file: shop.py}\n" + after[after.index("report:") :])
    (tmp_path / "shop.py").write_text("def shop(options):\n    return lambda entry: []\n")
    said = events("import", file, "--source", source)
    assert "--source: found" in said
    assert "whose events a plug-in makes; expected one with rules" in said
