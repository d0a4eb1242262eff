// The rules of admission, versions 1 and 2, and what follows from them: the same as the log's own, over what a bundle
// holds. What is not in the book is not there: a bundle is all that is known here.

const RULES_VERSIONS_KNOWN = new Set([1, 2]);
const SECOND_MS = 1000;

class Refusal extends Problem {}
const refuse = (code, detail) => {
  throw new Refusal(code, detail);
};

/** The states that the rules read and write. Everything said keeps its stamp: which entry, key and time. */
class Book {
  constructor() {
    this.log = null;
    this.issuers = new Map();
    this.publicKeys = new Map();
    this.credentials = new Map();
    this.recognitions = new Map();
    this.statements = new Map();
    this.events = new Map();
  }

  key(keyId) {
    return this.issuers.get(ownerOf(keyId))?.keys.find((key) => key.keyId === keyId) ?? null;
  }

  putIssuer(issuer) {
    this.issuers.set(issuer.did, issuer);
    for (const key of issuer.keys) {
      this.publicKeys.set(key.publicKey, key.keyId);
    }
  }

  recognitionsBy(credentialId, did) {
    return [...this.recognitions.values()].filter(
      (each) => each.credentialId === credentialId && ownerOf(each.stamp.keyId) === did,
    );
  }

  rulesVersionAt(index) {
    return Math.max(...this.log.rules.filter((rule) => rule.fromIndex <= index).map((rule) => rule.version));
  }
}

// --- What does not count because the key that said it was compromised -----------------------------------------------

const isKnown = (stamp, knownAt) => knownAt === null || stamp.receivedAt <= knownAt;

function condemnedFor(book, did, knownAt) {
  const rings = new Map();
  for (const name of [did, book.log.registrar]) {
    const ring = book.issuers.get(name);
    if (ring) {
      rings.set(name, ring);
    }
  }
  const statements = [];
  for (const ring of rings.values()) {
    for (const key of ring.keys) {
      for (const { stamp, invalidFrom } of key.retirements) {
        if (invalidFrom !== null && isKnown(stamp, knownAt)) {
          statements.push({ keyId: key.keyId, stamp, invalidFrom });
        }
      }
    }
  }
  statements.sort((one, other) => other.stamp.index - one.stamp.index);
  const condemned = new Map();
  for (const { keyId, stamp, invalidFrom } of statements) {
    if (!isTainted(book, stamp, condemned)) {
      const earlier = condemned.get(keyId) ?? invalidFrom;
      condemned.set(keyId, invalidFrom < earlier ? invalidFrom : earlier);
    }
  }
  return condemned;
}

function isTainted(book, stamp, condemned) {
  while (stamp.index !== 0) {
    const key = book.key(stamp.keyId);
    if (!key || (condemned.has(stamp.keyId) && condemned.get(stamp.keyId) <= stamp.receivedAt)) {
      return true;
    }
    stamp = key.added;
  }
  return false;
}

const isVoid = (book, stamp, knownAt = null) =>
  isTainted(book, stamp, condemnedFor(book, ownerOf(stamp.keyId), knownAt));
const counts = (book, stamp, knownAt = null) => isKnown(stamp, knownAt) && !isVoid(book, stamp, knownAt);
const compromisedFrom = (book, keyId, knownAt = null) =>
  condemnedFor(book, ownerOf(keyId), knownAt).get(keyId) ?? null;
const isRetired = (book, key) =>
  compromisedFrom(book, key.keyId) !== null ||
  key.retirements.some(({ stamp, invalidFrom }) => invalidFrom === null && counts(book, stamp));
const maySign = (book, key) => !isRetired(book, key) && !isVoid(book, key.added);

/** What the register says of an institution; `before` asks for what it said for the entry at that index. */
function profileOf(book, issuer, before = Infinity) {
  const found = issuer.profiles.filter(({ stamp }) => stamp.index < before && counts(book, stamp));
  return found.some((entry) => entry.isAdmission) ? found.at(-1) : null;
}

const standingOf = (book, issuer) => issuer.standings.filter(({ stamp }) => counts(book, stamp)).at(-1) ?? null;

/** Who answers for an institution now: itself, or the end of the chain of successors. */
function livingEnd(book, did) {
  const seen = new Set([did]);
  for (;;) {
    const issuer = book.issuers.get(did);
    const last = issuer ? standingOf(book, issuer) : null;
    if (last?.kind !== "closed" || last.successor === null || seen.has(last.successor)) {
      return did;
    }
    did = last.successor;
    seen.add(did);
  }
}

// --- The effective state of a credential at a moment, by what was known at another -----------------------------------

/** The life that counts: the last that is known and not void, else the last known, else null. */
function lifeOf(book, credential, knownAt = null) {
  const known = credential.lives.filter(({ stamp }) => isKnown(stamp, knownAt));
  return known.filter(({ stamp }) => counts(book, stamp, knownAt)).at(-1) ?? known.at(-1) ?? null;
}

