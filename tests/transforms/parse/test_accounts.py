"""A table of accounts is read as the API answers it, or as CSV; a mistake is named by its line."""

from __future__ import annotations

import json

import pytest

from schemas.errors import UsageError
from tests.transforms.kernel.rows import rows_of
from transforms.blocks.context import Context
from transforms.kernel.rows import ACCOUNT_ID, PROVIDER
from transforms.parse import accounts as module
from transforms.parse.accounts import parse_accounts, with_accounts

ACCOUNTS = [
    {"id": "45355976281015164504", "provider": "greenhouse", "status": "active"},
    {"id": 17, "provider": "lever", "origin_owner_name": "Zoë"},
]
PROVIDERS = {"45355976281015164504": "greenhouse", "17": "lever"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ACCOUNTS),
        json.dumps(ACCOUNTS, indent=2, ensure_ascii=False),
        json.dumps({"next": None, "data": ACCOUNTS}, indent=1),
        "\n".join(map(json.dumps, ACCOUNTS)),
        "\n\n" + "\n".join(map(json.dumps, ACCOUNTS)),
        "".join(json.dumps({"data": [each]}) + "\r\n" for each in ACCOUNTS) + "\n",
        "account_id,provider\n45355976281015164504,greenhouse\n17,lever\n",
        'name,provider,account_id\r\n"a, b",greenhouse,45355976281015164504\r\n\r\n,lever, 17',
        "\ufeff" + json.dumps(ACCOUNTS),
        "\ufeffaccount_id,provider\n17,lever\n45355976281015164504,greenhouse\n17,lever",
    ],
)
def test_a_table_is_read_in_every_form(text: str) -> None:
    accounts = parse_accounts(text, "a")
    assert accounts.providers == PROVIDERS
    assert accounts.fingerprint == parse_accounts(json.dumps(ACCOUNTS), "b").fingerprint


def test_one_account_is_a_table() -> None:
    assert parse_accounts('{"id":"1","provider":"lever"}', "a").providers == {"1": "lever"}


def test_another_provider_is_another_fingerprint() -> None:
    texts = ('[{"id":"1","provider":"lever"}]', '[{"id":"1","provider":"ashby"}]')
    assert len({parse_accounts(text, "a").fingerprint for text in texts}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a:1: the first line does not name the columns"),
        ("id,provider\n1,lever\n", "a:1: the first line does not name the columns"),
        ("account_id,provider\n", "a: no account"),
        ("[]", "a: no account"),
        ('{"data":[]}', "a: no account"),
        ("account_id,provider\nsecret,\n", "a:2: an account without provider"),
        ("account_id,provider\nsecret\n", "a:2: an account without provider"),
        ("account_id,provider\n,secret\n", "a:2: an account without id"),
        ('account_id,provider\n1,lever\nsecret,"x"y\n', "a:3: not valid CSV"),
        ('[{"id":"1","provider":"lever"},\n\n{"id":"secret"}]', "a:3: an account without provider"),
        ('{"data":[\n{"provider":"secret"}]}', "a:2: an account without id"),
        ('[\n{"id":{"secret":1},"provider":"x"}]', "a:2: `id` is not a text"),
        ('[\n{"id":"secret","provider":5}]', "a:2: `provider` is not a text"),
        ('{"id":"1","provider":"x"}\n["secret"]', "a:2: not an account"),
        ('{"data":"secret"}', "a:1: not an account"),
        ('[{"id":"1","provider":"x"},\n{"id":"secret"', "a:2: not valid JSON"),
        ('{"id":"1","provider":"x"}\n\n{"id":"secret"', "a:3: not valid JSON"),
        ('[{"id":"secret\\ud800","provider":"x"}]', "a:1: not valid JSON"),
        ('[{"id":NaN,"provider":"x"}]', "a:1: not valid JSON"),
        ("[" * 100_000, "a:1: not valid JSON"),
        (
            "account_id,provider\nsecret,lever\n2,x\nsecret,ashby\n",
            "a:4: the account has another provider in line 2",
        ),
    ],
)
def test_a_mistake_is_named_by_its_line_and_without_its_value(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_accounts(text, "a")
    assert caught.value.message.startswith(f"--accounts {message}")
    assert "secret" not in str(caught.value)


def test_the_number_of_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 2)
    text = "account_id,provider\n" + "".join(f"{n},lever\n" for n in (1, 2, 2, 3))
    with pytest.raises(UsageError, match="a:5: more than 2 accounts"):
        parse_accounts(text, "a")


def test_an_event_without_a_provider_gets_that_of_its_account_as_a_default() -> None:
    accounts = parse_accounts(json.dumps(ACCOUNTS), "a")
    rows = rows_of(
        [{ACCOUNT_ID: "17"}, {ACCOUNT_ID: "x"}, {}, {ACCOUNT_ID: "17", PROVIDER: "ashby"}]
    )
    options = Context(default_provider="workable")
    found, contexts, without = with_accounts(rows, [options], accounts)
    providers = [contexts[number].default_provider for number in found.context_of]
    assert providers == ["lever", "workable", "workable", "workable"]
    assert {without[number].default_provider for number in found.context_of} == {"workable"}
