"""What a learner holds, in a real browser without scripts: sheets, shares, files; narrow, in the dark, on paper."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from proto.documents.baked_picture import credential_in
from services.command.home import Addresses
from tests.browser import keyboard
from tests.browser.conftest import context_of, offer_programme, send, wait_until_followed
from tests.browser.looks import Lens, Look
from tests.end_to_end.conftest import ROOT, Up

AXE = ROOT / "tests" / "interop" / "judges" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "browser-results" / "holders"
REF = "holder-7"
LEARNER = {"ref": REF, "given_name": "Wilhelmina-Constantia", "family_name": "van Oldenbarnevelt tot Łącka"}
TITLE = "Hydrodynamische Deichstabilitätsberechnungsverfahren für Wasserverbände"
ACHIEVEMENT = {
    "title": {"en": TITLE, "ar": "إدارة مخاطر الفيضانات في المدن الساحلية"},
    "description": {"en": "How a dike holds"},
    "criteria": {"en": "An exam"},
    "language": "en",
    "ects_hundredths": 350,
    "eqf_level": 6,
    "learning_outcomes": [{"title": {"en": "Judges whether a dike holds, and says so to those who live behind it"}}],
}


class Holder:
    """A learner of Waterland with credentials in several states."""

    def __init__(self, addresses: Addresses) -> None:
        state = msgspec.json.decode((Path(addresses.data) / "demo" / "state.json").read_bytes())
        self.key: str = state["api_keys"]["waterland"]
        self.headers = {"Authorization": f"Bearer {self.key}"}
        self.gateway, self.verifier = addresses.gateway, addresses.verifier
        self.ids = {name: self._issued(name) for name in ("active", "revoked", "suspended")}
        self.send("POST", f"/v1/credentials/{self.ids['revoked']}/revoke", {"reason": "error"})
        self.send("POST", f"/v1/credentials/{self.ids['suspended']}/suspend", {"reason": "error"})
        self.page = self.address(self.send("POST", "/v1/holder-links", {"learner": REF})["link"])
        for credential_id in self.ids.values():
            wait_until_followed(self.verifier, credential_id)

    def _issued(self, name: str) -> str:
        uri = self.send("POST", "/v1/achievements", ACHIEVEMENT | {"id": f"holder-{name}"})["achievement"]["uri"]
        award = {"learner": LEARNER, "achievement": uri, "valid_from": "2026-01-01", "result": {"value": "9.25"}}
        found: str = self.send("POST", "/v1/credentials", award)["credential_id"]
        return found

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return msgspec.json.decode(send(method, self.gateway + path, body, self.headers))

    def document(self, name: str) -> bytes:
        return send("GET", f"{self.gateway}/v1/credentials/{self.ids[name]}/document", headers=self.headers)

    def address(self, link: str) -> str:
        """Return a link as this machine reaches it."""
        return self.gateway + "/credentials/" + link.rpartition("/")[2]

    def sheet(self, name: str) -> str:
        return f"{self.page}/{self.ids[name]}"


class Office:
    """What people meet of the office: an achievement to ask for, a claim, a request and an application that wait."""

    def __init__(self, holder: Holder) -> None:
        more = {"id": "holder-asked", "takes_requests": True}
        described = holder.send("POST", "/v1/achievements", ACHIEVEMENT | more)["achievement"]["uri"]
        self.achievement = f"{holder.gateway}/issuers/waterland/achievements/holder-asked/page"
        award = {"learner": LEARNER | {"ref": "keyed"}, "achievement": described, "valid_from": "2026-01-01"}
        self.claim: str = holder.send("POST", "/v1/claims", {"award": award})["link"]
        wish = {"institution": "waterland", "achievement": "holder-asked", "family_name": "الحسيني"}
        self.request: str = holder.send("POST", "/v1/requests", wish)["link"]
        programme = described.partition("achievements/")[0] + "programmes/keys"
        offer_programme(holder.gateway, holder.headers, programme, "MSc Keys")
        dossier = {"title": "Ten years at the water board", "description": "I built models of rivers."}
        applied = {"institution": "waterland", "programme": programme, "given_name": "Zoë", "family_name": "Key"}
        made = holder.send("POST", "/v1/recognition-applications", applied | {"evidence": [{"dossier": dossier}]})
        self.application = f"{holder.gateway}/office/applications/{made['application_id']}"


@pytest.fixture(scope="module")
def holder(running: Up) -> Holder:
    return Holder(running.addresses())


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = context_of(
        browser,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
        locale="en-GB",
        accept_downloads=True,
    )
    opened = context.new_page()
    yield opened
    context.close()


def _shared(page: Page, holder: Holder, *, whole: bool, audience: str, result: bool = False) -> str:
    """Share the credential that holds, by its page's form, and return the address of the share."""
    page.goto(holder.sheet("active"))
    page.get_by_label("For whom").fill(audience)
    page.get_by_label("Everything" if whole else "Name, title").check()
    if result:
        page.get_by_label("the result").check()
    page.get_by_role("button", name="Make the link").click()
    link = page.locator(".shares li", has_text=audience).get_by_role("link").first.inner_text()
    return holder.address(link)