const changesThatCount = (book, life, knownAt = null) =>
  life.changes.filter(({ stamp }) => counts(book, stamp, knownAt));

const later = (one, other) => (one > other ? one : other);
const sooner = (one, other) => (one < other ? one : other);

function effective(book, credential, at, knownAt = null) {
  const life = lifeOf(book, credential, knownAt);
  if (!life) {
    return null;
  }
  const alone = effectiveAlone(book, life, at, knownAt);
  return alone.state === "active" && life.components.length ? withParts(book, life, alone, at, knownAt) : alone;
}

function effectiveAlone(book, life, at, knownAt) {
  const nothing = { creditsRemaining: 0, reason: null, replacedBy: null };
  if (!counts(book, life.stamp, knownAt)) {
    const since = compromisedFrom(book, life.stamp.keyId, knownAt) ?? life.stamp.receivedAt;
    return { ...nothing, state: "void", since, reason: "key-compromise" };
  }
  const done = changesThatCount(book, life, knownAt).filter((change) => change.effectiveAt <= at);
  const last = done.find((change) => change.kind === "revoked") ?? done.at(-1) ?? null;
  if (last && last.kind !== "reinstated") {
    return {
      state: last.kind,
      since: last.effectiveAt,
      creditsRemaining: 0,
      reason: last.reason,
      replacedBy: last.replacedBy,
    };
  }
  if (at < life.validFrom) {
    return { ...nothing, state: "not_yet_valid", since: sooner(life.validFrom, life.stamp.receivedAt) };
  }
  if (life.validUntil !== null && at >= life.validUntil) {
    return { ...nothing, state: "expired", since: life.validUntil };
  }
  const since = last ? later(life.validFrom, last.effectiveAt) : life.validFrom;
  return { ...nothing, state: "active", since, creditsRemaining: life.ectsHundredths };
}

function withParts(book, life, alone, at, knownAt) {
  const parts = life.components.map((id) => {
    const credential = book.credentials.get(id);
    return credential ? effective(book, credential, at, knownAt) : null;
  });
  const sum = parts.reduce((total, part) => total + (part ? part.creditsRemaining : 0), 0);
  const creditsRemaining = Math.min(life.ectsHundredths, sum);
  const fallen = parts.filter((part) => part?.state !== "active");
  if (!fallen.length) {
    return { ...alone, creditsRemaining };
  }
  const begins = fallen.filter(Boolean).map((part) => part.since);
  const since = begins.length ? begins.reduce(sooner) : life.validFrom;
  return { ...alone, state: "impaired", since: later(since, life.validFrom), creditsRemaining };
}

// --- May this event be appended now? ---------------------------------------------------------------------------------

const ADMITTED_FROM_2 = new Set([
  "issuer-admitted.v2",
  "issuer-key-added.v2",
  "credential-issued.v2",
  "credential-stacked.v2",
  "credentials-issued.v1",
  "credentials-revoked.v1",
  "credential-recognised.v2",
  "achievement-recognised.v1",
  "achievement-recognition-withdrawn.v1",
  "endorser-invited.v1",
  "endorser-uninvited.v1",
  "credential-endorsed.v1",
  "endorsement-withdrawn.v1",
]);
const ADMITTED_UP_TO_1 = new Set([
  "issuer-admitted.v1",
  "credential-issued.v1",
  "credential-stacked.v1",
  "credential-recognised.v1",
]);
const RECOVERY_MAY = new Set(["issuer-key-added.v1", "issuer-key-added.v2", "issuer-key-retired.v1"]);

const unknownRules = (detail, code = "unknown-rules") => new Problem(code, detail, { isUnknown: true });
const unknownPredecessor = (event) =>
  unknownRules(`${event.log} continues another log, whose final state is not known here`, "unknown-predecessor");

/** The key that the event is said to be signed with, if it may sign now. */
function signingKey(book, opened, receivedAt) {
  const { event, keyId } = opened;
  if (event.type === "log-opened.v1") {
    if (!event.predecessor) {
      const record = event.keys.find((each) => each.key_id === keyId);
      return record
        ? keyFrom(record, { index: 0, eventId: opened.eventId, keyId, receivedAt })
        : refuse("unknown-key", "The opening of a log is signed with one of the keys that it names");
    }
    if (!book.log) {
      throw unknownPredecessor(event);
    }
  }
  const key = book.key(keyId);
  if (!key) {
    refuse("unknown-key", `${keyId} is not on this log`);
  }
  if (!maySign(book, key)) {
    refuse("key-retired", `${keyId} was retired`);
  }
  if (receivedAt < key.usableFrom) {
    refuse("key-delayed", `${keyId} was added by the registrar and may sign from ${key.usableFrom}`);
  }
  return key;
}

const keyFrom = (record, stamp) => ({
  keyId: record.key_id,
  purpose: record.purpose,
  publicKey: record.public_key,
  added: stamp,
  usableFrom: stamp.receivedAt,
  retirements: [],
});

