"""A credential checked in the reader's own browser: from the verifier's page and from a disk, without a network."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import segno
from playwright.sync_api import Browser, Page, Request, ViewportSize, expect

from proto.bundles.bundle import encode_bundle
from proto.moment import Moment, to_ms
from services.verifier.languages import LANGUAGES
from services.verifier.pages.offline import OfflinePage
from services.verifier.pages.said import PageLanguage
from tests.browser.conftest import OPTIONS, chromium, context_of
from tests.end_to_end.conftest import ROOT, Up
from tests.support.bundles import bundle_of, cosigned, issue_document, witness_policy_text
from tests.support.document_files import pdf
from tests.support.worlds import World

AXE = ROOT / "tests" / "interop" / "judges" / "node_modules" / "axe-core" / "axe.min.js"
SITE = "https://verifier.example"
PHONE: ViewportSize = {"width": 320, "height": 700}
WITHOUT_ED25519 = """
const own = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (form, key, algorithm, ...rest) {
  if (algorithm.name === "Ed25519") return Promise.reject(new Error("none"));
  return own.call(this, form, key, algorithm, ...rest);
};
"""


class Given:
    """What a person was given: a credential and its bundle, as files; and the page as it was saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.document, self.credential_id = issue_document(self.world)
        self.policy = witness_policy_text(self.world)
        self.credential = self._file("credential.json", msgspec.json.encode(self.document))
        self.bundle = self._file("bundle.json", self.bundled())
        self.saved = self._file("credentify-check.html", _html(self.policy).encode())

    def bundled(self) -> bytes:
        return encode_bundle(bundle_of(self.world, self.credential_id, checkpoint=cosigned(self.world)))

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


def _html(policy: str, code: str = "en") -> str:
    said = PageLanguage(language=LANGUAGES[code])
    return OfflinePage(policy=policy).html(said)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("given"))


