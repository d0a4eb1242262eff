"""What a command loads before it begins: a health check runs each quarter of a minute, in every container."""

import subprocess
import sys

ASKS_NOBODY = ("evidence", "healthcheck", "keygen", "migrate", "remove")
LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"services.command.{name}")
print(*(name for name in ("aiohttp", "jinja2", "cryptography.x509") if name in sys.modules))
"""


def test_commands_that_ask_no_service_load_no_client() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, *ASKS_NOBODY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
