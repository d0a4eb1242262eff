"""Bodies that look like what they are not, or hold more than they show: pictures, PDFs, forms, lists, documents."""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from tests.attack.stranger import Target, at_once, post

SVG, PDF, JSON, NDJSON = "image/svg+xml", "application/pdf", "application/json", "application/x-ndjson"
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
VERIFY, FORM = "/v1/verifications", "/"
SLUG = "attacked"
APPLY, APPLY_FORM = "/v1/recognition-applications", f"/recognition/{SLUG}"
OTHERS = tuple(f"127.0.0.{number}" for number in range(2, 10))
_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
_NS = 'xmlns="http://www.w3.org/2000/svg" xmlns:o="https://purl.imsglobal.org/ob/v3p0"'
Attack = Callable[[Target], str]


def by_all(path: str, body: Callable[[], bytes], media_type: str, *, count: int = 8) -> Attack:
    """Return the attack that sends one body from several addresses at once."""

    def work(target: Target) -> str:
        sent = body()
        return at_once(count, lambda number: post(target, path, sent, media_type, source=OTHERS[number % len(OTHERS)]))

    return work


def comments() -> bytes:
    """Return what may be the beginning of a drawing: comments that can be read as many or as one."""
    return b"<!---->" * 580 + b"x"


def cut_drawing() -> bytes:
    """Return a drawing in which elements cut the credential's text into pieces of one character."""
    return f"<svg {_NS}><o:credential>{'a<a/>' * 1_000_000}</o:credential></svg>".encode()


def crowded_drawing() -> bytes:
    """Return a drawing of as many elements as fit."""
    return f"<svg {_NS}>{'<a/>' * 1_900_000}</svg>".encode()


def crowded_png() -> bytes:
    """Return a picture of as many text chunks as are looked at."""
    content = b"iTXtopenbadgecredential\0\0\0\0\0" + b"a" * 350
    chunk = len(content[4:]).to_bytes(4) + content + zlib.crc32(content).to_bytes(4)
    return b"\x89PNG\r\n\x1a\n" + chunk * 19_000


def unpacking_pdf() -> bytes:
    """Return a PDF with attachments that are short only while they are packed."""
    packed = zlib.compress(b"{" + b" " * 200_000_000, 9)
    names = " ".join(f"({number}.json) {number + 5} 0 R" for number in range(8))
    objects = [
        f"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[{names}]>>>>>>".encode(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</Type/EmbeddedFile/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed),
        *(b"<</Type/Filespec/F(%d.json)/UF(%d.json)/EF<</F 4 0 R>>>>" % (number, number) for number in range(8)),
    ]
    written, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(written))
    return written + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + end


def quotes_in_a_form() -> bytes:
    """Return a form whose text becomes five times as long where it is shown again."""
    return b'--b\r\nContent-Disposition: form-data; name="document"\r\n\r\n' + b'"' * 8_000_000 + b"\r\n--b--\r\n"


def presentation_in_a_form() -> bytes:
    """Return a form with a presentation of as many values as are decoded."""
    members = ",".join(f'"\\u00e9{number}":1e-7' for number in range(70_000))
    sent = f'{{"type":"VerifiablePresentation","verifiableCredential":[{{{members}}}]}}'.encode()[:1_048_000]
    return b'--b\r\nContent-Disposition: form-data; name="document"\r\n\r\n' + sent + b"\r\n--b--\r\n"


def numbers_under_proofs() -> bytes:
    """Return a document of numbers that only the exact way writes as JCS does, with eight proofs over all of them."""
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": f"{_DID}#{_DID[8:]}",
        "proofPurpose": "assertionMethod",
        "created": "2026-01-01T00:00:00Z",
        "proofValue": "z" + "3" * 87,
    }
    return json.dumps(
        {
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": _DID,
            "credentialSubject": {"id": "urn:s", "é": [number * 1e-9 + 1e-7 for number in range(60_000)]},
            "proof": [proof] * 8,
        }
    ).encode()[:1_048_576]