/** Admit the event at `index`, received at `receivedAt`, or refuse it; of many credentials those in `about` are judged. */
function decide(book, opened, index, receivedAt, about) {
  const { event } = opened;
  if (event.type === "log-opened.v1") {
    decideOpening(book, opened, index, receivedAt);
    return;
  }
  if (!book.log) {
    refuse("wrong-log", "This log has not been opened: its first entry is log-opened.v1");
  }
  const version = book.rulesVersionAt(index);
  if (!RULES_VERSIONS_KNOWN.has(version)) {
    throw unknownRules(`Entry ${index} is judged by rules version ${version}, which this page does not know`);
  }
  if (event.log !== book.log.origin) {
    refuse("wrong-log", `This log is ${book.log.origin}; the event was signed for ${event.log}`);
  }
  if (book.events.has(opened.eventId)) {
    refuse("already-on-log", "The same event stands on the log before");
  }
  if ((version < 2 && ADMITTED_FROM_2.has(event.type)) || (version > 1 && ADMITTED_UP_TO_1.has(event.type))) {
    refuse("rules-version", `${event.type} is not admitted by rules version ${version}`);
  }
  checkClaimedTime(book, event, receivedAt);
  const key = signingKey(book, opened, receivedAt);
  if (!(key.purpose === "event" || (key.purpose === "recovery" && RECOVERY_MAY.has(event.type)))) {
    refuse("key-purpose", `${key.keyId} is for ${key.purpose}`);
  }
  checkSpeaker(book, event, key);
  const ids = opened.credentialIds;
  const judged = about && ids.length > 1 ? ids.filter((id) => about.has(id)) : ids;
  decideEvent(book, opened, key, index, receivedAt, judged);
}

function decideOpening(book, opened, index, receivedAt) {
  const { event, keyId } = opened;
  if (index !== 0 || (book.log && !event.predecessor)) {
    refuse("already-exists", "The log is open already; a log has one opening, entry 0");
  }
  const recovery = event.keys.filter((key) => key.purpose === "recovery").length;
  const signing = event.keys.filter((key) => key.purpose === "event").length;
  if (recovery !== 1 || signing < 1 || signing !== event.keys.length - 1) {
    refuse("field", "A log is opened with one to three event keys and one recovery key");
  }
  if (!RULES_VERSIONS_KNOWN.has(event.rules_version)) {
    refuse("field", `Rules version ${event.rules_version} is not known here`);
  }
  if (event.predecessor) {
    decideSuccession(book, opened, receivedAt);
    return;
  }
  checkNewKeys(book, event.issuer, event.keys, event.keys.length);
  const signer = event.keys.find((key) => key.key_id === keyId);
  if (signer?.purpose !== "event" || `did:key:${signer.public_key}` !== event.issuer) {
    refuse("not-allowed", "The registrar is the did:key of the event key that signs the opening");
  }
}

function decideSuccession(book, { event, keyId }, receivedAt) {
  const before = book.log;
  if (!before) {
    throw unknownPredecessor(event);
  }
  if (before.origin !== event.predecessor.origin || event.log === before.origin) {
    refuse("wrong-log", `${event.log} continues ${event.predecessor.origin}, not ${before.origin}`);
  }
  if (event.rules_version < Math.max(...before.rules.map((rule) => rule.version))) {
    refuse("field", "The log that continues another opens with at least its rules version");
  }
  if (event.issuer !== before.registrar) {
    refuse("not-allowed", `${before.origin} is continued by its registrar, ${before.registrar}`);
  }
  for (const record of event.keys) {
    const key = book.key(record.key_id);
    const isSameKey = key?.purpose === record.purpose && key.publicKey === record.public_key;
    if (!isSameKey || !maySign(book, key) || receivedAt < key.usableFrom) {
      refuse("unknown-key", `${record.key_id} is no living key of ${before.origin}'s registrar`);
    }
  }
  if (!event.keys.some((key) => key.key_id === keyId && key.purpose === "event")) {
    refuse("not-allowed", "The opening is signed with one of the event keys that it names");
  }
}

const shifted = (moment, seconds) => new Date(Date.parse(moment) + seconds * SECOND_MS).toISOString();

function checkClaimedTime(book, event, receivedAt) {
  const { at_ahead_seconds_max: ahead, at_behind_seconds_max: behind } = book.log.parameters;
  if (event.at > shifted(receivedAt, ahead)) {
    refuse("event-ahead-of-time", `The event says ${event.at}, the log's clock ${receivedAt}`);
  }
  if (event.at < shifted(receivedAt, -behind)) {
    refuse("event-too-old", `The event says ${event.at}, the log's clock ${receivedAt}`);
  }
}

