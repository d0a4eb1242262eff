"""The migrations of ledger and gateway are numbered without a gap, and no number is given twice."""

import pytest

from services.persistence.database_setup import read_migrations


@pytest.mark.parametrize("package", ["services.ledger.migrations", "services.issuer_gateway.migrations"])
def test_every_number_is_given_once(package: str) -> None:
    numbers = [each.number for each in read_migrations(package)]
    assert numbers == list(range(1, len(numbers) + 1))
