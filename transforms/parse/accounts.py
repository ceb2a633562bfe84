"""Reads the table of accounts and their providers, for events that do not name their provider."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Raw

from schemas.errors import UsageError
from transforms.blocks import Context
from transforms.json import (
    decode_array,
    decode_object,
    decode_raw,
    decode_string,
    kind_of,
    spans_of,
)
from transforms.kernel import ACCOUNT_ID, MISSING, PROVIDER, Rows

MAX_ACCOUNTS = 1_000_000

_COLUMNS = ("account_id", "provider")
_HINT = (
    'as JSON: the answer of GET /accounts, with "id" and "provider"; or CSV: account_id,provider'
)


@dataclass(frozen=True)
class Accounts:
    """The providers of accounts.

    Attributes:
        providers: The provider of each account id.
        fingerprint: 16 hex digits over the table; the order of its rows does not change it.
    """

    providers: dict[str, str]
    fingerprint: str


def with_accounts(
    rows: Rows, contexts: list[Context], accounts: Accounts
) -> tuple[Rows, list[Context], list[Context]]:
    """Gives the events that name no provider the provider of their account as a default.

    Returns:
        The rows with new contexts where this changes them; the contexts with these defaults; and
        the same contexts without them, as dead letters have them.
    """
    context_of = rows.context_of.copy()
    with_defaults, without = list(contexts), list(contexts)
    known: dict[tuple[int, str], int] = {}
    for row in np.flatnonzero(rows.places[:, PROVIDER, 0] == MISSING).tolist():
        number = int(context_of[row])
        context = contexts[number]
        start, end = rows.places[row, ACCOUNT_ID].tolist()
        account = context.account_id if start == MISSING else rows.text[start:end].decode()
        provider = None if account is None else accounts.providers.get(account)
        if provider is None or context.provider is not None:
            continue
        place = known.setdefault((number, provider), len(with_defaults))
        if place == len(with_defaults):
            with_defaults.append(replace(context, default_provider=provider))
            without.append(context)
        context_of[row] = place
    return replace(rows, context_of=context_of), with_defaults, without


class _Row(NamedTuple):
    line: int
    account_id: str
    provider: str


class _Problem(Exception):
    """A problem of a line, which counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse_accounts(text: str, name: str) -> Accounts:
    """Parses a table of accounts.

    Args:
        text: JSON is an array of accounts, or an object that holds the array as `data`, or
            one such value a line; an account is an object with `id` and `provider`. Other text is
            CSV whose first line names the columns `account_id` and `provider`. More members and
            columns are ignored.
        name: The name of the file, for the errors.

    Raises:
        UsageError: The table is not valid, or has more than MAX_ACCOUNTS rows. The message has the
            line, and no value of the table.
    """
    text = text.removeprefix("\ufeff")
    is_json = text.lstrip()[:1] in ("[", "{")
    lines: dict[str, int] = {}
    providers: dict[str, str] = {}
    try:
        for line, account_id, provider in (_json_rows if is_json else _csv_rows)(text):
            if not account_id or not provider:
                raise _Problem(line, "an account without " + ("provider" if account_id else "id"))
            if providers.setdefault(account_id, provider) != provider:
                raise _Problem(
                    line, f"the account has another provider in line {lines[account_id]}"
                )
            lines.setdefault(account_id, line)
            if len(providers) > MAX_ACCOUNTS:
                raise _Problem(line, f"more than {MAX_ACCOUNTS:,} accounts")
    except _Problem as problem:
        raise UsageError(f"--accounts {name}:{problem.line}: {problem}", _HINT) from None
    if not providers:
        raise UsageError(f"--accounts {name}: no account", _HINT)
    table = msgspec.json.encode(sorted(providers.items()))
    return Accounts(providers, hashlib.blake2b(table, digest_size=8).hexdigest())


def _csv_rows(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise _Problem(1, "the first line does not name the columns account_id and provider")
        for row in reader:
            yield _Row(reader.line_num, *((row[column] or "").strip() for column in _COLUMNS))
    except csv.Error:
        raise _Problem(reader.reader.line_num, "not valid CSV") from None


def _json_rows(text: str) -> Iterator[_Row]:
    first_line, _, rest = text.lstrip().partition("\n")
    is_lines = rest.strip() and _error_line(first_line) is None
    for number, part in enumerate(text.split("\n") if is_lines else [text], 1):
        if part.strip():
            error_line = _error_line(part)
            if error_line is not None:
                raise _Problem(number - 1 + error_line, "not valid JSON")
            yield from _rows_of(part.encode(), number)


def _error_line(text: str) -> int | None:
    """Returns the line of the first error of a JSON text, counted from 1; None if it is valid."""
    try:
        json.loads(text)
        decode_raw(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (msgspec.DecodeError, RecursionError):
        # Python's parser accepts NaN and half characters.
        return 1
    return None


def _rows_of(text: bytes, line: int) -> Iterator[_Row]:
    """Yields the accounts in a valid JSON text that starts in a line."""
    accounts = [decode_raw(text)]
    if kind_of(text) == "object" and "data" in (page := decode_object(text)):
        accounts = [page["data"]]
    if kind_of(accounts[0]) == "array":
        accounts = decode_array(accounts[0])
    position = 0
    for account, start in zip(accounts, spans_of(accounts, text)[0].tolist(), strict=True):
        line += text.count(b"\n", position, start)
        position = start
        if kind_of(account) != "object":
            raise _Problem(line, "not an account, which is an object")
        fields = decode_object(account)
        yield _Row(line, *(_text_of(fields.get(name), name, line) for name in ("id", "provider")))


def _text_of(value: Raw | None, name: str, line: int) -> str:
    kind = "null" if value is None else kind_of(value)
    if value is None or kind == "null":
        return ""
    if kind == "number" and name == "id":
        return bytes(value).decode()
    if kind != "string":
        raise _Problem(line, f"`{name}` is not a text")
    return decode_string(value)
