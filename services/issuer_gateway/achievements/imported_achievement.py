"""Achievements of imported documents: what a source calls its achievement, and its words, never those of another.

A source's name for an achievement holds together with who issued the document: two issuers may use one name. Where a
source describes otherwise what it named before, that is another version; the current one stays the institution's own.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from proto.documents.credential import Achievement, Identifier
from proto.documents.open_badge import achievement_part
from proto.documents.results import result_descriptions
from proto.ids import AchievementId
from proto.imports.imported import Imported
from proto.stacking import ects_text
from services.issuer_gateway.achievements.achievement_commands import AchievementTakenProblem, fresh_id
from services.issuer_gateway.domain.awarding import achievement_id_from, achievement_uri, is_own_uri, search_text
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection

_IDENTIFIERS_MAX = 16
_HASH_DIGITS = 16
_VERSION_CHARACTERS_MAX = 90
_ONLY_HERE = ("entry_requirements", "recipe", "takes_requests", "ects_hundredths_max")
"""What an institution sets of an achievement and no document says: it holds for every version."""
_NAMES = frozenset({"id", "otherIdentifier", "version"})
"""Members of a document's achievement that name it and do not describe it."""
_COMPARED_OTHERWISE = frozenset(
    {"uri", "version", "language", "other_identifiers", "grading_scheme", "further_grading_schemes", *_ONLY_HERE}
)
_TRIES = 2


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """The achievement under which an import is issued, and what the institution should know of it."""

    stored: achievements.StoredAchievement
    notes: tuple[str, ...] = ()


async def adopted(connection: Connection, tenant: Tenant, imported: Imported) -> Adopted:
    """Return the institution's achievement with the words of the document: known already, or made now.

    In the caller's transaction; what is known under the source's name is locked. One whose URI is not the institution's
    gets one that is, and keeps the old one among its identifiers. Raises `AchievementTakenProblem`.
    """
    source = _source(imported)
    for _ in range(_TRIES):  # a parallel import may describe it first
        found = await achievements.by_source(connection, tenant.institution_id, imported.achievement.uri)
        for known in found:
            fitting = await _fitting(connection, tenant, known, imported.achievement, source)
            if fitting is not None:
                return fitting if known.source_issuer is None else _with_credits_of(fitting, imported)
        made = await _made(connection, tenant, imported.achievement, source)
        if made is not None:
            return _with_credits_of(made, imported)
    raise AchievementTakenProblem(f"{imported.achievement.uri} cannot be described: its id is taken. Import it again")


def _with_credits_of(found: Adopted, imported: Imported) -> Adopted:
    """Return what the document's own achievement lets the document award: what it states, however much that is."""
    achievement, earned = found.stored.achievement, imported.award.ects_hundredths or 0
    if earned <= (achievement.ects_hundredths_max or achievement.ects_hundredths):
        return found
    note = (
        f"The document states {ects_text(earned)} credits earned and {ects_text(achievement.ects_hundredths)} of its "
        "achievement; both are kept as they are stated"
    )
    achievement = msgspec.structs.replace(achievement, ects_hundredths_max=earned)
    stored = msgspec.structs.replace(found.stored, achievement=achievement)
    return Adopted(stored=stored, notes=(*found.notes, note))


def _source(imported: Imported) -> str:
    return hashlib.sha256(imported.issuer.identity.encode()).hexdigest()


async def _fitting(
    connection: Connection, tenant: Tenant, known: achievements.Sourced, imported: Achievement, source: str
) -> Adopted | None:
    """Return the version of a known achievement that says what the document says, made now where it is the source's."""
    current = known.stored.achievement
    revisions = await achievements.revisions(connection, tenant.institution_id, known.stored.achievement_id)
    if known.source_issuer is None:  # the institution described it itself, under this very URI
        for each in revisions:
            if not _contradictions(each.achievement, imported):
                return Adopted(stored=_with(each, _for_results(each.achievement, imported), current))
        return None
    words = msgspec.structs.replace(imported, uri=current.uri, other_identifiers=current.other_identifiers)
    for each in revisions:
        if _is_version(each, words):
            words = msgspec.structs.replace(words, version=each.achievement.version)
            return Adopted(stored=_with(each, words, current))
    return await _new_version(connection, tenant, known, words) if known.source_issuer == source else None


async def _new_version(
    connection: Connection, tenant: Tenant, known: achievements.Sourced, words: Achievement
) -> Adopted:
    current = known.stored
    number = await achievements.next_revision(connection, tenant.institution_id, current.achievement_id)
    words = msgspec.structs.replace(words, version=_numbered(words.version, number))
    stored = achievements.StoredAchievement(achievement_id=current.achievement_id, revision=number, achievement=words)
    stored = _with(stored, words, current.achievement)
    await achievements.add_revision(connection, tenant.institution_id, stored)
    differing = ", ".join(_contradictions(current.achievement, words)) or "details"
    note = (
        f"Its source described the achievement otherwise before ({differing}): this credential has version "
        f"{words.version} of it; what is shown and awarded here is as it was until you revise it"
    )
    return Adopted(stored=stored, notes=(note,))


