"""Where what is backed up comes from."""

from services.command.backup import Origins
from tests.support.gateways import RunningGateway
from tests.support.ledgers import RunningLedger


def origins(ledger: RunningLedger, gateway: RunningGateway | None = None) -> Origins:
    return Origins(
        ledger_database=ledger.database.owner_url,
        gateway_database=gateway.database.owner_url if gateway else None,
        log_key_file=ledger.config.log_key_file,
        state_folder=ledger.config.state_folder,
        master_key_file=gateway.config.master_key_file if gateway else None,
    )
