"""Reads the table of accounts that `--accounts` names."""

from __future__ import annotations

from transforms.parse import Accounts, parse_accounts
from transforms.storage import read_text


def read_accounts(path: str | None) -> Accounts | None:
    """Loads a table of accounts; None without a path.

    Raises:
        UsageError: The file cannot be read or is not valid.
    """
    return None if path is None else parse_accounts(read_text(path, "the accounts"), path)