def _is_version(stored: achievements.StoredAchievement, words: Achievement) -> bool:
    same_version = stored.achievement.version in {words.version, _numbered(words.version, stored.revision)}
    return same_version and _words(stored.achievement) == _words(words)


def _numbered(version: str, revision: int) -> str:
    """Return the version of a later description that its source calls by the same version, or by none."""
    return f"{version[:_VERSION_CHARACTERS_MAX]}.{revision}"


def _words(achievement: Achievement) -> dict[str, Any]:
    """Return what documents say of an achievement, but for how it is named."""
    words = {name: value for name, value in achievement_part(achievement).items() if name not in _NAMES}
    described = sorted(words.get("resultDescription", []), key=lambda each: str(each["id"]))
    return words | {"resultDescription": described}


def _with(
    stored: achievements.StoredAchievement, words: Achievement, current: Achievement
) -> achievements.StoredAchievement:
    """Return a version with these words, and what the institution has set for every version."""
    own = {name: getattr(current, name) for name in _ONLY_HERE}
    if own["ects_hundredths_max"] is not None:
        own["ects_hundredths_max"] = max(own["ects_hundredths_max"], words.ects_hundredths)
    return msgspec.structs.replace(stored, achievement=msgspec.structs.replace(words, **own))


def _contradictions(known: Achievement, imported: Achievement) -> list[str]:
    """Return the fields that the document states, and states otherwise; what it does not state contradicts nothing."""
    found = [name for name in _stated(imported) if not _agrees(getattr(known, name), getattr(imported, name))]
    known_results = result_descriptions(known)
    if not all(described in known_results for described in result_descriptions(imported)):
        found.append("grading_scheme")
    return found


def _stated(achievement: Achievement) -> Iterable[str]:
    for name in Achievement.__struct_fields__:
        value = getattr(achievement, name)
        if name in _COMPARED_OTHERWISE:
            continue
        if value is None or value in ((), {}, 0) or value in _stand_ins(achievement, name):
            continue
        yield name


def _stand_ins(achievement: Achievement, name: str) -> tuple[dict[str, str], ...]:
    """Return what stands for a text that a document has not: its title for its description, and so on."""
    stand_ins = {"description": (achievement.title,), "criteria": (achievement.title, achievement.description)}
    return stand_ins.get(name, ())


def _for_results(words: Achievement, imported: Achievement) -> Achievement:
    """Return the same words, where results that name no scheme belong to none if they do so in the document."""
    if imported.grading_scheme is not None or words.grading_scheme is None:
        return words
    scheme = msgspec.structs.replace(
        words.grading_scheme, uri=words.grading_scheme.uri or result_descriptions(words)[0]["id"]
    )
    return msgspec.structs.replace(
        words, grading_scheme=None, further_grading_schemes=(scheme, *words.further_grading_schemes)
    )


def _agrees(known: Any, imported: Any) -> bool:
    if isinstance(imported, dict):  # texts by language, which not every form names
        return isinstance(known, dict) and set(imported.values()) <= set(known.values())
    return bool(known == imported)


async def _made(connection: Connection, tenant: Tenant, imported: Achievement, source: str) -> Adopted | None:
    """Describe the achievement, and return it; None where a parallel import was first."""
    is_taken = False
    for achievement_id in _ids(imported.uri, source):
        is_own = is_own_uri(tenant, imported.uri) and not is_taken
        achievement, notes = _named(tenant, imported, achievement_id, is_own=is_own)
        if await achievements.add(
            connection,
            tenant.institution_id,
            achievement_id,
            achievement,
            search_text=search_text(achievement, tenant),
            source_uri=imported.uri,
            source_issuer=source,
        ):
            stored = achievements.StoredAchievement(achievement_id=achievement_id, revision=1, achievement=achievement)
            return Adopted(stored=stored, notes=notes)
        found = await achievements.by_source(connection, tenant.institution_id, imported.uri)
        if any(known.source_issuer == source for known in found):
            return None
        is_taken = any(known.stored.achievement.uri == imported.uri for known in found)
    return None


def _ids(uri: str, source: str) -> Iterable[AchievementId]:
    """Yield short ids to be tried: as the URI says, else of the URI and its source, else any."""
    yield achievement_id_from(uri)
    yield AchievementId("a-" + hashlib.sha256(f"{source}\n{uri}".encode()).hexdigest()[:_HASH_DIGITS])
    yield fresh_id()


def _named(
    tenant: Tenant, imported: Achievement, achievement_id: AchievementId, *, is_own: bool
) -> tuple[Achievement, tuple[str, ...]]:
    if is_own:
        return imported, ()
    former = Identifier(identifier=imported.uri, type="identifier")
    achievement = msgspec.structs.replace(
        imported,
        uri=achievement_uri(tenant, achievement_id),
        other_identifiers=(*imported.other_identifiers[: _IDENTIFIERS_MAX - 1], former),
    )
    if is_own_uri(tenant, imported.uri):
        why = f"{imported.uri} is described here, and otherwise"
    else:
        why = f"The achievement's URI lies elsewhere ({imported.uri})"
    return achievement, (f"{why}; here it is {achievement.uri}",)