function checkSpeaker(book, event, key) {
  if (event.issuer === book.log.registrar) {
    return;
  }
  const speaker = admitted(book, event.issuer);
  if (key.purpose === "recovery" && event.type === "issuer-key-retired.v1") {
    return;
  }
  const last = standingOf(book, speaker);
  if (!last || last.kind === "reinstated") {
    return;
  }
  if (last.kind === "closed") {
    refuse("issuer-closed", `${event.issuer} was closed at ${last.stamp.receivedAt}`);
  }
  if (event.type === "credentials-revoked.v1") {
    return; // judged credential by credential
  }
  const isOwn = book.credentials.get(event.credential_id)?.issuer === event.issuer;
  if (!(["credential-revoked.v1", "credential-suspended.v1"].includes(event.type) && isOwn)) {
    refuse("speaker-suspended", `${event.issuer} is suspended since ${last.stamp.receivedAt}`);
  }
}

function admitted(book, did) {
  const issuer = book.issuers.get(did);
  if (!issuer || !profileOf(book, issuer)) {
    refuse("unknown-issuer", `${did} is not admitted to this log`);
  }
  return issuer;
}

function checkNotClosed(book, issuer) {
  const last = standingOf(book, issuer);
  if (last?.kind === "closed") {
    refuse("issuer-closed", `${issuer.did} was closed at ${last.stamp.receivedAt}`);
  }
}

const DECISIONS = {
  "credential-issued.v1": (book, event, ids) => decideIssue(book, event, ids[0]),
  "credential-issued.v2": (book, event, ids) => decideIssue(book, event, ids[0]),
  "credential-stacked.v1": (book, event, ids, { receivedAt }) => decideStack(book, event, ids[0], receivedAt),
  "credential-stacked.v2": (book, event, ids, { receivedAt }) => decideStack(book, event, ids[0], receivedAt),
  "credentials-issued.v1": decideIssues,
  "credentials-revoked.v1": (book, event, ids, { receivedAt }) => decideRevocations(book, event, ids, receivedAt),
  "credential-revoked.v1": (book, event, _, { receivedAt }) => decideChange(book, event, receivedAt),
  "credential-suspended.v1": (book, event, _, { receivedAt }) => decideChange(book, event, receivedAt),
  "credential-reinstated.v1": (book, event, _, { receivedAt }) => decideChange(book, event, receivedAt),
  "credential-recognised.v1": (book, event, _, { receivedAt }) => decideRecognition(book, event, receivedAt),
  "credential-recognised.v2": (book, event, _, { receivedAt }) => decideRecognitionForProgramme(book, event, receivedAt),
  "recognition-withdrawn.v1": (book, event, _, { index }) => decideWithdrawal(book, event, book.rulesVersionAt(index)),
  "achievement-recognised.v1": (book, event, _, { receivedAt }) => decideStandingDecision(book, event, receivedAt),
  "achievement-recognition-withdrawn.v1": (book, event) => decideStatementWithdrawal(book, event, "decision"),
  "endorser-invited.v1": decideInvitation,
  "endorser-uninvited.v1": (book, event) => decideStatementWithdrawal(book, event, "invitation"),
  "credential-endorsed.v1": (book, event, _, { receivedAt }) => decideEndorsement(book, event, receivedAt),
  "endorsement-withdrawn.v1": (book, event) => decideStatementWithdrawal(book, event, "endorsement"),
  "issuer-key-added.v1": (book, event, _, { key }) => decideKeyAddition(book, event, key),
  "issuer-key-added.v2": (book, event, _, { key }) => decideKeyAddition(book, event, key),
  "issuer-key-retired.v1": (book, event, _, context) => decideRetirement(book, event, context),
};
const REGISTRAR_DECISIONS = {
  "issuer-admitted.v1": decideAdmission,
  "issuer-admitted.v2": (book, event) => {
    decideAdmission(book, event);
    checkPrefixes(book, event);
  },
  "issuer-scope-changed.v1": (book, event) => {
    checkScope(event.scope);
    checkNotClosed(book, admitted(book, event.subject));
  },
  "issuer-suspended.v1": decideStanding,
  "issuer-reinstated.v1": decideStanding,
  "issuer-closed.v1": decideClosing,
  "rules-activated.v1": decideActivation,
};

function decideEvent(book, { event }, key, index, receivedAt, judged) {
  const decision = DECISIONS[event.type];
  if (decision) {
    decision(book, event, judged, { key, receivedAt, index });
    return;
  }
  if (event.issuer !== book.log.registrar) {
    refuse("not-allowed", `Only the registrar says ${event.type}`);
  }
  REGISTRAR_DECISIONS[event.type](book, event, index);
}

// --- Institutions and keys

function checkNewKeys(book, owner, records, limit) {
  const ring = book.issuers.get(owner);
  if ((ring?.keys.length ?? 0) + records.length > limit) {
    refuse("limit", `${owner} would have more keys than are kept`);
  }
  const names = new Set(records.map((each) => each.key_id));
  const bytes = new Set(records.map((each) => each.public_key));
  if (names.size + bytes.size !== 2 * records.length) {
    refuse("field", "Two of the keys are the same");
  }
  for (const record of records) {
    checkNewKey(book, owner, ring, record);
  }
}

