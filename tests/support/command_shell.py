"""The command with a running gateway's address and an office's key, as somebody types it."""

from pathlib import Path

from tests.support.commands import STRICT, credentify
from tests.support.gateways import Office, RunningGateway


class Shell:
    """Runs the command with the gateway's address in the environment, as `credentify env` sets it."""

    def __init__(self, gateway: RunningGateway, folder: Path, office: Office) -> None:
        self._gateway = gateway
        self.folder = folder
        self.key = folder / "api.key"
        self.key.write_text(office.created.api_key)

    async def run(self, *words: str, staff: bool = False, status: int = 0) -> str:
        options = ("--api-key-file", str(self.key)) if staff else ()
        ran = await credentify(*words, *options, environ={**STRICT, "GATEWAY": self._gateway.url})
        assert ran.status == status, ran
        return ran.out + ran.err

    def link(self, link: str) -> str:
        """Return a link at the port of this test: the public address is a fixed one."""
        return link.replace(self._gateway.config.public_url, self._gateway.url)
