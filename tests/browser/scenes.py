"""Every page and state that a person meets, made on running services with input of its own, and opened by name."""

import base64
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from playwright.sync_api import Page

from proto.ids import AchievementUri
from proto.moment import Moment
from proto.wire.requests import ClaimSeen, RequestSeen
from services.command.home import Addresses
from services.issuer_gateway.pages import Pages
from services.issuer_gateway.pages.in_languages import PageReader
from tests.browser import office_states
from tests.browser.conftest import offer_programme, send
from tests.end_to_end.conftest import START_S
from tests.support.document_files import pdf
from tests.support.foreign_documents import elm, nameless_badge
from tests.support.ports import free_port

Json = dict[str, Any]
Opened = Callable[[Page], object]
_POLL_S = 0.2
_LIKE_OTHERS = {"suspended-claim", "impaired-part"}
"""What other pages are about; their own are those of the suspended and of the revoked one."""
_LONG = "Hydrodynamische Deichstabilitätsberechnungsverfahren"
_ACHIEVEMENTS: Mapping[str, Json] = {
    "en": {
        "title": {
            "en": "Flood risk communication with municipalities, water boards and residents of the low-lying delta"
        },
        "description": {"en": "How to speak of risk.\nAnd when to be silent."},
        "criteria": {"en": "A campaign, carried out and evaluated in writing."},
        "language": "en",
    },
    "pl": {
        "title": {
            "pl": "Zarządzanie ryzykiem powodziowym w nadmorskich gminach województwa zachodniopomorskiego",
            "en": "Flood risk management in the coastal municipalities of West Pomerania",
        },
        "description": {"pl": "Źródła, ścieżki i skutki powodzi: od źdźbła trawy po żuraw portowy."},
        "criteria": {"pl": "Egzamin pisemny i projekt."},
        "language": "pl",
    },
    "ar": {
        "title": {"ar": "إدارة مخاطر الفيضانات في المدن الساحلية والتواصل مع السكان والبلديات"},
        "description": {"ar": "كيف نتحدث عن المخاطر، ومع من، ومتى."},
        "criteria": {"ar": "مشروع تطبيقي واختبار شفهي."},
        "language": "ar",
    },
    "nl": {
        "title": {"nl": f"{_LONG} en grondwaterstandsvoorspellingssystemen voor waterschapsmedewerkers"},
        "description": {"nl": f"Wat een dijk houdt. {_LONG * 3}"},
        "criteria": {"nl": "Een proeve van bekwaamheid."},
        "language": "nl",
    },
}
_WORTH: Json = {
    "ects_hundredths": 350,
    "ects_hundredths_max": 400,
    "workload_hours": 98,
    "eqf_level": 6,
    "national_level": {"framework": "NLQF", "level": "6"},
    "assessment_types": ["project-work", "oral-exam"],
    "participation_modes": ["blended"],
    "supervision": "supervised-onsite-with-identity-check",
    "grading_scheme": {"name": "Dutch grade", "value_min": "1", "value_max": "10", "required_value": "5.5"},
    "esco": [
        {"uri": f"http://data.europa.eu/esco/skill/{'0' * 8}-0000-4000-8000-{'1' * 12}", "name": "assess flood risk"}
    ],
    "takes_requests": True,
    "quality_assurance": [
        {
            "type": "programme-quality-assurance",
            "name": "Wateracademie Kwaliteitsraad",
            "url": "https://waterland.example/q",
        }
    ],
}
_PROVISION: Json = {
    "learning_resources": [
        {"title": {"en": "Speaking of floods, 3rd edition"}, "url": "https://waterland.example/book"}
    ],
    "entitlements": [{"title": {"en": "To enter the programme Coastal engineering without an examination"}}],
    "providers": [{"name": "Deltaschool Walcheren", "country": "NL"}],
    "provider_type": "vocational-education-and-training",
}

_BORDERS = "found => found.map(each => getComputedStyle(each).borderTopWidth)"


