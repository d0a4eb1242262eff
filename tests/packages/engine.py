"""Podman in folders of its own, with images made here of Debian's packages; what is printed for `docker` runs on it.

PostgreSQL's, Caddy's and Prometheus' own images cannot be had by the tests: these stand in for them, with their ways of
beginning. Health checks, which podman leaves to systemd's timers, are asked by `watch_health` where there is none.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.packages.conftest import ROOT, needs, run, tool

IN_BASE = ("ca-certificates", "python3", "python3-venv", "postgresql", "caddy", "prometheus")
HEALTH_SECONDS = 2.0
IMAGES = {
    "postgres": ("/usr/local/bin/begin", "postgres"),
    "caddy": ("caddy", "run --config /etc/caddy/Caddyfile"),
    "prometheus": ("prometheus", "--config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus"),
}
LAYERS = {
    "caddy": "ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config\n",
    "prometheus": "RUN mkdir /prometheus && chown 65534:65534 /prometheus\nUSER 65534\n",
}
POSTGRES = r"""#!/bin/sh
# Begins as PostgreSQL's own image does: its folder, its superuser's password, its scripts, then the server.
set -eu
data=/var/lib/postgresql/data
export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /var/run/postgresql && chown postgres:postgres "$data" /var/run/postgresql && chmod 0700 "$data"
  exec setpriv --reuid postgres --regid postgres --clear-groups -- "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  initdb -D "$data" -U postgres --auth-local=trust --auth-host=scram-sha-256 \
    --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  pg_ctl -D "$data" -w -o "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*.sh; do "$script"; done
  pg_ctl -D "$data" -w -m fast stop
fi
exec postgres -D "$data" -c 'listen_addresses=*'
"""
SHIM = """#!/bin/sh
[ "$1" = compose ] || exec podman "$@"
shift && PYTHONPATH={tools} exec {python} -m podman_compose --podman-build-args="{build}" \\
  --podman-run-args="{limits}" "$@"
"""


class Engine:
    """Where containers, images and volumes lie, and the environment in which their commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._containerfile = folder / "Containerfile"
        programs = folder / "programs"
        programs.mkdir()
        self.environ = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        # What a machine allows is less than what podman asks for by itself, where it may not raise limits.
        files, processes = (min(8_192, resource.getrlimit(each)[1]) for each in _LIMITS)
        limits = f"--ulimit nofile={files}:{files} --ulimit nproc={processes}:{processes}"
        runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
        (folder / "containers.conf").write_text(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
            f'[engine]\ncgroup_manager = "cgroupfs"\n{runtime}'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
        )
        libraries = folder / "libraries"
        build = f"--isolation chroot --pull-never -v {libraries}:/libraries:ro -v {libraries}/pip.conf:/etc/pip.conf:ro"
        shim = programs / "docker"
        shim.write_text(SHIM.format(tools=tool(".python"), python=sys.executable, build=build, limits=limits))
        shim.chmod(0o755)

    def type(self, block: str, *, cwd: Path, environ: Mapping[str, str] = {}) -> str:
        """Run commands as they are printed, and return what they said."""
        done = run(["bash", "-euc", f"exec 2>&1\n{block}"], cwd=cwd, env={**self.environ, **environ})
        return done.stdout

    def podman(self, *words: str | Path) -> str:
        """Run one command of podman's."""
        return run(["podman", *words], env=self.environ).stdout.strip()

    def make_images(self) -> None:
        """Make the base, the images that stand in for others', and bring the libraries to where a build finds them."""
        archive = self.folder / "base.tar"
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
        sources = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), *Path("/etc/apt").glob("sources.list")]
        if release.get("ID") != "debian" or not sources:
            pytest.skip("needs Debian's sources of packages")
        packages = ",".join(IN_BASE)
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={packages}",
                release["VERSION_CODENAME"],
                archive,
                sources[0],
            ]
        )
        self.podman("import", archive, "localhost/base")
        archive.unlink()
        (self.folder / "begin").write_text(POSTGRES)
        for name, (program, words) in IMAGES.items():
            command = msgspec.json.encode([program, *words.split()]).decode()
            self._containerfile.write_text(
                f"FROM localhost/base\nCOPY --chmod=0755 begin /usr/local/bin/\n"
                f"{LAYERS.get(name, '')}ENTRYPOINT {command}\n"
            )
            self.podman(
                "build",
                "-q",
                "--isolation",
                "chroot",
                "-f",
                self._containerfile,
                "-t",
                f"localhost/{name}",
                self.folder,
            )
        self._bring_libraries()

    def _bring_libraries(self) -> None:
        folder = self.folder / "libraries"
        folder.mkdir()
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        python = self.podman("run", "--rm", "localhost/base", "python3", "-c", version)
        chosen = ("-q", "--only-binary", ":all:", "--python-version", python, "--require-hashes")
        run(["python3", "-m", "pip", "download", *chosen, "-r", ROOT / "requirements.txt", "-d", folder])
        (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /libraries\n")

    @contextmanager
    def watch_health(self) -> Iterator[None]:
        """Ask each container how it is, as systemd's timers do, while the block runs."""
        is_over = threading.Event()

        def ask() -> None:
            while not is_over.wait(HEALTH_SECONDS):
                names = self._quiet("ps", "--format", "{{.Names}}").split()
                for name in names:
                    self._quiet("healthcheck", "run", name)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield
        finally:
            is_over.set()
            asking.join()

    def _quiet(self, *words: str) -> str:
        done = subprocess.run(["podman", *words], env=self.environ, capture_output=True, text=True, check=False)
        return done.stdout

    def remove(self) -> None:
        """Stop and remove all of it."""
        self._quiet("rm", "--all", "--force", "--time", "1")
        self._quiet("system", "reset", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)


_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)


def engine_in(folder: Path) -> Engine:
    """Return an engine with its images; skips where one cannot be had."""
    if os.environ.get("CREDENTIFY_TEST_CONTAINER") != "1":
        pytest.skip("takes minutes: make packages")
    needs("podman", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("a base of Debian's packages needs root")
    made = Engine(folder)
    made.make_images()
    return made
