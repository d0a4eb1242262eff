"""What names look like, whatever letters they are written with: two that are taken for each other have one skeleton.

In the manner of UTS 39 (skeletons), with a table of our own for the scripts of `visible_text.mixed_scripts`: letters
that many fonts draw alike. Two equal skeletons are a reason to look, and never a reason to refuse.
"""

import unicodedata

from proto.normal_form import normalised

_DRAWN_ALIKE = {
    "a": "\u03b1\u0391\u0430\u0410\u2c80\u2c81\u13aa\u0251\u1d00",
    "b": "\u03b2\u0392\u0432\u0412\u044c\u042c\u2c82\u2c83\u13f4\u13cf\u0299",
    "c": "\u03f2\u03f9\u0441\u0421\u2ca4\u2ca5\u13df\u1d04",
    "d": "\u0501\u0500\u13a0\u13e7\u0111\u0110\u0256\u1d05",
    "e": "\u03b5\u0395\u0435\u0415\u0454\u0404\u2c88\u2c89\u13ac\u025b\u1d07",
    "f": "\u0192\u03dd\u03dc",
    "g": "\u050c\u050d\u0581\u13c0\u13f3\u0261\u0262",
    "h": "\u0397\u043d\u041d\u04bb\u04ba\u0570\u2c8e\u2c8f\u13bb\u13c2\u0127\u0126\u029c",
    "j": "\u0458\u0408\u03f3\u13ab\u1d0a",
    "k": "\u03ba\u039a\u043a\u041a\u2c94\u2c95\u13e6\u1d0b",
    "l": (
        "iI\u03b9\u0399\u0456\u0406\u04cf\u04c0\u0582\u056c\u053c\u2c92\u2c93\u13a5\u13de\u0142\u0141\u0131"
        "\u0269\u026a\u029f1|\u01c0"
    ),
    "m": "\u039c\u043c\u041c\u2c98\u2c99\u13b7\u1d0d",
    "n": "\u03b7\u039d\u043f\u041f\u0578\u057c\u0572\u2c9a\u2c9b\u0274",
    "o": "\u03bf\u039f\u03c3\u043e\u041e\u0585\u0555\u2c9e\u2c9f0\u00f8\u00d8\u1d0f",
    "p": "\u03c1\u03a1\u0440\u0420\u2ca2\u2ca3\u13e2\u00fe\u1d18",
    "q": "\u051b\u051a\u0566",
    "r": "\u0433\u0413\u13a1\u13d2\u0280",
    "s": "\u0455\u0405\u054f\u13d5\u13da\ua731",
    "t": "\u03c4\u03a4\u0442\u0422\u2ca6\u2ca7\u13a2\u0167\u0166\u1d1b",
    "u": "\u03c5\u057d\u054d\u1d1c",
    "v": "\u03bd\u0475\u0474\u13d9\u1d20",
    "w": "\u03c9\u051d\u051c\u13d4\u13b3\u1d21",
    "x": "\u03c7\u03a7\u0445\u0425\u2cac\u2cad",
    "y": "\u03b3\u03a5\u0443\u0423\u04af\u04ae\u2ca8\u2ca9\u13a9\u13e4\u028f",
    "z": "\u03b6\u0396\u2c8c\u2c8d\u13c3\u1d22",
    "ae": "\u00e6\u00c6",
    "oe": "\u0153\u0152",
}
_SKELETON = str.maketrans({sign: letter for letter, signs in _DRAWN_ALIKE.items() for sign in signs})
_TOGETHER = (("rn", "m"), ("vv", "w"), ("cl", "d"))
"""Letters that look like another one where they stand beside each other."""


def skeleton(name: str) -> str:
    """Return what a name looks like: letters and digits in one alphabet, without case, accents, blanks and marks."""
    plain = normalised("NFKD", name.translate(_SKELETON)).translate(_SKELETON).casefold().translate(_SKELETON)
    seen = "".join(sign for sign in plain if _is_drawn(sign))
    for pair, letter in _TOGETHER:
        seen = seen.replace(pair, letter)
    return seen


def _is_drawn(sign: str) -> bool:
    """Tell whether a sign counts: marks of scripts that cannot be written without theirs do, accents do not."""
    kind = unicodedata.category(sign)[0]
    return kind in "LN" or (kind == "M" and not unicodedata.name(sign, "").startswith("COMBINING"))


def look_alike(one: str, other: str) -> bool:
    """Tell whether two names may be taken for each other; a name of marks alone is like no other."""
    seen = skeleton(one)
    return bool(seen) and seen == skeleton(other)