function checkNewKey(book, owner, ring, record) {
  if (ownerOf(record.key_id) !== owner) {
    refuse("field", `${record.key_id} is not a key id of ${owner}`);
  }
  const isP256 = isP256Key(record.public_key);
  const mayBeP256 = ["assertion", "form"].includes(record.purpose) && !(book.log && owner === book.log.registrar);
  if (isP256 && !mayBeP256) {
    refuse("field", `${record.key_id} has to be an Ed25519 key`);
  }
  try {
    (isP256 ? checkP256Key : decodeEd25519Key)(record.public_key);
  } catch (problem) {
    refuse("field", problem.detail);
  }
  if (ring?.keys.some((key) => key.keyId === record.key_id)) {
    refuse("already-exists", `The key id ${record.key_id} is taken`);
  }
  if (book.log && book.publicKeys.has(record.public_key)) {
    refuse("already-exists", `The key ${record.public_key} is on the log already`);
  }
}

function decideKeyAddition(book, event, key) {
  if (event.subject !== book.log.registrar) {
    checkNotClosed(book, admitted(book, event.subject));
  }
  const isByRecovery = key.purpose === "recovery" && event.issuer === event.subject;
  const isByRegistrar = key.purpose === "event" && event.issuer === book.log.registrar;
  if (!isByRecovery && !isByRegistrar) {
    refuse("not-allowed", `A key of ${event.subject} is added by its recovery key or by the registrar`);
  }
  checkNewKeys(book, event.subject, [event.key], book.log.parameters.keys_per_issuer_max);
}

const RETIREMENTS_PER_KEY_MAX = 8;

function decideRetirement(book, event, { key, receivedAt }) {
  const retired = book.issuers.get(event.subject)?.keys.find((each) => each.keyId === event.key_id);
  if (!retired || ownerOf(event.key_id) !== event.subject) {
    refuse("unknown-key", `${event.key_id} is not a key of ${event.subject} on this log`);
  }
  const registrar = book.log.registrar;
  const isAbove = event.subject === registrar && retired.purpose === "recovery";
  const isRegistrar = event.issuer === registrar && key.purpose === "event" && !isAbove;
  const isRecovery = event.issuer === event.subject && key.purpose === "recovery";
  const isItself = event.reason === "rotated" && key.keyId === event.key_id;
  if (!isRegistrar && !isRecovery && !isItself) {
    refuse("not-allowed", `${event.key_id} is retired by the owner's recovery key or the registrar`);
  }
  if (event.issuer !== registrar && retired.retirements.length >= RETIREMENTS_PER_KEY_MAX) {
    refuse("limit", `${event.key_id} was retired as often as is kept`);
  }
  if (event.reason === "rotated") {
    if (event.invalid_from !== undefined) {
      refuse("field", "A rotated key was good until now: it has no invalid_from");
    }
    if (isRetired(book, retired)) {
      refuse("issuer-state", `${event.key_id} is retired already`);
    }
    return;
  }
  if (event.invalid_from === undefined) {
    refuse("field", "A compromised key needs invalid_from");
  }
  if (!(retired.added.receivedAt <= event.invalid_from && event.invalid_from <= receivedAt)) {
    refuse("effective-time", "invalid_from lies between the key's addition and now");
  }
  const known = compromisedFrom(book, retired.keyId);
  if (known !== null && known <= event.invalid_from) {
    refuse("issuer-state", `${retired.keyId} is condemned since ${known} already`);
  }
}

function decideAdmission(book, event) {
  const known = book.issuers.get(event.subject);
  if (event.subject === book.log.registrar || (known && profileOf(book, known))) {
    refuse("already-exists", `${event.subject} is admitted already`);
  }
  if (!event.keys.some((key) => key.purpose === "recovery")) {
    refuse("field", "An institution needs at least one recovery key");
  }
  checkScope(event.scope);
  checkNewKeys(book, event.subject, event.keys, book.log.parameters.keys_per_issuer_max);
}

const overlaps = (one, other) => one.startsWith(other) || other.startsWith(one);

function checkPrefixes(book, event) {
  for (const issuer of book.issuers.values()) {
    const known = issuer.did !== event.subject ? profileOf(book, issuer) : null;
    if (known && event.uri_prefixes.some((one) => known.uriPrefixes.some((other) => overlaps(one, other)))) {
      refuse("already-exists", `A URI prefix overlaps with one of ${issuer.did}`);
    }
  }
}

function checkScope(scope) {
  if (scope.eqf_min > scope.eqf_max) {
    refuse("field", "The scope's eqf_min is above its eqf_max");
  }
}

function decideStanding(book, event) {
  const issuer = admitted(book, event.subject);
  checkNotClosed(book, issuer);
  const isSuspended = standingOf(book, issuer)?.kind === "suspended";
  if (isSuspended === (event.type === "issuer-suspended.v1")) {
    refuse("issuer-state", `${event.subject} is ${isSuspended ? "" : "not "}suspended already`);
  }
}