def unpacking_lists() -> bytes:
    """Return a document with status lists that unpack to a thousand times their length."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(700)) + packer.flush()
    encoded = "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    status = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "1"}
    names = [f"https://x.example/{number}" for number in range(8)]
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": _DID,
        "credentialSubject": {"id": "urn:s"},
        "credentialStatus": [status | {"statusListCredential": name} for name in names],
    }
    lists = [{"id": name, "issuer": _DID, "credentialSubject": {"encodedList": encoded}} for name in names]
    return json.dumps({"document": document, "status_lists": lists}).encode()


def _document() -> bytes:
    members = b",".join(b'"\xc3\xa9%d":1e-7' % number for number in range(60_000))
    return b'{"issuer":"did:web:x","credentialSubject":{%s}}' % members


def application_of_documents() -> bytes:
    """Return an application with as many documents of as many values as are decoded at once."""
    file = base64.b64encode(_document()).decode()
    return msgspec.json.encode(
        {
            "institution": SLUG,
            "programme": f"https://{SLUG}.example/programmes/1",
            "given_name": "A",
            "family_name": "B",
            "evidence": [{"file": file}] * 9,
        }
    )


def application_of_escapes() -> bytes:
    """Return an application with one text of millions of escapes, and more brackets than are looked at closely."""
    return b'{"institution":"x","given_name":"%s","evidence":[%s1]}' % (b"\\n" * 6_000_000, b"[]," * 600)


def application_in_a_form(content: bytes, count: int) -> bytes:
    """Return the form of an application with so many files."""
    texts = {"given_name": "A", "family_name": "B", "programme": f"https://{SLUG}.example/programmes/1"}
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    fields = b"".join(part % (name.encode(), text.encode()) for name, text in texts.items())
    return fields + b"".join(part % (b"files", b"%s%d" % (content, number)) for number in range(count)) + b"--b--\r\n"


def nested_form() -> bytes:
    """Return a form in which a document nests as deep as decoders go."""
    return urlencode({"document": "[" * 90_000}).encode()


BODIES: Mapping[str, tuple[str, Attack]] = {
    "comments of a drawing": ("verifier", by_all(VERIFY, comments, SVG)),
    "comments of a drawing, in a line": ("verifier", by_all(VERIFY, comments, NDJSON)),
    "comments of a drawing, in a form": (
        "verifier",
        by_all(FORM, lambda: b"document=" + b"%3C!----%3E" * 580, URLENCODED),
    ),
    "drawing in pieces": ("verifier", by_all(VERIFY, cut_drawing, SVG)),
    "drawing of 1,900,000 elements": ("verifier", by_all(VERIFY, crowded_drawing, SVG)),
    "picture of 19,000 chunks": ("verifier", by_all(VERIFY, crowded_png, "image/png")),
    "PDF that unpacks": ("verifier", by_all(VERIFY, unpacking_pdf, PDF, count=16)),
    "form of quotes, shown again": ("verifier", by_all(FORM, quotes_in_a_form, MULTIPART)),
    "presentation in a form": ("verifier", by_all(FORM, presentation_in_a_form, MULTIPART)),
    "nested document in a form": ("verifier", by_all(FORM, nested_form, URLENCODED)),
    "numbers under eight proofs": ("verifier", by_all(VERIFY, numbers_under_proofs, JSON, count=16)),
    "status lists that unpack": ("verifier", by_all(VERIFY, unpacking_lists, JSON)),
    "gateway: application of documents": ("gateway", by_all(APPLY, application_of_documents, JSON)),
    "gateway: application of escapes": ("gateway", by_all(APPLY, application_of_escapes, JSON, count=4)),
    "gateway: documents in its form": (
        "gateway",
        by_all(APPLY_FORM, lambda: application_in_a_form(_document(), 12), MULTIPART),
    ),
    "gateway: drawings in its form": (
        "gateway",
        by_all(APPLY_FORM, lambda: application_in_a_form(comments(), 16), MULTIPART),
    ),
}
"""What is sent by the name of its shape: to which service, and how."""