class Scenes:
    """One institution's records on running services, and how each page of them is opened."""

    def __init__(self, addresses: Addresses, *, stale: str, unread: str) -> None:
        self.addresses = addresses
        state = msgspec.json.decode((Path(addresses.data) / "demo" / "state.json").read_bytes())
        self._headers = {"Authorization": f"Bearer {state['api_keys']['waterland']}"}
        self._run, self._learner = secrets.token_hex(4), 0
        self._office: urllib.request.OpenerDirector | None = None
        self.gateway, self.verifier, self.ledger = addresses.gateway, addresses.verifier, addresses.ledger
        self.achievements = {name: self._describe(name, said) for name, said in _ACHIEVEMENTS.items()}
        self.ids = self._awards()
        self.documents = {name: self._document(found) for name, found in self.ids.items()}
        self.states: dict[str, Opened] = {
            **self._forms(),
            **self._verdicts(),
            **self._records(),
            **self._old_records(stale, unread),
            **self._others(),
            **self._requests(),
            **self._claims(),
            **self._applications(),
            **self._recognition(),
        }

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = send(method, self.gateway + path, body, self._headers)
        return msgspec.json.decode(answer) if answer else None

    def page_in(self, code: str, url: str) -> str:
        """Return a page as a reader of this language gets it, a page of the office as who is signed in to it."""
        if self._office is None:
            key = self._headers["Authorization"].removeprefix("Bearer ")
            self._office = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            self._office.open(f"{self.gateway}/office/session", urlencode({"key": key}).encode(), 120).close()
        request = urllib.request.Request(url, headers={"Accept": "text/html", "Accept-Language": code})
        try:
            with self._office.open(request, timeout=120) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()

    def _describe(self, name: str, said: Json) -> Json:
        more = _PROVISION if name == "en" else {}
        outcomes = [{"title": text} for text in (said["criteria"], said["title"])]
        body = said | _WORTH | more | {"id": f"flood-{name}", "learning_outcomes": outcomes}
        answer: Json = self.call("POST", "/v1/achievements", body)["achievement"]
        return answer

    def award(self, name: str, **more: Any) -> Json:
        """Return an award of an achievement to somebody new."""
        self._learner += 1
        learner = {
            "ref": f"{self._run}-{self._learner}",
            "given_name": "Zoë",
            "family_name": "van den Broecke-Wiśniewska",
        }
        uri = AchievementUri(self.achievements[name]["uri"])
        return {"learner": learner, "achievement": uri, "valid_from": "2026-01-01", **more}

    def _awards(self) -> dict[str, str]:
        full = {
            "result": {"value": "8.5", "scheme": "Dutch grade"},
            "narrative": "Spoke before the council.\nWas heard.",
            "evidence": [{"url": "https://waterland.example/evidence/7", "text": "The campaign", "kind": "portfolio"}],
            "awarded_at": "2026-01-15",
        }
        awards = {name: self.award(name, **(full if name == "en" else {})) for name in _ACHIEVEMENTS}
        awards |= {
            "revoked": self.award("pl"),
            "replaced": self.award("pl"),
            "suspended": self.award("nl"),
            "suspended-claim": self.award("nl"),
            "reinstated": self.award("nl"),
            "expired": self.award("en", valid_until="2026-02-01"),
            "not-begun": self.award("en", valid_from="2031-01-01"),
        }
        ids = {
            name: str(self.call("POST", "/v1/credentials", award)["credential_id"]) for name, award in awards.items()
        }
        ids |= self._stacks()
        ids["impaired-part"] = self._part_of_impaired
        for act, name, more in (
            ("revoke", "revoked", {"reason": "legal-order"}),
            ("revoke", "replaced", {"reason": "superseded", "replaced_by": ids["pl"]}),
            ("revoke", "impaired-part", {"reason": "error"}),
            ("suspend", "suspended", {"reason": "invalidated"}),
            ("suspend", "suspended-claim", {"reason": "error"}),
            ("suspend", "reinstated", {"reason": "error"}),
            ("reinstate", "reinstated", {"reason": "error"}),
        ):
            self.call("POST", f"/v1/credentials/{ids[name]}/{act}", more)
        self._wait(lambda: self._is_followed(ids))
        return ids

    def _stacks(self) -> dict[str, str]:
        recipe = {"recipe": {"ects_hundredths_min": 600}, "ects_hundredths": 700, "ects_hundredths_max": None}
        body = _ACHIEVEMENTS["en"] | {"id": "flood-stack", **recipe}
        body["title"] = {"en": "Flood risk professional"}
        self.achievements["stack"] = self.call("POST", "/v1/achievements", body)["achievement"]
        return {name: self._stack() for name in ("stack", "impaired")}

    def _stack(self) -> str:
        awards = [self.award("pl"), self.award("nl")]
        awards[1]["learner"] = awards[0]["learner"]
        parts = [str(self.call("POST", "/v1/credentials", award)["credential_id"]) for award in awards]
        self._part_of_impaired = parts[0]
        self._wait(lambda: all(self._status(self.verifier, part) for part in parts))
        whole = awards[0] | {"achievement": self.achievements["stack"]["uri"], "components": sorted(parts)}
        return str(self.call("POST", "/v1/stacks", whole)["credential_id"])

    def _is_followed(self, ids: Mapping[str, str]) -> bool:
        states = {name: self._status(self.verifier, found) for name, found in ids.items()}
        return None not in states.values() and states["reinstated"] == "active" and states["impaired"] == "impaired"

    @staticmethod
    def _status(verifier: str, credential_id: str) -> str | None:
        try:
            answer = msgspec.json.decode(send("GET", f"{verifier}/v1/credentials/{credential_id}"))
        except urllib.error.HTTPError:
            return None
        history = answer["status"].get("history", ())
        if len(history) == 2 and history[-1]["kind"] == "suspended" and answer["status"]["state"] == "active":
            return None
        return str(answer["status"]["state"])

    @staticmethod
    def _wait(is_so: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + START_S
        while not is_so():
            assert time.monotonic() < give_up_at
            time.sleep(_POLL_S)

    def _document(self, credential_id: str) -> bytes:
        return send("GET", f"{self.gateway}/v1/credentials/{credential_id}/document", headers=self._headers)

    def _paste(self, text: str | bytes, *, at: str = "", query: str = "") -> Opened:
        def opened(page: Page) -> None:
            page.goto(f"{at or self.verifier}/{query}")
            page.locator("textarea").fill(text if isinstance(text, str) else text.decode())
            page.locator("button").first.click()

        return opened

    def _choose(self, data: bytes, name: str) -> Opened:
        def opened(page: Page) -> None:
            page.goto(self.verifier + "/")
            files = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type] # it is a FilePayload
            page.locator("button").first.click()

        return opened

    @staticmethod
    def _at(url: str) -> Opened:
        return lambda page: page.goto(url)

    def _forms(self) -> dict[str, Opened]:
        return {
            "home": self._at(self.verifier + "/"),
            "home-de": self._at(self.verifier + "/?lang=de"),
            "offline": self._at(self.verifier + "/offline"),
            "offline-de": self._at(self.verifier + "/offline?lang=de"),
            "home-nothing-sent": self._paste(""),
            "home-unreadable": self._paste("Dear Sir or Madam, please find attached"),
            "home-no-id": self._at(self.verifier + "/?id=hello%20there"),
            "home-unknown-id": self._at(f"{self.verifier}/c/{'0' * 64}"),
            "home-not-an-id": self._at(f"{self.verifier}/c/no-such-thing"),
            "home-pdf-of-nothing": self._choose(pdf(), "letter.pdf"),
            "home-json-of-nothing": self._paste('{"hello": "there"}'),
        }

    def _verdicts(self) -> dict[str, Opened]:
        sent = {f"sent-{name}": self._paste(data) for name, data in self.documents.items() if name not in _LIKE_OTHERS}
        unsigned = msgspec.json.decode(self.documents["en"])
        unsigned.pop("proof", None)
        shown = {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"]}
        shown["verifiableCredential"] = [msgspec.json.decode(self.documents["en"])]
        return sent | {
            "sent-altered": self._paste(self.documents["en"].replace(b"8.5", b"9.5", 1)),
            "sent-unsigned": self._paste(msgspec.json.encode(unsigned)),
            "sent-presented": self._paste(msgspec.json.encode(shown)),
            "sent-stranger": self._paste(msgspec.json.encode(nameless_badge())),
            "sent-elm": self._paste(msgspec.json.encode(elm())),
            "sent-pdf": self._choose(pdf(credential=self.documents["pl"]), "diploma.pdf"),
            "sent-impaired-de": self._paste(self.documents["impaired"], query="?lang=de"),
            "sent-en-fr": self._paste(self.documents["en"], query="?lang=fr"),
            "sent-en-es": self._paste(self.documents["en"], query="?lang=es"),
        }

    def _records(self) -> dict[str, Opened]:
        address = f"{self.verifier}/c"
        shown = {name: found for name, found in self.ids.items() if name not in _LIKE_OTHERS}
        return {f"record-{name}": self._at(f"{address}/{found}") for name, found in shown.items()} | {
            "record-recognised": self._at(f"{address}/{self._recognised()}"),
            "record-revoked-before": self._at(f"{address}/{self.ids['revoked']}?at=2026-03-01T00:00:00Z"),
            "record-revoked-known": self._at(f"{address}/{self.ids['revoked']}?known_at=2026-03-01T00:00:00Z"),
            "record-later": self._at(f"{address}/{self.ids['en']}?at=2040-03-01T00:00:00Z"),
            "record-wrong-time": self._at(f"{address}/{self.ids['en']}?at=yesterday"),
            "record-revoked-es": self._at(f"{address}/{self.ids['revoked']}?lang=es"),
        }

    def _recognised(self) -> str:
        rows = send("GET", f"{self.gateway}/v1/credentials?limit=100", headers=self._headers)
        for row in msgspec.json.decode(rows)["credentials"]:
            answer = msgspec.json.decode(send("GET", f"{self.verifier}/v1/credentials/{row['credential_id']}"))
            if answer.get("recognitions"):
                return str(row["credential_id"])
        raise AssertionError("the demo recognised a credential")

    def _old_records(self, stale: str, unread: str) -> dict[str, Opened]:
        return {
            "stale-sent": self._paste(self.documents["en"], at=stale),
            "stale-record": self._at(f"{stale}/c/{self.ids['en']}"),
            "stale-revoked": self._at(f"{stale}/c/{self.ids['revoked']}"),
            "stale-stack": self._at(f"{stale}/c/{self.ids['stack']}"),
            "stale-record-de": self._at(f"{stale}/c/{self.ids['en']}?lang=de"),
            "stale-unknown-id": self._at(f"{stale}/c/{'0' * 64}"),
            "stale-statistics": self._at(f"{stale}/statistics"),
            "unread-sent": self._paste(self.documents["en"], at=unread),
            "unread-record": self._at(f"{unread}/c/{self.ids['en']}"),
            "unread-statistics": self._at(f"{unread}/statistics"),
        }

    def _applications(self) -> dict[str, Opened]:
        programme = self.achievements["en"]["uri"].partition("achievements/")[0] + "programmes/rivers"
        offer_programme(self.gateway, self._headers, programme, "MSc Rivers and their people")
        made = {name: self._application() for name in ("open", "decided", "withdrawn")}
        refusal = {"decision": "refused", "reasons": ["level-too-low", "other"], "text": "Its level is below ours."}
        decided = f"/v1/recognition-applications/{made['decided']['application_id']}/items"
        self.call("POST", f"{decided}/1/decision", {"decision": "full"})
        self.call("POST", f"{decided}/2/decision", refusal)
        send("DELETE", f"{self.gateway}/v1/application-links/{made['withdrawn']['secret']}")
        pages = {name: f"{self.gateway}/applications/{each['secret']}" for name, each in made.items()}

        def appealed_with_nothing(page: Page) -> None:
            page.goto(pages["decided"])
            page.get_by_role("button", name="Appeal").click()

        shown = {f"application-{name}": self._at(url) for name, url in pages.items()}
        return shown | {"application-no-words": appealed_with_nothing}

    def _application(self) -> Json:
        prefix = self.achievements["en"]["uri"].partition("achievements/")[0]
        dossier = {"title": "Ten years at the water board", "description": "I built models of rivers."}
        body = {
            "institution": "waterland",
            "programme": f"{prefix}programmes/rivers",
            "given_name": "Zoë",
            "family_name": "van den Broecke-Wiśniewska",
            "evidence": [{"document": msgspec.json.decode(self.documents["pl"])}, {"dossier": dossier}],
        }
        answer: Json = msgspec.json.decode(send("POST", f"{self.gateway}/v1/recognition-applications", body))
        return answer

    def _recognition(self) -> dict[str, Opened]:
        """The pages on which one applies, and the office's, signed in to by an API key."""
        prefix = self.achievements["en"]["uri"].partition("achievements/")[0]
        self._agree(f"{prefix}programmes/rivers")
        form, application = f"{self.gateway}/recognition/waterland", self._application()["application_id"]
        grades = self._ask_for_grades(f"{prefix}programmes/rivers")

        def sent_with_little(page: Page) -> None:
            page.goto(form + "?lang=de")
            page.locator("#given_name").fill("Zoë")
            page.locator("main form button").last.click()
            widths = page.locator("[aria-invalid=true]").evaluate_all(_BORDERS)
            assert widths == ["2px"] * 2, "what is wrong is marked: the family name, and that nothing is shown"

        def refused(page: Page) -> None:
            page.goto(self.gateway + "/office")
            page.locator("#key").fill("no key of theirs")
            page.locator("main form button").click()

        return {
            "recognition": self._at(self.gateway + "/recognition"),
            "recognition-form": self._at(form),
            "recognition-form-faults": sent_with_little,
            "recognition-none": self._at(self.gateway + "/recognition/nadmorska?lang=fr"),
            "office-sign-in": self._at(self.gateway + "/office"),
            "office-refused": refused,
            "office-list": self._in_office("/office/applications?state=all"),
            "office-application": self._in_office(f"/office/applications/{application}"),
            "office-application-de": self._in_office(f"/office/applications/{application}?lang=de"),
            "office-report": self._in_office("/office/report"),
            "office-settings": self._in_office("/office/settings"),
            "office-settings-de": self._in_office("/office/settings?lang=de"),
            "office-standing": self._in_office("/office/standing-decisions"),
            "office-grades": self._in_office(grades),
            "office-grades-de": self._in_office(f"{grades}&lang=de"),
            "office-endorsements": self._in_office("/office/endorsements"),
            "office-agreements": self._in_office("/office/agreements"),
            "office-agreements-de": self._in_office("/office/agreements?lang=de"),
            "office-agreements-states": self._kept(office_states.agreements("en")),
            "office-agreements-states-de": self._kept(office_states.agreements("de")),
            "office-evidence-states": self._kept(office_states.evidence("en")),
            "office-evidence-states-fr": self._kept(office_states.evidence("fr")),
            "office-lost": self._in_office("/office/applications/00000000-0000-4000-8000-000000000000"),
        }

    def _agree(self, programme: str) -> None:
        """Propose an agreement to the other institution."""
        own, other = (
            msgspec.json.decode(send("GET", f"{self.gateway}/v1/institutions/{slug}"))["did"]
            for slug in ("waterland", "nadmorska")
        )
        term = {"awarded_by": other, "recogniser": own, "programme": programme, "isced_f": "0532", "decision": "full"}
        body = {"partner": other, "valid_until": "2029-06-30", "terms": [term | {"ects_hundredths_total_max": 1200}]}
        self.call("POST", "/v1/agreements", body)

    def _ask_for_grades(self, programme: str) -> str:
        """Ask for grades of an achievement, and return the path of the page that tells what it means."""
        did = msgspec.json.decode(send("GET", f"{self.gateway}/v1/institutions/waterland"))["did"]
        place = {"achievement_issuer": did, "achievement": self.achievements["en"]["uri"], "programme": programme}
        self.call("PUT", "/v1/grade-conditions", place | {"grades": ["10", "9", "8", "7"], "least": "8"})
        return f"/office/grade-conditions?{urlencode(place)}"

    def _in_office(self, path: str) -> Opened:
        def opened(page: Page) -> None:
            page.goto(self.gateway + "/office")
            if page.locator("#key").count():
                page.locator("#key").fill(self._headers["Authorization"].removeprefix("Bearer "))
                page.locator("main form button").click()
            page.goto(self.gateway + path)

        return opened

    def _others(self) -> dict[str, Opened]:
        statistics = f"{self.verifier}/statistics"
        return {
            "statistics": self._at(statistics),
            "statistics-issuer": self._at(f"{statistics}?by=issuer,month"),
            "statistics-empty": self._at(f"{statistics}?country=PT"),
            "statistics-de": self._at(f"{statistics}?by=country,eqf_level&lang=de"),
            "statistics-wrong": self._at(f"{statistics}?from=yesterday"),
            "statistics-reversed": self._at(f"{statistics}?from=2026-05&to=2026-02"),
            **self._lists(),
            "docs-verifier": self._at(self.verifier + "/docs"),
            "docs-gateway": self._at(self.gateway + "/docs"),
            "docs-ledger": self._at(self.ledger + "/docs"),
            "lost-verifier": self._at(self.verifier + "/no/such/page"),
            "lost-gateway": self._at(self.gateway + "/"),
            "lost-ledger": self._at(self.ledger + "/"),
            "lost-method": self._at(self.verifier + "/v1/verifications"),
            "lost-key": self._at(self.gateway + "/v1/settings"),
        }

    def _lists(self) -> dict[str, Opened]:
        answer = send("GET", f"{self.verifier}/v1/credentials/{self.ids['en']}")
        issuer = msgspec.json.decode(answer)["issuer"]["did"]
        achievement = self.achievements["en"]["uri"]
        return {
            "issuers": self._at(self.verifier + "/issuers"),
            "issuers-none": self._at(self.verifier + "/issuers?q=nobody&lang=de"),
            "issuer": self._at(f"{self.verifier}/issuers/{quote(issuer, safe='')}"),
            "issuer-unknown": self._at(f"{self.verifier}/issuers/did:web:nobody.example"),
            "achievements": self._at(self.verifier + "/achievements"),
            "achievement": self._at(f"{self.verifier}/achievements/{quote(achievement, safe='')}"),
            "log": self._at(self.verifier + "/log"),
            "log-fr": self._at(self.verifier + "/log?lang=fr"),
        }

    def _requests(self) -> dict[str, Opened]:
        page = f"{self.gateway}/issuers/waterland/achievements"
        body = self.achievements["stack"]
        links = [self._ask() for _ in range(4)]
        opened = self.call("GET", "/v1/requests?state=open&limit=100")["requests"][-4:]
        numbers = [item["request_id"] for item in opened]
        self.call("POST", f"/v1/requests/{numbers[1]}/accept", {})
        self.call("POST", f"/v1/requests/{numbers[2]}/reject", {"reason": "You were not there.\nAsk again in May."})
        self.call("DELETE", f"/v1/request-links/{links[3].rpartition('/')[2]}")
        lapsed = RequestSeen(
            state="lapsed",
            institution="waterland",
            legal_name="Hogeschool Waterland",
            achievement=AchievementUri(body["uri"]),
            title="Flood risk professional",
            created_at=Moment("2026-01-01T00:00:00.000Z"),
            decided_at=Moment("2026-02-01T00:00:00.000Z"),
            is_erased=True,
        )
        return {
            **{
                f"achievement-{name}": self._at(f"{page}/flood-{name}/page")
                for name in ("en", "pl", "ar", "nl", "stack")
            },
            "achievement-unknown": self._at(f"{page}/no-such-thing/page"),
            "achievement-no-name": self._ask_wrongly(),
            "request-open": self._at(links[0]),
            "request-accepted": self._at(links[1]),
            "request-rejected": self._at(links[2]),
            "request-withdrawn": self._at(links[3]),
            "request-lapsed": self._rendered(lambda pages: pages.request(lapsed, PageReader(), secret="x").text),
            "request-unknown": self._at(f"{self.gateway}/requests/cfr_{'x' * 43}"),
            "request-cut-off": self._at(links[0][:-3]),
        }

    def _ask(self) -> str:
        wish = {
            "institution": "waterland",
            "achievement": "flood-ar",
            "family_name": "الحسيني",
            "message": "s-77\nBonjour",
        }
        return str(self.call("POST", "/v1/requests", wish)["link"])

    def _ask_wrongly(self) -> Opened:
        def opened(page: Page) -> None:
            page.goto(f"{self.gateway}/issuers/waterland/achievements/flood-en/page")
            page.locator("#message").fill("s-77")
            page.locator("button").first.click()

        return opened

    @staticmethod
    def _rendered(made: Callable[[Pages], str | None]) -> Opened:
        """Return a state that only months bring about: the page as the gateway renders it, without its gateway."""
        return Scenes._kept(made(Pages(kept_days=90)) or "")

    @staticmethod
    def _kept(text: str) -> Opened:
        return lambda page: page.goto("data:text/html;base64," + base64.b64encode(text.encode()).decode())

    def _claims(self) -> dict[str, Opened]:
        links = {name: self._claim(award=self.award("nl")) for name in ("open", "mine", "used", "again", "cancelled")}
        held = {name: self._claim(credential_id=self.ids[name]) for name in ("suspended-claim", "expired", "revoked")}
        self.call("DELETE", f"/v1/claims/{links['cancelled']['claim_id']}")
        send("POST", f"{self.gateway}/v1/claim-links/{links['used']['link'].rpartition('/')[2]}", {})
        over = ClaimSeen(
            state="expired",
            institution="waterland",
            legal_name="Hogeschool Waterland",
            achievement=AchievementUri(self.achievements["nl"]["uri"]),
            title=self.achievements["nl"]["title"]["nl"],
            expires_at=Moment("2026-02-01T00:00:00.000Z"),
            may_bind=False,
        )
        return {
            **{f"claim-{name}": self._at(links[name]["link"]) for name in ("open", "used", "cancelled")},
            "claim-mine": self._take(links["mine"]["link"]),
            "claim-again": self._take(links["again"]["link"], then_look_again=True),
            "claim-over": self._rendered(lambda pages: pages.claim(over, PageReader()).text),
            "claim-unknown": self._at(f"{self.gateway}/claims/cfc_{'x' * 43}"),
            **{f"claim-{name}-taken": self._take(found["link"]) for name, found in held.items()},
        }

    def _claim(self, **what: Any) -> Json:
        made: Json = self.call("POST", "/v1/claims", what)
        return made

    @staticmethod
    def _take(link: str, *, then_look_again: bool = False) -> Opened:
        """Open a link and press its button, once: what it gave is shown again to whoever opens it a second time."""
        kept: list[Any] = []

        def opened(page: Page) -> None:
            page.context.add_cookies(kept)
            page.goto(link)
            if page.locator("button").count():
                page.locator("button").click()
            kept[:] = page.context.cookies()
            if then_look_again:
                page.goto(link)

        return opened


@contextmanager
def another_verifier(addresses: Addresses, folder: Path, *, ledger: str, fresh_seconds: float) -> Iterator[str]:
    """Start a verifier of the same log whose records are older than it may answer from; it answers a little later."""
    port = free_port()
    settings = {
        "PORT": str(port),
        "LEDGER_URL": ledger,
        "LOG_VERIFIER_KEY": addresses.log_verifier_key,
        "DATABASE_FILE": str(folder / f"{port}.sqlite"),
        "FRESHNESS_SECONDS_MAX": str(fresh_seconds),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDENTIFY_")}
    environment |= {f"CREDENTIFY_VERIFIER_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "services", "verifier"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _answers(url: str) -> None:
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < give_up_at, url
            time.sleep(_POLL_S)


@contextmanager
def every_scene(addresses: Addresses, folder: Path) -> Iterator[Scenes]:
    """Make every state on services that run."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        another_verifier(addresses, folder, ledger=addresses.ledger, fresh_seconds=0.001) as stale,
        another_verifier(addresses, folder, ledger=nowhere, fresh_seconds=60) as unread,
    ):
        for each in (stale, unread):
            _answers(f"{each}/livez")
        yield Scenes(addresses, stale=stale, unread=unread)