function decideClosing(book, event) {
  checkNotClosed(book, admitted(book, event.subject));
  if (event.successor === undefined) {
    return;
  }
  if (event.successor === event.subject) {
    refuse("field", "An institution does not succeed itself");
  }
  checkNotClosed(book, admitted(book, event.successor));
}

const ACTIVATION_AHEAD_MAX = 100000;

function decideActivation(book, event, index) {
  const { rules } = book.log;
  if (event.version !== Math.max(...rules.map((rule) => rule.version)) + 1) {
    refuse("field", "This is not the next version of the rules");
  }
  if (event.from_index <= index) {
    refuse("effective-time", "from_index lies after this entry's own index");
  }
  const isBounded = book.rulesVersionAt(index) > 1;
  const earlier = Math.max(...rules.map((rule) => rule.fromIndex));
  if (isBounded && (event.from_index > index + ACTIVATION_AHEAD_MAX || event.from_index <= earlier)) {
    refuse("effective-time", "from_index is near, and after every earlier activation");
  }
}

// --- Credentials

function institution(book, did) {
  if (did === book.log.registrar) {
    refuse("not-allowed", "The registrar is no institution: it neither issues nor recognises");
  }
  const issuer = book.issuers.get(did);
  const known = issuer ? profileOf(book, issuer) : null;
  if (!known) {
    refuse("unknown-issuer", `${did} is not an institution on this log`);
  }
  return known;
}

function checkPrefix(known, did, uri) {
  if (!known.uriPrefixes.some((prefix) => uri.startsWith(prefix))) {
    refuse("out-of-scope", `${uri} is not under a URI prefix that ${did} registered`);
  }
}

function checkMayIssue(book, event) {
  const known = institution(book, event.issuer);
  const { scope } = known;
  if (!(isStack(event) ? scope.may_stack : scope.may_issue)) {
    refuse("out-of-scope", `${event.issuer} may not ${isStack(event) ? "stack" : "issue"} on this log`);
  }
  checkWithinScope(event, scope);
  checkPrefix(known, event.issuer, event.achievement);
  if (event.valid_until !== undefined && event.valid_until <= event.valid_from) {
    refuse("effective-time", "valid_until lies after valid_from");
  }
}

function checkWithinScope(event, scope) {
  if (event.eqf_level !== undefined && (event.eqf_level < scope.eqf_min || event.eqf_level > scope.eqf_max)) {
    refuse("out-of-scope", `EQF level ${event.eqf_level} is outside this institution's`);
  }
  if (event.ects_hundredths > scope.ects_hundredths_max) {
    refuse("out-of-scope", `${event.ects_hundredths / 100} ECTS is above this institution's`);
  }
}

function checkIdIsFree(book, event, id) {
  const known = book.credentials.get(id);
  if (!known) {
    return;
  }
  if (known.issuer !== event.issuer || known.lives.some((life) => !isVoid(book, life.stamp))) {
    refuse("already-exists", `The credential ${id} is on the log`);
  }
  if (String(event.components ?? []) !== String(known.lives[0].components)) {
    refuse("stack", "A credential that is issued again has the components that it had");
  }
  if (changesThatCount(book, known.lives.at(-1)).some((change) => change.kind === "revoked")) {
    refuse("credential-state", `The credential ${id} was revoked, which is final, though its issue is void`);
  }
}

function decideIssue(book, event, id) {
  checkMayIssue(book, event);
  checkIdIsFree(book, event, id);
}

const isSorted = (names) => names.every((name, place) => place === 0 || names[place - 1] < name);

function judgeEach(ids, judge) {
  const refused = [];
  for (const id of ids) {
    try {
      judge(id);
    } catch (problem) {
      if (!(problem instanceof Refusal)) {
        throw problem;
      }
      refused.push(`${id} (${problem.code})`);
    }
  }
  if (refused.length) {
    refuse("credentials-refused", `Of the credentials of this event are refused: ${refused.join(", ")}`);
  }
}

function decideIssues(book, event, ids) {
  checkMayIssue(book, event);
  if (!isSorted(event.commitments)) {
    refuse("field", "Commitments are sorted and distinct");
  }
  judgeEach(ids, (id) => checkIdIsFree(book, event, id));
}

const levelOf = (lives) => 1 + Math.max(...lives.map((life) => life.level));
const flattened = (components, lives) => [...components, ...lives.flatMap((life) => life.parts)];

function decideStack(book, event, id, receivedAt) {
  decideIssue(book, event, id);
  const { components } = event;
  if (!isSorted(components) || components.includes(id)) {
    refuse("stack", "Components are sorted, distinct and not the stack itself");
  }
  const lives = components.map((part) => activeLife(book, part, receivedAt));
  const { stack_levels_max: levels, parts_per_stack_max: most } = book.log.parameters;
  const parts = flattened(components, lives);
  if (levelOf(lives) > levels || parts.length > most) {
    refuse("stack", "The stack has too many levels or parts");
  }
  if (new Set(parts).size !== parts.length || parts.includes(id)) {
    refuse("stack", "A credential would count twice inside the stack");
  }
  if (event.ects_hundredths > lives.reduce((sum, life) => sum + life.ectsHundredths, 0)) {
    refuse("stack", "The stack declares more credits than its components sum to");
  }
}