class Opened:
    """The page in a browser, and what it asked for beyond itself."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._note)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.asked.append(request.url)

    def choose(self, *files: Path) -> None:
        self.page.locator("#files").set_input_files(list(files))

    def says(self, word: str) -> None:
        expect(self.page.locator("#result .word").first).to_contain_text(word)

    def shows(self, text: str) -> None:
        expect(self.page.locator("#result")).to_contain_text(text)


@pytest.fixture(params=["from a disk", "from the site", "by the library"])
def opened(browser: Browser, given: Given, request: pytest.FixtureRequest) -> Iterator[Opened]:
    context = context_of(browser, viewport=PHONE, locale="en-GB", offline=request.param == "from a disk")
    page = context.new_page()
    if request.param == "by the library":
        page.add_init_script(WITHOUT_ED25519)
    found = Opened(page)
    if request.param == "from a disk":
        page.goto(given.saved.as_uri())
    else:
        seal = OfflinePage(policy=given.policy).seal
        headers = {"Content-Security-Policy": seal, "Content-Type": "text/html; charset=utf-8"}
        sent: dict[str, Any] = {"body": _html(given.policy), "headers": headers}
        page.route(f"{SITE}/offline", lambda route: route.fulfill(**sent))
        page.goto(f"{SITE}/offline")
    yield found
    assert found.asked in ([given.saved.as_uri()], [f"{SITE}/offline"]), "nothing but the page itself is asked for"
    assert found.errors == []
    context.close()


def test_a_credential_and_its_bundle_are_authentic_as_of_a_time_and_never_more(opened: Opened, given: Given) -> None:
    opened.choose(given.credential, given.bundle)
    opened.says("Authentic as of")
    for text in (
        "Łukasz Ó Briain",
        "Awarded to",
        "1 July 2025",
        "ECTS",
        "Whether it has been revoked since then, nobody can know",
    ):
        opened.shows(text)
    assert "Valid" not in opened.page.locator("#result .verdict").first.inner_text()
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"


def test_an_altered_credential_shows_nothing_of_what_it_says(opened: Opened, given: Given) -> None:
    changed = given.folder / "changed.json"
    changed.write_bytes(given.credential.read_bytes().replace("Łukasz".encode(), b"Eve", 1))
    opened.choose(changed, given.bundle)
    opened.says("Not proven")
    opened.shows("altered")
    assert "Eve" not in opened.page.locator("#result").inner_text()


def test_what_is_missing_is_asked_for(opened: Opened, given: Given) -> None:
    opened.choose(given.credential)
    opened.says("Its bundle is missing")
    opened.choose(given.bundle)
    opened.says("Authentic as of")


def test_a_log_that_is_not_trusted_proves_nothing_until_its_line_is_added(opened: Opened, given: Given) -> None:
    opened.page.locator("details summary").last.click()
    opened.page.locator("#policy").fill("quorum none\n")
    opened.choose(given.credential, given.bundle)
    opened.says("Not proven")
    opened.page.locator("#policy").fill(given.policy)
    opened.page.locator("#policy").blur()
    opened.says("Authentic as of")


def test_what_is_of_another_standard_or_a_newer_one_is_named_and_not_called_false(opened: Opened, given: Given) -> None:
    newer = given.folder / "newer.json"
    newer.write_bytes(given.credential.read_bytes().replace(b"/ns/credentials/v2", b"/ns/credentials/v3"))
    for files in ((newer,), (newer, given.bundle)):
        opened.choose(*files)
        opened.says("Cannot be judged here")
        opened.shows("a newer data model")
    opened.page.locator("#pasted").fill('{"@context": "https://w3id.org/openbadges/v2", "type": "Assertion"}')
    opened.page.locator("#check").click()
    opened.shows("Open Badges 2")


def test_what_cannot_be_read_is_refused_in_the_language_of_the_page(browser: Browser, given: Given) -> None:
    kept = given.folder / "de.html"
    kept.write_text(_html(given.policy, "de"), encoding="utf-8")
    context = context_of(browser, locale="de-DE", offline=True)
    page = context.new_page()
    page.goto(kept.as_uri())
    for name, data, said in (
        ("export.zip", b"PK\x03\x04", "Das ist ein Archiv (ZIP)"),
        ("letter.txt", b"\xff\xfe", "Diese Datei enthält keinen Nachweis"),
    ):
        page.locator("#files").set_input_files({"name": name, "mimeType": "", "buffer": data})
        expect(page.locator("#result")).to_contain_text(f"{name}: {said}")
    expect(page.locator("#result .cause [lang=en]")).to_have_text("The file is not UTF-8")
    context.close()


def _png(text: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    held = b"openbadgecredential\0\0\0\0\0" + text
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"iTXt", held)
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


def test_images_hold_their_credential(opened: Opened, given: Given) -> None:
    picture, drawing = given.folder / "badge.png", given.folder / "badge.svg"
    picture.write_bytes(_png(given.credential.read_bytes()))
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0">'
        f"<openbadges:credential><![CDATA[{given.credential.read_text()}]]></openbadges:credential></svg>"
    )
    for image in (picture, drawing):
        opened.choose(image, given.bundle)
        opened.says("Authentic as of")
        opened.page.locator("#again").click()


def test_a_pdf_holds_both(opened: Opened, given: Given) -> None:
    file = given.folder / "supplement.pdf"
    file.write_bytes(pdf(credential=given.credential.read_bytes(), bundle=given.bundle.read_bytes()))
    opened.choose(file)
    opened.says("Authentic as of")


def test_pasted_text_is_taken_and_kept_where_it_is_none(opened: Opened, given: Given) -> None:
    opened.page.locator("#pasted").fill("not a credential")
    opened.page.locator("#check").click()
    opened.says("Not read")
    expect(opened.page.locator("#pasted")).to_have_value("not a credential")
    for file in (given.bundle, given.credential):
        opened.page.locator("#pasted").fill(file.read_text())
        opened.page.locator("#check").click()
    opened.says("Authentic as of")


def _film(path: Path, text: str, *, size: int = 480) -> Path:
    """Write a film of one picture, a QR code on white, as cameras of browsers under test take it (YUV4MPEG2)."""
    modules = [[bool(dark) for dark in row] for row in segno.make(text, error="m", micro=False).matrix_iter(border=4)]
    scale = size // len(modules)
    pixels = bytearray(b"\xeb" * (size * size))
    for y, x in ((y, x) for y in range(scale * len(modules)) for x in range(scale * len(modules))):
        if modules[y // scale][x // scale]:
            pixels[y * size + x] = 16
    frame = b"FRAME\n" + bytes(pixels) + b"\x80" * (size * size // 2)
    path.write_bytes(f"YUV4MPEG2 W{size} H{size} F10:1 Ip A1:1 C420jpeg\n".encode() + frame * 3)
    return path


def test_the_code_on_a_paper_is_scanned_and_the_rest_asked_for(browser: Browser, given: Given, tmp_path: Path) -> None:
    film = _film(tmp_path / "paper.y4m", f"{SITE}/c/{given.credential_id}")
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    options = [*OPTIONS, *camera, f"--use-file-for-fake-video-capture={film}"]
    with browser.browser_type.launch(executable_path=chromium(), args=options) as started:
        page = context_of(started).new_page()
        page.goto(given.saved.as_uri())
        page.locator("#scan").click()
        expect(page.locator("#result .word")).to_contain_text("Its bundle is missing")
        expect(page.locator("#scanning")).to_be_hidden()
        page.locator("#files").set_input_files([given.credential, given.bundle])
        expect(page.locator("#result .word")).to_contain_text("Authentic as of")


def test_the_running_verifier_shows_it_and_hands_it_out_as_a_file(running: Up, page: Page) -> None:
    shown = page.goto(f"{running.addresses().verifier}/")
    page.get_by_role("link", name="Check a credential on this device").click()
    expect(page.locator("h1")).to_have_text("Check a credential on this device")
    expect(page.locator("#policy")).to_have_value(re.compile("^log .*quorum", re.DOTALL))
    with page.expect_download() as download:
        page.get_by_role("link", name="Save this page as a file").click()
    assert shown is not None
    assert download.value.suggested_filename == "credentify-check.html"


def test_axe_holds_nothing_against_any_of_its_states(opened: Opened, given: Given) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make interop-judges` installs it")
    opened.page.evaluate(AXE.read_text(encoding="utf-8"))
    altered = given.folder / "other.json"
    altered.write_bytes(given.credential.read_bytes().replace("Łukasz".encode(), b"Eve", 1))
    for files in ((), (given.credential,), (given.credential, given.bundle), (altered,)):
        if files:
            opened.choose(*files)
        opened.page.locator("#result").wait_for(state="visible" if files else "attached")
        found = opened.page.evaluate("async () => (await axe.run()).violations.map((each) => each.id)")
        assert found == [], files


def test_without_javascript_the_page_says_where_to_check_instead(browser: Browser, given: Given) -> None:
    context = context_of(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(given.saved.as_uri())
    expect(page.locator("noscript a")).to_be_visible()
    expect(page.locator("#check-here")).to_be_hidden()
    context.close()


def test_what_the_log_received_in_the_future_is_authentic_as_of_no_time(
    opened: Opened, given: Given, tmp_path: Path
) -> None:
    world = World(start=Moment("2090-01-01T00:00:00.000Z"))
    document, credential_id = issue_document(world)
    checkpoint = cosigned(world, at=to_ms(world.now) // 1000)
    contents = {
        "credential.json": msgspec.json.encode(document),
        "bundle.json": encode_bundle(bundle_of(world, credential_id, checkpoint=checkpoint)),
    }
    files = [tmp_path / name for name in contents]
    for file in files:
        file.write_bytes(contents[file.name])
    assert given.world.log_key == world.log_key
    opened.choose(*files)
    opened.says("Cannot be judged here")
    opened.shows("which is still to come")
