"""Accounts by access key: `AKIA<12 digits>...` is a key of that account, without an STS call."""

import wire


def from_access_keys() -> None:
    """Teaches moto to read the account out of the bed's access keys; every other key goes moto's own way."""
    from moto.iam import models

    original = models.get_account_id_from
    models.get_account_id_from = lambda access_key: wire.account_of(access_key) or original(access_key)