function knownCredential(book, id) {
  return book.credentials.get(id) ?? refuse("unknown-credential", `The credential ${id} is not on this log`);
}

const countingLife = (book, credential) => lifeOf(book, credential) ?? credential.lives.at(-1);

function activeLife(book, id, receivedAt) {
  const credential = knownCredential(book, id);
  const now = effective(book, credential, receivedAt);
  if (now.state !== "active") {
    refuse("credential-state", `The credential ${id} is ${now.state} since ${now.since}, not active`);
  }
  return countingLife(book, credential);
}

function decideChange(book, event, receivedAt) {
  checkChange(book, event, knownCredential(book, event.credential_id), receivedAt);
  if (event.replaced_by !== undefined && event.replaced_by === event.credential_id) {
    refuse("field", "A credential does not replace itself");
  }
}

function decideRevocations(book, event, ids, receivedAt) {
  if (!isSorted(event.credential_ids)) {
    refuse("field", "Credential ids are sorted and distinct");
  }
  const first = ids.map((id) => book.credentials.get(id)).find(Boolean);
  const achievement = first ? countingLife(book, first).achievement : null;
  judgeEach(ids, (id) => {
    const credential = knownCredential(book, id);
    checkNotSuspended(book, event, credential);
    checkChange(book, event, credential, receivedAt);
    if (countingLife(book, credential).achievement !== achievement) {
      refuse("field", `The credential is not of the achievement ${achievement}`);
    }
  });
}

function checkNotSuspended(book, event, credential) {
  const speaker = book.issuers.get(event.issuer);
  if (!speaker || event.issuer === book.log.registrar || event.issuer === credential.issuer) {
    return;
  }
  if (standingOf(book, speaker)?.kind === "suspended") {
    refuse("speaker-suspended", `${event.issuer} is suspended`);
  }
}

const isRevocation = (event) => ["credential-revoked.v1", "credentials-revoked.v1"].includes(event.type);

function checkChange(book, event, credential, receivedAt) {
  const life = countingLife(book, credential);
  checkMayChange(book, event, credential, life);
  checkState(book, event, credential, life, receivedAt);
  const done = changesThatCount(book, life);
  const earliest = done.reduce(
    (latest, change) => later(latest, change.effectiveAt),
    sooner(life.validFrom, life.stamp.receivedAt),
  );
  if (!(earliest <= event.effective_at && event.effective_at <= receivedAt)) {
    refuse("effective-time", `effective_at lies between ${earliest} and ${receivedAt}`);
  }
  if (book.log.parameters.transitions_per_credential_max - done.length < (isRevocation(event) ? 1 : 2)) {
    refuse("limit", "This credential has had as many transitions as are kept");
  }
}

function checkMayChange(book, event, credential, life) {
  const registrar = book.log.registrar;
  if (![credential.issuer, registrar, livingEnd(book, credential.issuer)].includes(event.issuer)) {
    refuse("not-allowed", `Only ${credential.issuer}, its successor or the registrar may do this`);
  }
  if (event.type === "credential-reinstated.v1" && event.issuer !== registrar) {
    const last = changesThatCount(book, life).findLast((change) => change.kind === "suspended");
    const who = last ? ownerOf(last.stamp.keyId) : event.issuer;
    if (event.issuer !== who && event.issuer !== livingEnd(book, who)) {
      refuse("not-allowed", `${who} suspended it; only they or the registrar may reinstate`);
    }
  }
}

function checkState(book, event, credential, life, receivedAt) {
  const state =
    event.type === "credential-suspended.v1"
      ? effective(book, credential, receivedAt).state
      : standingState(book, life);
  const isAllowed = isRevocation(event)
    ? !["revoked", "void"].includes(state)
    : state === (event.type === "credential-suspended.v1" ? "active" : "suspended");
  if (!isAllowed) {
    refuse("credential-state", `The credential is ${state}: ${event.type} needs another state`);
  }
}

function standingState(book, life) {
  if (isVoid(book, life.stamp)) {
    return "void";
  }
  const done = changesThatCount(book, life);
  if (done.some((change) => change.kind === "revoked")) {
    return "revoked";
  }
  return done.at(-1)?.kind === "suspended" ? "suspended" : "active";
}

// --- What an admitted event changes in the book ----------------------------------------------------------------------

const ISSUES = new Set([
  "credential-issued.v1",
  "credential-issued.v2",
  "credentials-issued.v1",
  "credential-stacked.v1",
  "credential-stacked.v2",
]);
const CHANGE_KINDS = {
  "credential-revoked.v1": "revoked",
  "credentials-revoked.v1": "revoked",
  "credential-suspended.v1": "suspended",
  "credential-reinstated.v1": "reinstated",
};

