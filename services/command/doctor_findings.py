"""What `credentify doctor` says of one thing that it looked at: how it is, and what to do. Looks at nothing itself."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from services.issuer_gateway.config import PREFIX as GATEWAY_PREFIX
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import SETTINGS_PREFIX as LEDGER_PREFIX
from services.ledger.config import Config as LedgerConfig
from services.verifier.config import SETTINGS_PREFIX as VERIFIER_PREFIX
from services.verifier.config import Config as VerifierConfig

State = Literal["good", "note", "bad", "unknown"]
Config = LedgerConfig | GatewayConfig | VerifierConfig
KINDS: dict[str, tuple[type[Config], str]] = {
    "ledger": (LedgerConfig, LEDGER_PREFIX),
    "gateway": (GatewayConfig, GATEWAY_PREFIX),
    "verifier": (VerifierConfig, VERIFIER_PREFIX),
}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one thing is: `good`, worth a `note`, `bad`, or `unknown` because it could not be looked at."""

    service: str
    about: str
    state: State
    found: str
    todo: str = ""
    """What to do, in words; for all that is not good."""


class About:
    """Makes findings about one thing of a service."""

    def __init__(self, service: str, about: str) -> None:
        self._service = service
        self._about = about

    def good(self, found: str) -> Diagnosis:
        """Return that it is as it should be."""
        return Diagnosis(service=self._service, about=self._about, state="good", found=found)

    def note(self, found: str, todo: str) -> Diagnosis:
        """Return that it works, and that somebody should look at it."""
        return Diagnosis(service=self._service, about=self._about, state="note", found=found, todo=todo)

    def bad(self, found: str, todo: str) -> Diagnosis:
        """Return that it does not work, or that it is not safe."""
        return Diagnosis(service=self._service, about=self._about, state="bad", found=found, todo=todo)

    def unknown(self, found: str, todo: str) -> Diagnosis:
        """Return that it could not be looked at."""
        return Diagnosis(service=self._service, about=self._about, state="unknown", found=found, todo=todo)


def worst_first(findings: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield what is to be done, the gravest first."""
    for state in ("bad", "unknown", "note"):
        yield from (finding for finding in findings if finding.state == state)
