// A credential document (Verifiable Credentials 2.0, Open Badges 3.0): what makes its id, what it claims, what it says.
// `EU_TERMS` stands above: the IRIs of what Open Badges has no term for, which terms are references, and texts by language.

const NAME_OF = new Map(Object.entries(EU_TERMS.iris).map(([name, iri]) => [iri, name]));
const REFERENCES = new Set(EU_TERMS.references);
const BY_LANGUAGE = new Set(EU_TERMS.byLanguage);

const notABadge = (detail) => new Problem("not-an-open-badge", detail);

/** Return the document without its proof: what its digest covers. */
function withoutProof(document) {
  const { proof, ...body } = document;
  return body;
}

const documentDigest = (document) => sha256(encodeText(canonicalJson(withoutProof(document))));

const CLAIMS_ROOT = /^[0-9a-f]{64}$/;

/** Return the claims root that a document of rules version 2 says, null for one of version 1. */
function claimsRootOf(document) {
  const root = document[EU_TERMS.iris.claimsRoot] ?? null;
  if (root !== null && !(typeof root === "string" && CLAIMS_ROOT.test(root))) {
    throw notABadge("The claims root is 64 lower-case hexadecimal digits");
  }
  return root;
}

/** Return the id that issuer and document make: under rules version 1, or where it says a claims root, under version 2. */
async function credentialIdOf(document, issuer) {
  const digest = await documentDigest(document);
  const root = claimsRootOf(document);
  if (root === null) {
    return hexOf(await sha256(encodeText(`credentify/credential/v1\n${issuer}\n${hexOf(digest)}`)));
  }
  const head = encodeText("credentify/commitment/v2\n");
  const commitment = hexOf(await sha256(joined(head, digest, bytesOfHex(root))));
  return committedId(issuer, commitment);
}

const referenceIn = (value) => (isObject(value) && Object.keys(value).join() === "id" ? value.id : value);

/** Return what an object says under a short name or its IRI; undefined for nothing. Said under both, it is refused. */
function stated(node, name) {
  const iri = EU_TERMS.iris[name];
  if (Object.hasOwn(node, iri) && Object.hasOwn(node, name)) {
    throw notABadge(`${name} is said under two names`);
  }
  const value = Object.hasOwn(node, iri) ? node[iri] : node[name];
  return REFERENCES.has(name) ? referenceIn(value) : value;
}

const VC_CONTEXT = "https://www.w3.org/ns/credentials/v2";
const OPEN_BADGES_CONTEXT = "https://purl.imsglobal.org/spec/ob/v3p0/context";

/** Return what a document claims that its event says too, read strictly: what is not of this form is refused. */
function claimsOf(document) {
  if (!isObject(document)) {
    throw notABadge("The document is not a JSON object");
  }
  const contexts = document["@context"];
  const types = document.type;
  if (!Array.isArray(contexts) || contexts[0] !== VC_CONTEXT) {
    throw notABadge(`The first @context must be ${VC_CONTEXT} (VC 2.0)`);
  }
  if (!contexts.some((each) => typeof each === "string" && each.startsWith(OPEN_BADGES_CONTEXT))) {
    throw notABadge("No @context of Open Badges 3.0 is named");
  }
  const isBadge = (type) => ["OpenBadgeCredential", "AchievementCredential"].includes(type);
  if (!Array.isArray(types) || !types.includes("VerifiableCredential") || !types.some(isBadge)) {
    throw notABadge("type must be a list with VerifiableCredential and OpenBadgeCredential");
  }
  const subject = memberObject(document, "credentialSubject");
  const achievement = memberObject(subject, "achievement");
  const validFrom = memberMoment(document, "validFrom");
  const validUntil = Object.hasOwn(document, "validUntil") ? memberMoment(document, "validUntil") : null;
  memberText(document, "id");
  const claimed = {
    issuer: matching(DID, isObject(document.issuer) ? memberText(document.issuer, "id") : document.issuer),
    achievement: matching(URI, memberText(achievement, "id")),
    ectsHundredths: creditsClaimed(subject, achievement),
    eqfLevel: levelClaimed(achievement),
    validFrom,
    validUntil,
    components: componentsClaimed(subject),
  };
  checkDay(stated(document, "validFromDay"), validFrom, 0);
  checkDay(stated(document, "validUntilDay"), validUntil, 1);
  claimsRootOf(document);
  return claimed;
}

function memberObject(parent, name) {
  return isObject(parent[name]) ? parent[name] : refuseMember(name, "an object");
}

function memberText(parent, name) {
  return typeof parent[name] === "string" && parent[name] ? parent[name] : refuseMember(name, "a text");
}

