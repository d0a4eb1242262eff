"""Trust policies: the file's form, and when a quorum is reached."""

import pytest

from proto.keys import SecretKey
from proto.log.note_key import KeyKind, SignerKey, VerifierKey
from proto.log.policy import Policy, parse_policy
from proto.problem import InvalidProblem, MalformedProblem


def verifier(name: str, number: int, kind: KeyKind = KeyKind.COSIGNATURE) -> VerifierKey:
    return SignerKey(name=name, kind=kind, secret=SecretKey(bytes([number]) * 32)).verifier


LOG = verifier("log.example", 1, KeyKind.ED25519)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {name: verifier(f"{name}.example", number) for number, name in enumerate(NAMES, start=10)}
WITNESSES = "".join(f"witness {name} {key.text} https://{name}.example/\n" for name, key in KEYS.items())
GROUPS = "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup XY all X Y\n"
EXAMPLE = f"# example\n\n\tlog  {LOG.text}\t \n{WITNESSES}{GROUPS}quorum XY\n"


def parsed(text: str) -> Policy:
    return parse_policy(text.encode())


def test_the_example_of_the_specification_is_read() -> None:
    policy = parsed(EXAMPLE)
    assert [log.key for log in policy.logs] == [LOG]
    assert policy.witness_keys == tuple(KEYS.values())
    assert policy.witnesses[0].url == "https://X1.example/"
    assert [(group.name, group.threshold) for group in policy.groups] == [("X", 2), ("Y", 1), ("XY", 2)]


@pytest.mark.parametrize(
    ("cosigners", "is_enough"),
    [("", False), ("X1 X2 X3", False), ("X1 X3 Y2", True), ("X1 Y1 Y2 Y3", False), ("X1 X2 X3 Y1 Y2 Y3", True)],
)
def test_the_quorum_needs_enough_members_of_each_group(cosigners: str, *, is_enough: bool) -> None:
    assert parsed(EXAMPLE).is_quorum([KEYS[name] for name in cosigners.split()]) is is_enough


def test_strangers_do_not_count() -> None:
    strangers = [verifier("X2.example", 99), verifier("Y1.example", 98), KEYS["X1"], LOG]
    assert not parsed(EXAMPLE).is_quorum(strangers)


def test_the_time_of_the_quorum_is_the_newest_that_enough_cosignatures_reach() -> None:
    policy = parsed(EXAMPLE)
    times = {KEYS["X1"]: 10, KEYS["X2"]: 30, KEYS["X3"]: 20, KEYS["Y1"]: 40, KEYS["Y2"]: 5}
    assert policy.quorum_at(times) == 20
    assert policy.quorum_at({KEYS["X1"]: 10, KEYS["X2"]: 30}) is None
    assert parsed(f"{WITNESSES}quorum X1\n").quorum_at({KEYS["X1"]: 7}) == 7


def test_no_quorum_is_always_satisfied_and_vouches_for_no_time() -> None:
    policy = parsed("quorum none\n")
    assert policy.is_quorum([])
    assert policy.quorum_at({KEYS["X1"]: 7}) is None


def test_names_are_opaque_octets() -> None:
    kelvin = "\u212a".encode()
    keys = [KEYS["X1"].text.encode(), KEYS["X2"].text.encode()]
    lines = [b"witness K " + keys[0], b"witness " + kelvin + b"\xff\xc2\xa0 " + keys[1]]
    policy = parse_policy(b"\n".join([*lines, b"quorum " + kelvin + b"\xff\xc2\xa0"]))
    assert policy.is_quorum([KEYS["X2"]])
    assert not policy.is_quorum([KEYS["X1"]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        WITNESSES,
        "quorum none\nquorum none\n",
        "quorum X1\n" + WITNESSES,
        "quorum\n",
        "quorum none none\n",
        "Quorum none\n",
        "quorum none # comment\n",
        "quorum none\r\n",
        "quorum none\x7f\n",
        f"log {LOG.text}\nlog {LOG.text}\nquorum none\n",
        f"log {LOG.text} url more\nquorum none\n",
        f"log {KEYS['X1'].text}\nquorum none\n",
        f"log {verifier('other.example', 1, KeyKind.ED25519).text}\nlog {LOG.text}\nquorum none\n",
        "log nonsense\nquorum none\n",
        f"witness X1 {LOG.text}\nquorum none\n",
        f"witness none {KEYS['X1'].text}\nquorum none\n",
        f"witness A {KEYS['X1'].text}\nwitness A {KEYS['X2'].text}\nquorum none\n",
        f"witness A {KEYS['X1'].text}\nwitness B {KEYS['X1'].text}\nquorum none\n",
        WITNESSES + "group G 0 X1\nquorum G\n",
        WITNESSES + "group G 2 X1\nquorum G\n",
        WITNESSES + "group G 01 X1\nquorum G\n",
        WITNESSES + "group G some X1\nquorum G\n",
        WITNESSES + "group G any\nquorum G\n",
        WITNESSES + "group G any G\nquorum G\n",
        WITNESSES + "group G any none\nquorum G\n",
        WITNESSES + "group G any Z\nquorum G\n",
        WITNESSES + "group G any X1 X1\nquorum G\n",
        WITNESSES + "group G any X1\ngroup H any X1\nquorum G\n",
        WITNESSES + "group X1 any X2\nquorum X1\n",
        WITNESSES + "group none any X2\nquorum none\n",
        "#" * 70_000 + "\nquorum none\n",
    ],
)
def test_a_policy_that_could_be_misread_is_refused(text: str) -> None:
    with pytest.raises((MalformedProblem, InvalidProblem)):
        parsed(text)


def test_the_faulty_line_is_named() -> None:
    with pytest.raises(InvalidProblem, match="Line 8 of the policy"):
        parsed(f"# one\n{WITNESSES}group G any Z\nquorum G\n")


def test_times_that_are_still_to_come_do_not_count() -> None:
    policy = parsed(EXAMPLE)
    times = {KEYS["X1"]: 10, KEYS["X2"]: 2**63 - 1, KEYS["X3"]: 12, KEYS["Y1"]: 2**62, KEYS["Y2"]: 11}
    assert policy.quorum_at(times) == 12
    assert policy.quorum_at(times, latest=100) == 10
    assert policy.quorum_at(times, latest=10) is None
    assert policy.is_quorum(times)
