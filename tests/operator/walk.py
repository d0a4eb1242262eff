"""The operator's way, by the commands of the pages alone: install, serve, watch, upgrade, go back, restore, remove."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Awaitable
from pathlib import Path

from tests.monitoring.queries import EMPTY, MOVABLE, queries
from tests.operator.machine import Machine
from tests.operator.pages import ROOT, RUNBOOK, blocks, readme_blocks
from tests.support.alert_rules import shortened

NAMES = "log.example.org issuer.example.org verify.example.org example.org"
WHEELS = "/root/wheels"
CERTIFICATE = f"""echo '127.0.0.1 {NAMES}' >> /etc/hosts
install -d -m 0700 /etc/credentify/tls && cd /etc/credentify/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj '/CN=the operator' -keyout ca.key -out ca.crt 2>&1
openssl req -newkey rsa:2048 -nodes -subj /CN=example.org -keyout privkey.pem -out request.pem 2>&1
printf 'subjectAltName=%s' '{",".join(f"DNS:{name}" for name in NAMES.split())}' > names
openssl x509 -req -in request.pem -CA ca.crt -CAkey ca.key -days 90 -extfile names -out one.pem 2>&1
cat one.pem ca.crt > fullchain.pem
install -m 0644 ca.crt /usr/local/share/ca-certificates/operator.crt && update-ca-certificates
cd /root/deploy"""
"""What an operator gets elsewhere: names, and a certificate for them."""
OLDER_THAN_ITS_FILE = (
    'max(credentify_secret_file_timestamp_seconds{secret="operator_token_file"}) '
    '< min(process_start_time_seconds{job="credentify-gateway"}) - 10'
)
"""systemd wrote the token's file anew at the last start; the gateway has known it since the first."""
TLS = {"capacity: Certificates, {{job}} {{address}}"}
ENDS_S = 600.0
"""Alarms that count over five minutes end that long after their fault, at the soonest."""
READY = "for port in 8101 8102 8103; do curl -fsS http://127.0.0.1:$port/readyz; done"
ALL_READY = r"(?:.*\"ready\"){3}"
VALID = '"verdict": ?"valid"'