function refuseMember(name, what) {
  throw notABadge(`${name} is missing, or not ${what}`);
}

function matching(pattern, value) {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw notABadge("The document names no institution or achievement as it should");
  }
  return value;
}

const TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]+))?(Z|z|[+-][0-9]{2}:?[0-9]{2})$/;

/** Return a time of the document in UTC, cut to milliseconds. */
function memberMoment(parent, name) {
  const found = TIME.exec(memberText(parent, name));
  const [, day, minutes, seconds = ":00", fraction = "", zone] = found ?? [];
  const offset = zone === undefined || /z/i.test(zone) ? "Z" : `${zone.slice(0, 3)}:${zone.slice(-2)}`;
  const time = new Date(`${day}T${minutes}${seconds}.${fraction.padEnd(3, "0").slice(0, 3)}${offset}`);
  const isDay = found && new Date(`${day}T00:00:00.000Z`).getUTCDate() === Number(day.slice(8));
  if (!isDay || Number.isNaN(time.getTime())) {
    throw notABadge(`${name} is not a time, as in 2026-11-23T10:00:00Z`);
  }
  return time.toISOString();
}

const DAY = /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$/;
const DAY_MS = 86400 * SECOND_MS;

/** A day as it was written is the day of its moment in some zone of the world, or the document is refused. */
function checkDay(written, moment, daysLater) {
  if (written === undefined || written === null) {
    return;
  }
  const begins = typeof written === "string" && DAY.test(written) ? Date.parse(`${written}T00:00:00.000Z`) : NaN;
  const apart = moment === null ? NaN : Math.abs(Date.parse(moment) - begins - daysLater * DAY_MS);
  if (!(apart <= (14 / 24) * DAY_MS)) {
    throw notABadge("A day of validity is no day of its moment");
  }
}

function hundredthsOf(value) {
  const exact = typeof value === "number" ? decimalHundredths(value) : null;
  if (exact === null || exact > 100000) {
    throw notABadge("Credits are a number with at most two decimals");
  }
  return exact;
}

/** Return a number in hundredths where that is exact as it is written, else null. */
function decimalHundredths(value) {
  const found = /^([0-9]+)(?:\.([0-9]{1,2}))?$/.exec(String(value));
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0")) : null;
}

function creditsClaimed(subject, achievement) {
  if (Object.hasOwn(subject, "creditsEarned")) {
    return hundredthsOf(subject.creditsEarned);
  }
  const name = ["creditsAvailable", "ECTS"].find((each) => Object.hasOwn(achievement, each));
  return name ? hundredthsOf(achievement[name]) : 0;
}

const EQF_URI = /^http:\/\/data\.europa\.eu\/snb\/eqf\/([1-8])$/;

function levelClaimed(achievement) {
  const alignments = achievement.alignment ?? [];
  if (!Array.isArray(alignments)) {
    throw notABadge("alignment must be a list");
  }
  const found = alignments
    .filter((item) => isObject(item) && item.targetType === "ext:EQF")
    .map((item) => (/^[1-8]$/.test(String(item.targetCode)) ? Number(item.targetCode) : refuseMember("targetCode", "an EQF level")));
  const written = stated(achievement, "eqfLevel");
  if (written !== undefined && written !== null) {
    found.push(Number(EQF_URI.exec(String(written))?.[1] ?? refuseMember("eqfLevel", "the URI of an EQF level")));
  }
  if (new Set(found).size > 1) {
    throw notABadge("Two different EQF levels are stated");
  }
  return found[0] ?? null;
}

function componentsClaimed(subject) {
  const items = stated(subject, "component");
  if (items === undefined || items === null) {
    return [];
  }
  if (!Array.isArray(items)) {
    throw notABadge("component must be a list");
  }
  const ids = items.map((item) => (isObject(item) ? stated(item, "credentialId") : null));
  if (ids.some((id) => typeof id !== "string" || !HEX_256.test(id))) {
    throw notABadge("A component is named by its credential id of 64 hexadecimal digits");
  }
  return ids.sort();
}

/** The names of what document and issue say differently; none if they agree. */
function differences(claimed, life, issuer) {
  const pairs = {
    issuer: [claimed.issuer, issuer],
    achievement: [claimed.achievement, life.achievement],
    credits: [claimed.ectsHundredths, life.ectsHundredths],
    "EQF level": [claimed.eqfLevel, life.eqfLevel],
    "valid from": [claimed.validFrom, life.validFrom],
    "valid until": [claimed.validUntil, life.validUntil],
    components: [claimed.components.join(), [...life.components].sort().join()],
  };
  return Object.keys(pairs).filter((name) => pairs[name][0] !== pairs[name][1]);
}