def _scenes(holder: Holder) -> Mapping[str, Callable[[Page], object]]:
    return {
        "all": lambda page: page.goto(holder.page),
        "all in German": lambda page: page.goto(f"{holder.page}?lang=de"),
        "active": lambda page: page.goto(holder.sheet("active")),
        "revoked": lambda page: page.goto(holder.sheet("revoked")),
        "suspended in French": lambda page: page.goto(f"{holder.sheet('suspended')}?lang=fr"),
        "shared": lambda page: (_shared(page, holder, whole=True, audience="Scene"), page.goto(holder.sheet("active"))),
        "share of the whole": lambda page: page.goto(_shared(page, holder, whole=True, audience="Whole")),
        "share of parts": lambda page: page.goto(_shared(page, holder, whole=False, audience="Parts")),
        "nothing": lambda page: page.goto(f"{holder.gateway}/credentials/cfh_{'x' * 43}"),
    }


@pytest.fixture(scope="module")
def looks(browser: Browser, holder: Holder) -> Iterator[Mapping[str, Look]]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make interop-judges` installs it")
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    context = context_of(browser, locale="en-GB")
    lens = Lens(context.new_page(), AXE.read_text(encoding="utf-8"), PICTURES)
    yield {name: lens.look(name.replace(" ", "-"), opened) for name, opened in _scenes(holder).items()}
    context.close()


def test_up_ends_with_what_to_try(page: Page, running: Up) -> None:
    running.wait("what to try is said", lambda: "\nnext  " in running.said())
    last = running.said().partition("\nstop  ")[2]
    said = dict(re.findall(r"^(learner|valid|revoked|impaired|paper|next) +(.+?)(?:   .*)?$", last, re.MULTILINE))
    assert list(said) == ["learner", "valid", "revoked", "impaired", "paper", "next"]
    for name, word in {"valid": "Valid", "revoked": "Not valid", "impaired": "Not valid"}.items():
        page.goto(said[name])
        expect(page.locator(".verdict .word")).to_have_text(word)
    assert Path(said["paper"]).read_bytes().startswith(b"%PDF-")
    assert {path.name for path in Path(said["paper"]).parent.glob("*.json")} > {"valid.json", "revoked.json"}
    page.goto(said["learner"].replace("localhost", "127.0.0.1"))
    expect(page.locator("h1")).to_have_text("All that you hold here")
    assert said["next"].endswith(f"verify {said['paper']} --verifier {running.addresses().verifier}")


def test_pages_are_fit_for_everybody_narrow_dark_and_quiet(looks: Mapping[str, Look]) -> None:
    assert {name: look.axe for name, look in looks.items() if look.axe} == {}
    assert {name: look.wide for name, look in looks.items() if look.wide} == {}
    assert {name: (look.outside, look.refused) for name, look in looks.items() if look.outside or look.refused} == {}


def test_a_sheet_prints_on_two_sheets_with_title_holder_and_outcomes(looks: Mapping[str, Look]) -> None:
    assert looks["active"].sheets <= 2
    assert looks["share of the whole"].sheets <= 2


def test_what_does_not_hold_is_under_no_green_sign(page: Page, holder: Holder) -> None:
    page.goto(holder.sheet("revoked"))
    expect(page.locator(".verdict.invalid .word")).to_have_text("Revoked")
    expect(page.locator(".s-active, .verdict.valid")).to_have_count(0)
    page.goto(holder.sheet("suspended"))
    expect(page.locator(".verdict.indeterminate .word")).to_have_text("Suspended")
    expect(page.locator(".s-active, .verdict.valid")).to_have_count(0)


def test_an_employer_opens_a_share_saves_the_picture_and_has_it_verified(page: Page, holder: Holder) -> None:
    page.goto(_shared(page, holder, whole=True, audience="Employer"))
    expect(page.locator("h1")).to_contain_text("Deichstabilität")
    expect(page.get_by_role("button")).to_have_count(0)
    files = {}
    for name in ("Save the document", "PDF", "Picture (PNG)", "Picture (SVG)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        files[name] = download.value.path()
    document = files["Save the document"].read_bytes()
    assert credential_in(files["Picture (PNG)"].read_bytes()) == document
    for file in files.values():
        page.goto(holder.verifier + "/")
        page.locator("input[type=file]").set_input_files(file)
        page.locator("button[type=submit]").first.click()
        expect(page.locator(".verdict .word")).to_have_text("Valid")
        expect(page.locator("body")).to_contain_text("van Oldenbarnevelt")


def test_a_share_without_the_result_has_none_in_its_source_and_ends_when_its_learner_says(
    page: Page, holder: Holder
) -> None:
    with_result = _shared(page, holder, whole=False, audience="With", result=True)
    without = _shared(page, holder, whole=False, audience="Without")
    page.goto(with_result)
    assert "9.25" in page.content()
    page.goto(without)
    assert "9.25" not in page.content()
    expect(page.locator("body")).to_contain_text("rests on the word of Hogeschool Waterland")
    page.goto(holder.sheet("active"))
    page.locator(".shares li", has_text="Without").get_by_role("button").click()
    expect(page.locator(".shares li", has_text="Without")).to_have_count(0)
    answer = page.goto(without)
    assert answer is not None
    assert answer.status == 410


def test_no_site_learns_the_secret_address(page: Page, holder: Holder) -> None:
    page.goto(holder.sheet("active"))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.headers.get("referer", "")))
    page.get_by_role("link", name="Check it", exact=True).click()
    expect(page.locator(".verdict")).to_be_visible()
    assert not any(re.search("cfh_", referer) for referer in sent)


def test_the_profile_link_names_the_public_record_and_no_secret(page: Page, holder: Holder) -> None:
    page.goto(holder.sheet("active"))
    link = page.locator("#profile-link").get_attribute("href") or ""
    assert link.startswith("https://www.linkedin.com/profile/add?startTask=CERTIFICATION_NAME")
    assert f"certId={holder.ids['active']}" in link
    assert "cfh_" not in link
    mail = page.get_by_label("Text for a mail").input_value()
    assert f"{holder.verifier}/c/{holder.ids['active']}" in mail
    assert "9.25" not in mail


@pytest.fixture(scope="module")
def keyed(browser: Browser) -> Iterator[Page]:
    context = context_of(browser, viewport={"width": 1280, "height": 800}, locale="en-GB", accept_downloads=True)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def office(holder: Holder) -> Office:
    return Office(holder)


def test_every_stop_by_keyboard_is_seen_in_the_order_of_reading_and_nothing_needs_a_mouse(
    keyed: Page, holder: Holder, office: Office
) -> None:
    _signed_in(keyed, holder)
    pages = {
        "check": f"{holder.verifier}/",
        "record": f"{holder.verifier}/c/{holder.ids['active']}",
        "all": holder.page,
        "sheet": holder.sheet("active"),
        "achievement": office.achievement,
        "claim": office.claim,
        "request": office.request,
        "apply": f"{holder.gateway}/recognition/waterland",
        "decide": office.application,
    }
    found = {}
    for name, url in pages.items():
        keyed.goto(url)
        found[name] = keyboard.walked(keyed).faults
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_a_document_is_checked_and_asked_about_another_day_by_keyboard(keyed: Page, holder: Holder) -> None:
    keyed.on("filechooser", lambda _: None)  # from here on choosers come to us: the wait below asks for it too late
    keyed.goto(holder.verifier + "/")
    keyboard.to(keyed, "input#file")
    with keyed.expect_file_chooser() as chooser:
        keyed.keyboard.press("Space")
    chooser.value.set_files({"name": "x.json", "mimeType": "application/json", "buffer": holder.document("active")})
    keyboard.press(keyed, "button Check")
    expect(keyed.locator(".verdict .word")).to_have_text("Valid")
    keyboard.press(keyed, "summary How it stood")
    keyboard.to(keyed, "input#at")
    keyed.keyboard.type("02022040")
    keyboard.press(keyed, "button Show")
    expect(keyed.locator("#then")).to_contain_text("2040-02-02")
    keyed.goto(holder.verifier + "/")
    keyboard.press(keyed, "button Check")
    expect(keyed.get_by_role("alert")).to_be_focused()


def test_a_link_is_made_and_ended_a_credential_claimed_and_asked_for_by_keyboard(
    keyed: Page, holder: Holder, office: Office
) -> None:
    keyed.goto(holder.sheet("active"))
    keyboard.to(keyed, "input#audience")
    keyed.keyboard.type("By keyboard")
    keyboard.to(keyed, "input[extent]")
    keyed.keyboard.press("ArrowDown")
    keyboard.to(keyed, "input[result]")
    keyed.keyboard.press("Space")
    keyboard.press(keyed, "button Make the link")
    expect(keyed.locator(".shares")).to_contain_text("Shows the result.")
    keyboard.press(keyed, "button End this link By keyboard")
    expect(keyed.locator("main")).not_to_contain_text("By keyboard")
    keyed.goto(office.claim)
    keyboard.press(keyed, "button Get my credential")
    expect(keyed.locator(".verdict .word")).to_have_text("It is yours")
    keyed.goto(office.achievement)
    keyboard.press(keyed, "button Ask for it")
    expect(keyed.get_by_role("alert")).to_be_focused()
    keyboard.press(keyed, "a To the field")
    keyed.keyboard.type("Zoë")
    keyboard.press(keyed, "button Ask for it")
    expect(keyed.locator(".verdict .word")).to_have_text("Waiting for the institution")


def test_an_office_signs_in_and_decides_by_keyboard(keyed: Page, holder: Holder, office: Office) -> None:
    _signed_in(keyed, holder)
    keyed.goto(office.application)
    keyboard.press(keyed, "button Decide")
    expect(keyed.get_by_role("alert")).to_be_focused()
    keyboard.to(keyed, "input[decision]")
    keyed.keyboard.press("ArrowUp")
    keyboard.to(keyed, "input[reason-level-too-low]")
    keyed.keyboard.press("Space")
    keyboard.press(keyed, "button Decide")
    expect(keyed.locator("main")).to_contain_text("Its level is lower than the programme's")


def _signed_in(page: Page, holder: Holder) -> None:
    page.goto(f"{holder.gateway}/office")
    if page.locator("#key").count():
        keyboard.to(page, "input#key")
        page.keyboard.type(holder.key)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Applications for recognition")