/** Write what the event at `index` says into the book, of those in `about`, and return its stamp. */
function evolve(book, opened, index, receivedAt, about) {
  const { event } = opened;
  const first = (book.log?.firstStamp ?? 0) + (event.predecessor ? event.predecessor.size : 0);
  const stamp = { index: first + index, eventId: opened.eventId, keyId: opened.keyId, receivedAt };
  const { credentialIds: ids } = opened;
  const subjects = !about || ids.length === 1 ? ids : ids.filter((id) => about.has(id));
  if (event.type === "log-opened.v1") {
    openLog(book, event, stamp);
  } else if (ISSUES.has(event.type)) {
    subjects.forEach((id) => putIssue(book, event, id, stamp));
  } else if (CHANGE_KINDS[event.type]) {
    subjects.forEach((id) => putChange(book, event, id, stamp));
  } else if (putStatement(book, event, stamp)) {
    // it stands until it is withdrawn
  } else if (event.type === "rules-activated.v1") {
    book.log.rules.push({ stamp, version: event.version, fromIndex: event.from_index });
  } else {
    book.putIssuer(issuerAfter(book, event, stamp));
  }
  book.events.set(opened.eventId, index);
  return stamp;
}

function openLog(book, event, stamp) {
  book.log = {
    origin: event.log,
    registrar: event.issuer,
    parameters: event.parameters,
    rules: [{ stamp, version: event.rules_version, fromIndex: 0 }],
    predecessor: event.predecessor ?? null,
    firstStamp: stamp.index,
  };
  if (!event.predecessor) {
    const keys = event.keys.map((record) => keyFrom(record, stamp));
    book.putIssuer({ did: event.issuer, profiles: [], standings: [], keys });
  }
}

function putIssue(book, event, id, stamp) {
  const components = event.components ?? [];
  const lives = components.map((part) => lifeOf(book, book.credentials.get(part)));
  const before = book.credentials.get(id)?.lives ?? [];
  const life = {
    stamp,
    achievement: event.achievement,
    ectsHundredths: event.ects_hundredths,
    eqfLevel: event.eqf_level ?? null,
    validFrom: event.valid_from,
    validUntil: event.valid_until ?? null,
    components,
    parts: flattened(components, lives),
    level: lives.length ? levelOf(lives) : 0,
    changes: before.at(-1)?.changes ?? [],
  };
  const issuer = before.length ? ownerOf(before[0].stamp.keyId) : event.issuer;
  book.credentials.set(id, { id, issuer, lives: [...before, life] });
}

function putChange(book, event, id, stamp) {
  const change = {
    stamp,
    kind: CHANGE_KINDS[event.type],
    reason: event.reason,
    effectiveAt: event.effective_at,
    replacedBy: event.replaced_by ?? null,
  };
  const known = book.credentials.get(id);
  const lives = known.lives.map((life) => ({ ...life, changes: [...life.changes, change] }));
  book.credentials.set(id, { ...known, lives });
}

function issuerAfter(book, event, stamp) {
  const issuer = book.issuers.get(event.subject) ?? { did: event.subject, profiles: [], standings: [], keys: [] };
  const stands = (kind, successor = null) => ({
    ...issuer,
    standings: [...issuer.standings, { stamp, kind, successor }],
  });
  switch (event.type) {
    case "issuer-admitted.v1":
    case "issuer-admitted.v2": {
      const profile = {
        stamp,
        isAdmission: true,
        legalName: event.legal_name,
        country: event.country,
        uriPrefixes: event.uri_prefixes,
        scope: event.scope,
        accreditation: event.accreditation,
      };
      const keys = event.keys.map((record) => keyFrom(record, stamp));
      return { ...issuer, profiles: [...issuer.profiles, profile], keys: [...issuer.keys, ...keys] };
    }
    case "issuer-scope-changed.v1": {
      const current = profileOf(book, issuer);
      const accreditation = event.accreditation ?? current.accreditation;
      const profile = { ...current, stamp, isAdmission: false, scope: event.scope, accreditation };
      return { ...issuer, profiles: [...issuer.profiles, profile] };
    }
    case "issuer-key-added.v1":
    case "issuer-key-added.v2": {
      const signer = book.key(stamp.keyId);
      const isAtOnce = signer?.purpose === "recovery" && event.issuer === event.subject;
      const delay = book.log.parameters.registrar_key_delay_seconds;
      const usableFrom = isAtOnce ? stamp.receivedAt : shifted(stamp.receivedAt, delay);
      return { ...issuer, keys: [...issuer.keys, { ...keyFrom(event.key, stamp), usableFrom }] };
    }
    case "issuer-key-retired.v1": {
      const retirement = { stamp, invalidFrom: event.invalid_from ?? null };
      const keys = issuer.keys.map((key) =>
        key.keyId === event.key_id ? { ...key, retirements: [...key.retirements, retirement] } : key,
      );
      return { ...issuer, keys };
    }
    case "issuer-suspended.v1":
      return stands("suspended");
    case "issuer-reinstated.v1":
      return stands("reinstated");
    default:
      return stands("closed", event.successor ?? null);
  }
}
