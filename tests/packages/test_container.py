"""The image: built from a base of Debian's own packages, and everything started in it as a user with no rights.

What `podman` and `docker` do beyond building and running (health checks, read-only roots, networks) is not tried here.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.packages.conftest import ROOT, needs, run
from tests.support.ports import free_port

CONTAINERFILE = ROOT / "deploy" / "container" / "Containerfile"
IN_BASE = "python3,python3-venv,ca-certificates"
USER = "10001"
_START = """
credentify up --data /var/lib/credentify/data {ports} > /tmp/up.txt 2>&1 &
up=$!
until grep -q '^stop  ' /tmp/up.txt; do kill -0 $up || {{ cat /tmp/up.txt; exit 1; }}; sleep 0.2; done
CREDENTIFY_LEDGER_DATABASE_URL=x CREDENTIFY_LEDGER_PORT={ledger} \\
CREDENTIFY_VERIFIER_LEDGER_URL=x CREDENTIFY_VERIFIER_PORT={verifier} credentify healthcheck || exit 1
CREDENTIFY_VERIFIER_LEDGER_URL=x CREDENTIFY_VERIFIER_PORT=1 credentify healthcheck && exit 1
credentify healthcheck; test $? = 64 || exit 1
touch /opt/credentify/x /usr/x 2> /dev/null && exit 1
kill -TERM $up; wait $up
"""


def test_the_containerfile_builds_in_two_stages_by_hashes_and_runs_as_nobody() -> None:
    text = CONTAINERFILE.read_text()
    instructions = [line.partition(" ")[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions[0] == "ARG"
    assert re.findall(r"^FROM (.*)$", text, re.MULTILINE) == ["${BASE} AS build", "${BASE}"]
    assert "--require-hashes" in text
    final = text.rpartition("FROM")[2]
    assert re.search(rf"^USER {USER}:{USER}$", final, re.MULTILINE)
    assert "pip" not in final
    for word in ("HEALTHCHECK", "STOPSIGNAL SIGTERM", "ENTRYPOINT", "VOLUME /var/lib/credentify"):
        assert word in final


class Images:
    """Images in a storage of their own, which goes with the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *words: str | Path) -> str:
        where = ("--root", self._folder / "storage", "--runroot", self._folder / "run", "--storage-driver", "vfs")
        return run(["buildah", *where, *words]).stdout.strip()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    if os.environ.get("CREDENTIFY_TEST_CONTAINER") != "1":
        pytest.skip("takes minutes: make packages")
    needs("buildah", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("building in a chroot needs root")
    folder = tmp_path_factory.mktemp("images")
    yield Images(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def base(images: Images, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a base of Debian's packages, as this machine's own sources have them."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    sources = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), *Path("/etc/apt").glob("sources.list")]
    if release.get("ID") != "debian" or not sources:
        pytest.skip("needs Debian's sources of packages")
    run(["mmdebstrap", "--variant=minbase", f"--include={IN_BASE}", release["VERSION_CODENAME"], archive, sources[0]])
    made = images("from", "scratch")
    images("add", "-q", made, archive, "/")
    images("commit", "-q", "--rm", made, "localhost/base")
    archive.unlink()
    return "localhost/base"


@pytest.fixture(scope="module")
def image(images: Images, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image; the libraries come from a folder, by their hashes, as this machine's pip finds them."""
    folder = tmp_path_factory.mktemp("libraries")
    holder = images("from", base)
    python = images("run", "--isolation", "chroot", holder, "--", "python3", "-c", _PYTHON)
    images("rm", holder)
    lock = ROOT / "requirements.txt"
    chosen = ("-q", "--only-binary", ":all:", "--python-version", python, "--require-hashes")
    run([shutil.which("python3") or "python3", "-m", "pip", "download", *chosen, "-r", lock, "-d", folder])
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /libraries\n")
    volumes = ("-v", f"{folder}:/libraries:ro", "-v", f"{folder / 'pip.conf'}:/etc/pip.conf:ro")
    options = ("--isolation", "chroot", "--format", "docker", "--pull-never", "--build-arg", f"BASE={base}", *volumes)
    images("build", *options, "-f", CONTAINERFILE, "-t", "localhost/credentify", ROOT)
    return "localhost/credentify"


_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2])"


def test_the_image_says_what_it_is_and_who_runs_in_it(images: Images, image: str) -> None:
    said = msgspec.json.decode(images("inspect", "--type", "image", image))["Docker"]["config"]
    assert said["User"] == f"{USER}:{USER}"
    assert said["Entrypoint"] == ["credentify"]
    assert said["StopSignal"] == "SIGTERM"
    assert said["Healthcheck"]["Test"] == ["CMD", "credentify", "healthcheck"]
    assert "PIP_INDEX_URL" not in str(said)


def test_everything_starts_in_the_image_and_stops_when_told(images: Images, image: str) -> None:
    ports = {name: free_port() for name in ("ledger", "gateway", "verifier")}
    options = " ".join(f"--{name}-port {port}" for name, port in ports.items())
    holder = images("from", "--name", f"credentify-{secrets.token_hex(4)}", image)
    try:
        script = _START.format(ports=options, **ports)
        said = images("run", "--isolation", "chroot", "--user", f"{USER}:{USER}", holder, "--", "sh", "-c", script)
        assert "lives" in said
        root = Path(images("mount", holder))
        written = {path.relative_to(root).parts[0] for path in _newer(root)}
        assert written <= {"var", "tmp"}
    finally:
        images("rm", holder)


def _newer(root: Path) -> Iterator[Path]:
    """Yield what belongs to the user of the image: all else was there before."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder) / name
            if str(path.lstat().st_uid) == USER:
                yield path
