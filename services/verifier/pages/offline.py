"""The page that checks a credential in the reader's own browser; also one file, to be kept and opened from a disk."""

import json
from collections.abc import Mapping
from pathlib import Path

from services.edge import Templates
from services.edge.reply import seal_of
from services.verifier.languages.english import STATES
from services.verifier.pages.browser_check import page_script
from services.verifier.pages.said import PageLanguage

WORDS: Mapping[str, str] = {
    "authentic": "Authentic as of {time}",
    "askOnline": "The institution issued exactly this. Whether it has been revoked since then, nobody can know without "
    "asking: look it up online before you rely on it.",
    "noDocument": "The log holds this credential. Its record holds no name: add the credential itself to see whose it "
    "is and what it says.",
    "notAuthentic": "Not proven",
    "faulty": "What these files say does not hold together: they were altered, or do not belong to each other. Ask for "
    "the files as the institution gave them out.",
    "notTrusted": "The log that signed this is none that you trust, or too few witnesses confirmed it. If it should be "
    "trusted, add its line below.",
    "notJudged": "Cannot be judged here",
    "newer": "These files use rules or logs that this page does not know. Fetch a newer page, or add the missing log "
    "below.",
    "stateSince": "By what these files show it has been so since {time}.",
    "bundleMissing": "Its bundle is missing",
    "addBundle": "The credential alone shows who wrote what only together with its bundle. Choose that file too, or "
    "the PDF that holds both.",
    "addFiles": "The code names a credential. Choose the file of the credential and its bundle, or the PDF that holds "
    "both.",
    "otherCode": "The code that was scanned names another credential than this file",
    "notRead": "Not read",
    "neither": "This is neither a credential nor a bundle: choose the files that you were given",
    "noneInFile": "This file holds no credential: choose the JSON, PDF, PNG or SVG file that you were given.",
    "archive": "This is an archive (ZIP): unpack it, and choose one of its papers (PDF), which hold the credential and "
    "its bundle.",
    "unreadable": "These files cannot be read: ask for them as the institution gave them out.",
    "policyUnreadable": "What stands below under “Logs and witnesses” cannot be read: write it as the registrar has "
    "published it.",
    "inDetail": "In detail:",
    "tooLarge": "This file is larger than 16 MiB: choose the credential itself",
    "ownFault": "This page could not finish the check: try another browser, or check online",
    "noCamera": "The camera cannot be used: allow it for this page, or choose a photo of the code instead",
    "noCrypto": "This browser offers its cryptography only to pages that came over https or from a disk: save this "
    "page and open it from there",
    "online": "Look it up online",
    "why": "Why",
    "says": "What the institution says",
    "awardedTo": "Awarded to",
    "noName": "The document names no holder.",
    "by": "Awarded by",
    "on": "Awarded on",
    "credits": "Credits",
    "hours": "Workload",
    "level": "Level",
    "grade": "Result",
    "born": "Born on",
    "from": "Valid from",
    "until": "Valid until",
    "outcomes": "What the holder has learned to do",
    "how": "How this was checked",
    "byBrowser": "On this device, with the browser's own cryptography. No server was asked, and nothing was sent.",
    "byLibrary": "On this device, with the cryptography that came with this page. No server was asked, and nothing was "
    "sent.",
    "id": "Credential id",
    "issuer": "Institution in the register",
    "entered": "Entered on",
    "log": "Log and its size",
    "seen": "State of the log",
    "witnessed": "confirmed by witnesses",
    "ownWord": "the log's own word",
    "witnesses": "Witnesses that you know",
    "registrar": "Who began the log",
    "pinned": "is the registrar that you trust",
    "notPinned": "was not compared with anybody",
    "parts": "It is made of other credentials, which were checked with it: {count}",
}
"""What the script says, by its own names."""
UNJUDGED = (
    "document-enveloped",
    "document-signed-outside",
    "document-europass",
    "document-learner-record",
    "document-open-badges-2",
    "document-older-model",
    "document-newer-model",
)
"""What `browser/formats.js` finds of documents of other standards: codes of checks."""


class OfflinePage:
    """Renders the page in each language; `policy` is the text of the policy that its readers begin with."""

    def __init__(self, *, policy: str) -> None:
        templates = Templates(Path(__file__).parent)
        self._template = templates.environment.get_template("offline.html.jinja")
        self._policy = policy
        self.seal = seal_of(style=templates.style, script=page_script())

    def html(self, said: PageLanguage) -> str:
        """Return the page; `seal` is the policy under which it may run its own script alone, and reach nothing."""
        word = said.language.word
        words = {name: word(text) for name, text in WORDS.items()}
        words_of_states = {name: word(text) for name, text in STATES.items()}
        formats = {code: said.language.sentences[code] for code in UNJUDGED}
        return self._template.render(
            script=page_script(),
            seal=self.seal,
            policy=self._policy,
            words=json.dumps(words | {"states": words_of_states, "formats": formats}, ensure_ascii=False).replace(
                "<", "\\u003c"
            ),
            **said.globals(),
        )
