"""What a proven document says, as the verify answer hands it on: the issuer's statements, never facts of the log."""

import msgspec

from proto.ids import CredentialId
from proto.wire.ledger import Body
from proto.wire.quality import QualityFinding

Texts = dict[str, str]
"""A text by language tag (BCP 47); `und` where the document does not say which."""


class HolderContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """To whom it was awarded; `identifier` is a DID or address of the learner's own."""

    name: str | None = None
    date_of_birth: str | None = None
    identifier: str | None = None


class OutcomeContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A learning outcome, and the ESCO skills (addresses) that it leads to."""

    title: Texts = msgspec.field(default_factory=dict)
    skills: tuple[str, ...] = ()


class ReferenceContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Something of a vocabulary of others: its name there and its address."""

    name: str
    url: str | None = None


class LevelContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The level: EQF 1 to 8, the level of a national framework, the cycle of the Bologna framework."""

    eqf: int | None = None
    framework: str | None = None
    national: str | None = None
    cycle: str | None = None


class ResultContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A result, and the scheme that it belongs to."""

    value: str | None = None
    status: str | None = None
    scheme: str | None = None
    lowest: str | None = None
    highest: str | None = None
    required: str | None = None


class QualityContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for quality, as the issuer states it.

    `register` is what a copy of the quality register has of the report that this names, where a verifier answers.
    """

    type: str | None = None
    name: str | None = None
    code: str | None = None
    url: str | None = None
    register: QualityFinding | None = None


class TitledContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Something that the achievement refers to by its title: a learning resource, an entitlement."""

    title: Texts = msgspec.field(default_factory=dict)
    url: str | None = None


class ProviderContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Who teaches it, where that is not, or not only, the institution; `country` by ISO 3166-1 alpha-2."""

    name: str
    country: str | None = None
    url: str | None = None


class EvidenceContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What shows that it was earned: where it can be seen, in words, or both; and of which kind it is."""

    url: str | None = None
    text: str | None = None
    kind: str | None = None


class ComponentContent(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a stack, as the stack's document names it."""

    credential_id: CredentialId
    achievement: str | None = None
    ects: str | None = None


class Content(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What a document says that was proven to be the one its institution put on the log; stated by the institution.

    `valid_from` and `valid_until` are as written: a day (the last one that is valid), or a moment.
    """

    language: str
    title: Texts
    holder: HolderContent
    description: Texts = msgspec.field(default_factory=dict)
    issuer_name: str | None = None
    achievement: str | None = None
    awarded_at: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    learning_outcomes: tuple[OutcomeContent, ...] = ()
    skills: tuple[ReferenceContent, ...] = ()
    ects_hundredths: int | None = None
    workload_hours: int | None = None
    level: LevelContent = LevelContent()
    results: tuple[ResultContent, ...] = ()
    narrative: str | None = None
    criteria: Texts = msgspec.field(default_factory=dict)
    assessments: tuple[str, ...] = ()
    participation: tuple[str, ...] = ()
    supervision: str | None = None
    quality_assurance: tuple[QualityContent, ...] = ()
    prerequisites: Texts = msgspec.field(default_factory=dict)
    learning_resources: tuple[TitledContent, ...] = ()
    entitlements: tuple[TitledContent, ...] = ()
    providers: tuple[ProviderContent, ...] = ()
    provider_type: str | None = None
    evidence: tuple[EvidenceContent, ...] = ()
    further_information: Texts = msgspec.field(default_factory=dict)
    components: tuple[ComponentContent, ...] = ()
    isced_f: tuple[str, ...] = ()
    """Fields of education (ISCED-F 2013, two to four digits)."""