class Stopwatch:
    """Says how long each step took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, seconds: float, what: str) -> None:
        """Print one line."""
        sys.stdout.write(f"{seconds:7.1f} s  {what}\n")
        sys.stdout.flush()

    async def step(self, what: str, work: Awaitable[object]) -> None:
        """Do a step and print how long it took."""
        began = time.monotonic()
        await work
        self.say(time.monotonic() - began, what)

    def total(self) -> None:
        """Print how long all of it took."""
        self.say(time.monotonic() - self._began, "in all")


class Walk:
    """One operator at one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._clock = Stopwatch()

    async def all(self) -> None:
        """Walk from the bare machine to the bare machine."""
        step = self._clock.step
        await step("the release before installed from its wheel, by its lock", self.program("before"))
        await step("the registrar's keys and the opening", self.run(("In production", 0)))
        await step("databases, tables, log and services under systemd: all are ready", self.services())
        await step("before the world: nginx, TLS, three names", self.proxy())
        await step("doctor finds nothing wrong with any of the three", self.doctor())
        await step("README's first credential through TLS, from admission to a verdict", self.first_credential())
        await step("this release installed beside the one before", self.environment("this"))
        await step("upgrade: migrated under way, link, restart, all ready", self.upgrade())
        await step("back to the release before", self.back())
        await step("upgraded for good", self.upgrade())
        await step("Prometheus with the shipped settings sees all three", self.watching())
        await step("the dashboards' queries return data", self.dashboards())
        await self.faults()
        await step("backup by the timer's unit, rehearsed", self.backup())
        await step("restored into new databases, started on them", self.restore())
        await step("uninstalled: nothing of it is left", self.uninstall())
        self._clock.total()

    async def run(self, *sections: tuple[str, int]) -> str:
        """Run blocks of the operations page: a heading, and which of its blocks."""
        return "".join([await self._machine.run(blocks(heading)[number]) for heading, number in sections])

    async def ready(self) -> None:
        """Wait until all three services say that they are ready."""
        await self._machine.until(READY, ALL_READY)

    async def program(self, name: str) -> None:
        """Install a release beside what is there (both may have one version, so its folder is named), and use it."""
        await self.environment(name)
        await self.run(("From a wheel", 1))

    async def environment(self, name: str) -> None:
        """Install a release beside what is there."""
        await self._machine.run(f"rm -f credentify-*.whl && cp /root/{name}/* .")
        block = blocks("From a wheel")[0]
        await self._machine.run(re.sub("^VERSION=.*$", f"VERSION={name}", block, flags=re.MULTILINE))

    async def services(self) -> None:
        """Make databases, tables, log and settings, and start all three."""
        await self.run(*(("On a server, with systemd", number) for number in range(4)))
        await self.ready()

    async def proxy(self) -> None:
        """Put nginx before them."""
        await self._machine.run(CERTIFICATE)
        await self.run(("Before the world, behind a proxy", 0))
        await self._machine.until(
            "for name in log issuer verify; do curl -fsS https://$name.example.org/livez; done", r"(?:.*alive){3}"
        )

    async def doctor(self) -> None:
        """Have the doctor look at each."""
        for name in ("ledger", "gateway", "verifier"):
            said = await self._machine.run(f"sh systemd/as-service.sh {name} credentify doctor {name}")
            assert "BAD" not in said, said

    async def first_credential(self) -> None:
        """Admit an institution and issue, by README's own commands, through the names of the world."""
        await self._machine.run(
            "LEDGER=https://log.example.org GATEWAY=https://issuer.example.org VERIFIER=https://verify.example.org\n"
            "OPERATOR_TOKEN_FILE=/etc/credentify/secrets/operator-token REGISTRAR_KEY_FILE=/root/deploy/registrar.key\n"
            "mkdir -p /root/institution && cd /root/institution"
        )
        for block in readme_blocks():
            await self._machine.run(block)
        await self._machine.run("CREDENTIAL=$(field first.json credential_id)\ncd /root/deploy")
        await self.is_valid()

    async def watching(self) -> None:
        """Start Prometheus on all three, by the page; then shorten the time for which a fault has to last."""
        await self.run(("Objectives, and what is watched", 0))
        (self._machine.files / "etc/prometheus/rules.yaml").write_text(shortened(2))
        await self._machine.run("sed -i 's/15s/1s/' /etc/prometheus/prometheus.yml && systemctl restart prometheus")
        await self._machine.until(asked("count(up == 1) == 3"), '"value"')

    async def dashboards(self) -> None:
        """Ask every query of every dashboard; those that have nothing to show here are known, with their reasons."""
        await self._machine.until(asked("count_over_time(credentify_ledger_tree_size_entries[10m]) > 15"), '"value"')
        await self._machine.until(asked(OLDER_THAN_ITS_FILE), '"value"')
        empty, expected = set(), EMPTY.keys() - TLS
        for place, query in queries():
            said = await self._machine.run(asked(query))
            answer = json.loads(said)
            assert answer["status"] == "success", (place, said)
            if not answer["data"]["result"] and (place in expected or place in MOVABLE):
                empty.add(place)
            elif not answer["data"][
                "result"
            ]:  # a look of Prometheus' that a busy machine did not answer, or nothing ever
                await self._machine.until(asked(query), '"value"')
        odd = expected - empty - MOVABLE
        assert not odd, f"these show something where nothing was expected: {'; '.join(sorted(odd))}"
        self._clock.say(
            0.0, f"   of {len(queries())} queries {len(empty)} have nothing to show here, for known reasons"
        )

    async def faults(self) -> None:
        """Bring three faults about, and see the alarm of each begin and end."""
        for what, begin, end, alarm in (
            (
                "the ledger is stopped",
                "systemctl stop credentify-ledger",
                "systemctl start credentify-ledger",
                "ServiceDown",
            ),
            (
                "the database takes no connections",
                psql("ALTER DATABASE ledger ALLOW_CONNECTIONS false")
                + psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'")
                + "for each in 1 2 3 4 5; do curl -sS http://127.0.0.1:8101/v1/entries?from=0\\&to=1; done",
                psql("ALTER DATABASE ledger ALLOW_CONNECTIONS true"),
                "DatabaseUnavailable",
            ),
            ("nobody has made a backup", "true", "systemctl start credentify-backup", "BackupOld"),
        ):
            await self._machine.run(begin)
            fires = await self._machine.until(alarms(), f"Credentify{alarm}.*firing")
            await self._machine.run(end)
            ends = await self._machine.until(f"{alarms()} | grep -c Credentify{alarm}", r"^0", seconds=ENDS_S)
            self._clock.say(fires, f"fault: {what}: Credentify{alarm} fires; it ends {ends:.1f} s after")
        await self.ready()

    async def backup(self) -> None:
        """Back up as the timer does, and rehearse the newest copy."""
        said = await self.run(("Back up and restore on a server", 0))
        assert "clean" in said, said

    async def upgrade(self) -> None:
        """Go over to the release that lies beside the one that runs."""
        await self.run(("On a server, with systemd", 4))
        await self.ready()
        await self.is_valid()

    async def back(self) -> None:
        """Go back to the release before."""
        await self.run(("On a server, with systemd", 5))
        await self.ready()
        await self.is_valid()

    async def restore(self) -> None:
        """Lose one database and spoil the other, restore the newest copy in their place, and go on."""
        await self._machine.run("systemctl stop credentify-ledger\n" + psql("DROP DATABASE ledger WITH (FORCE)"))
        await self._machine.run(psql("DROP SCHEMA public CASCADE", database="gateway"))
        await self.run(("A shell with a service's settings", 0), ("Back up and restore on a server", 1))
        restore = next(block for block in blocks("restore", page=RUNBOOK) if "NEW_LEDGER_URL" in block)
        said = await self._machine.run(restore)
        assert "clean" in said, said
        await self.run(("Back up and restore on a server", 2))
        await self.ready()
        await self.is_valid()

    async def is_valid(self) -> None:
        """See through TLS that the credential is valid."""
        await self._machine.until('curl -sS "https://verify.example.org/v1/credentials/$CREDENTIAL"', VALID)

    async def uninstall(self) -> None:
        """Take everything away, and look whether anything is left."""
        await self.run(("On a server, with systemd", 6), ("On a server, with systemd", 7))
        left = await self._machine.run(
            "systemctl list-unit-files 'credentify*' --no-legend || true; ls -d /opt/credentify* /etc/credentify "
            "/var/lib/credentify* /var/lib/private/credentify* 2>/dev/null || true; "
            "ps -eo args= | grep '^/opt/credentify' || true"
        )
        assert not left.strip(), left


def asked(query: str) -> str:
    """Return the command that asks Prometheus a query."""
    return f"curl -sS 'http://127.0.0.1:9090/api/v1/query?query={urllib.parse.quote(query)}'"


def alarms() -> str:
    """Return the command that lists alarms."""
    return asked("ALERTS{alertstate='firing'}")


def psql(statement: str, *, database: str = "postgres") -> str:
    """Return the command that has PostgreSQL's superuser say something."""
    return f'(cd / && runuser -u postgres -- psql -q -d {database} -c "{statement}")\n'


def carried_in(files: Path, before: Path) -> None:
    """Put both releases onto the machine, as an operator is given them, and libraries where its pip finds them."""
    shutil.copytree(ROOT / "deploy", files / "root" / "deploy")
    for name, code in (("before", before), ("this", ROOT)):
        folder = files / "root" / name
        folder.mkdir()
        shutil.copy(code / "requirements.txt", folder)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=code, check=True, capture_output=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--require-hashes"]
        subprocess.run([*pip, "-r", code / "requirements.txt", "-d", f"{files}{WHEELS}"], check=True)
    (files / "etc" / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n")