/** Return the faults of a document beside what its bundle proves. */
async function documentFaults(document, bundle, proven) {
  let claimed;
  let credentialId;
  try {
    claimed = claimsOf(document);
    credentialId = await credentialIdOf(document, claimed.issuer);
  } catch (problem) {
    return [faultOf("document", codeOf(problem), `The document cannot be read: ${problem.detail}`)];
  }
  if (credentialId !== bundle.credential_id) {
    const detail = "The document was altered, or this bundle belongs to another one";
    return [faultOf("document", "other-document", detail)];
  }
  const life = proven.credential ? lifeOf(proven.book, proven.credential) : null;
  const fields = life ? differences(claimed, life, ownerOf(life.stamp.keyId)) : [];
  const detail = `The document and the institution's own entry disagree about: ${fields.join(", ")}`;
  return fields.length ? [faultOf("document", "document-differs", detail)] : [];
}

// --- What a document says, for people: total, so that whatever is missing or of another form is left out ---------------

const textIn = (value) => (typeof value === "string" && value.trim() ? value.slice(0, 10000) : null);
const objectIn = (value) => (isObject(value) ? value : {});
const objectsIn = (value) => (Array.isArray(value) ? value : [value]).slice(0, 64).filter(isObject);

/** Return JSON of a document with short names in place of IRIs. */
function named(value) {
  if (Array.isArray(value)) {
    return value.map(named);
  }
  if (!isObject(value)) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([iri, inside]) => {
      const name = NAME_OF.get(iri);
      if (name === undefined) {
        return [iri, named(inside)];
      }
      if (BY_LANGUAGE.has(name)) {
        const texts = objectsIn(inside).filter((each) => typeof each["@language"] === "string");
        return [name, Object.fromEntries(texts.map((each) => [each["@language"], each["@value"]]))];
      }
      const reference = (each) => (REFERENCES.has(name) ? referenceIn(each) : named(each));
      return [name, Array.isArray(inside) ? inside.map(reference) : reference(inside)];
    }),
  );
}

/** Return the texts of an element by language; where there is but one, under the language of the achievement. */
function textsIn(holder, name, plain, language) {
  const byLanguage = objectIn(holder[`${name}ByLanguage`] ?? holder[name]);
  const found = Object.entries(byLanguage).filter(([, text]) => textIn(text));
  const only = textIn(holder[plain]);
  return found.length ? Object.fromEntries(found) : only ? { [language]: only } : {};
}

/** Return what a document says of its holder, its achievement and its result. */
function contentOf(document) {
  const body = named(document);
  const subject = objectIn(body.credentialSubject);
  const achievement = objectIn(subject.achievement);
  const language = textIn(achievement.inLanguage) ?? "und";
  const level = EQF_URI.exec(textIn(achievement.eqfLevel) ?? "");
  const schemes = new Map(objectsIn(achievement.resultDescription).map((each) => [each.id, each]));
  const identity = objectsIn(subject.identifier).find((each) => each.identityType === "name" && each.hashed === false);
  const names = [textIn(subject.givenName), textIn(subject.familyName)].filter(Boolean).join(" ");
  const criteria = textsIn(achievement, "criteria", "", language);
  const said = textIn(objectIn(achievement.criteria).narrative);
  const title = textsIn(achievement, "title", "name", language);
  const own = textIn(body.name);
  return {
    language,
    title: Object.keys(title).length || !own ? title : { [language]: own },
    description: textsIn(achievement, "description", "description", language),
    criteria: achievement.criteriaByLanguage ? criteria : said ? { [language]: said } : {},
    holder: names || textIn(identity?.identityHash) || textIn(subject.name),
    dateOfBirth: textIn(subject.dateOfBirth),
    issuerName: textIn(objectIn(body.issuer).name),
    awardedAt: textIn(body.awardedDate),
    validFrom: textIn(body.validFromDay) ?? textIn(body.validFrom),
    validUntil: textIn(body.validUntilDay) ?? textIn(body.validUntil),
    workloadHours: Number.isInteger(achievement.workloadHours) ? achievement.workloadHours : null,
    eqfLevel: level ? Number(level[1]) : null,
    outcomes: objectsIn(achievement.learningOutcome).map((each) => textsIn(each, "title", "name", language)),
    skills: objectsIn(achievement.alignment)
      .filter((each) => each.targetType === "ext:ESCO" && textIn(each.targetName))
      .map((each) => each.targetName),
    results: objectsIn(subject.result)
      .map((each) => ({ value: textIn(each.value), scheme: textIn(objectIn(schemes.get(each.resultDescription)).name) }))
      .filter((each) => each.value),
  };
}
