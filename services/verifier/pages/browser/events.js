// What can be said on the log: the form of each event, read strictly. Knows nothing of who may say it when.

const EVENT_BYTES_MAX = 42000;
const GROUP_MAX = 256;
const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

// A form takes a value and what it is called, and refuses what is not of it.
const textForm = (pattern, max) => (value, name) => {
  if (typeof value !== "string" || [...value].length > max || !pattern.test(value)) {
    throw invalid(`${name} has another form than it should`);
  }
};
const integerForm = (least, most) => (value, name) => {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalid(`${name} is a whole number from ${least} to ${most}`);
  }
};
const choiceForm = (...choices) => (value, name) => {
  if (!choices.includes(value)) {
    throw invalid(`${name} is one of ${choices.join(", ")}`);
  }
};
const flagForm = (value, name) => {
  if (typeof value !== "boolean") {
    throw invalid(`${name} is true or false`);
  }
};
const listForm = (form, least, most) => (value, name) => {
  if (!Array.isArray(value) || value.length < least || value.length > most) {
    throw invalid(`${name} is a list of ${least} to ${most}`);
  }
  value.forEach((item, place) => form(item, `${name}/${place}`));
};
/** A record has its members and no other; a name that ends in "?" may be absent. */
const recordForm = (members) => {
  const forms = Object.entries(members).map(([name, form]) => [name.replace("?", ""), form, name.endsWith("?")]);
  const known = new Set(forms.map(([name]) => name));
  return (value, called) => {
    if (!isObject(value)) {
      throw invalid(`${called} is an object`);
    }
    const stranger = Object.keys(value).find((name) => !known.has(name));
    if (stranger !== undefined) {
      throw invalid(`${called} has an unknown member`);
    }
    for (const [name, form, isOptional] of forms) {
      if (Object.hasOwn(value, name)) {
        form(value[name], `${called}/${name}`);
      } else if (!isOptional) {
        throw invalid(`${called} lacks ${name}`);
      }
    }
  };
};

const MOMENT =
  /^(19[7-9][0-9]|[2-8][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$/;
const isMoment = (text) => {
  const time = MOMENT.test(text) ? new Date(text) : null;
  return time !== null && !Number.isNaN(time.getTime()) && time.toISOString() === text;
};
const momentForm = (value, name) => {
  if (typeof value !== "string" || !isMoment(value)) {
    throw invalid(`${name} is no time that exists`);
  }
};

const DID = /^did:(web|key):[A-Za-z0-9.%_:-]{1,220}$/;
const URI = /^https?:\/\/[!-~]{1,490}$/;
const HEX_256 = /^[0-9a-f]{64}$/;
const didForm = textForm(DID, 240);
const keyIdForm = textForm(/^did:(web|key):[A-Za-z0-9.%_:-]{1,220}#[A-Za-z0-9._-]{1,64}$/, 300);
const ed25519KeyForm = textForm(/^z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/, 48);
const anyKeyForm = textForm(/^(z6Mk[1-9A-HJ-NP-Za-km-z]{44}|zDn[1-9A-HJ-NP-Za-km-z]{46})$/, 49);
const originForm = textForm(/^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,199}$/, 200);
const hexForm = textForm(HEX_256, 64);
const uriForm = textForm(URI, 500);
const nameForm = textForm(/^[^\x00-\x1f\x7f]+$/, 200);
const ectsForm = integerForm(0, 100000);
const eqfForm = integerForm(1, 8);
const reasonForm = choiceForm("error", "superseded", "withdrawn", "invalidated", "legal-order", "key-compromise");
const keyForm = recordForm({
  key_id: keyIdForm,
  purpose: choiceForm("event", "assertion", "recovery"),
  public_key: ed25519KeyForm,
});
const keyFormV2 = recordForm({
  key_id: keyIdForm,
  purpose: choiceForm("event", "assertion", "recovery", "form"),
  public_key: anyKeyForm,
});
const scopeForm = recordForm({
  eqf_min: eqfForm,
  eqf_max: eqfForm,
  ects_hundredths_max: ectsForm,
  may_issue: flagForm,
  may_stack: flagForm,
  may_recognise: flagForm,
});
const accreditationForm = recordForm({ body: nameForm, url: uriForm, "until?": momentForm });
const parametersForm = recordForm({
  registrar_key_delay_seconds: integerForm(0, 31536000),
  at_ahead_seconds_max: integerForm(0, 86400),
  at_behind_seconds_max: integerForm(60, 31536000),
  keys_per_issuer_max: integerForm(2, 64),
  transitions_per_credential_max: integerForm(2, 64),
  parts_per_stack_max: integerForm(2, 256),
  stack_levels_max: integerForm(1, 3),
});
const predecessorForm = recordForm({ origin: originForm, size: integerForm(1, INTEGER_MAX), root_hash: hexForm });
const admissionMembers = (key) => ({
  subject: didForm,
  legal_name: nameForm,
  country: textForm(/^[A-Z]{2}$/, 2),
  uri_prefixes: listForm(textForm(/^https?:\/\/[!-~]{1,300}\/$/, 310), 1, 16),
  keys: listForm(key, 2, 16),
  scope: scopeForm,
  accreditation: accreditationForm,
});
const ISSUE_MEMBERS = {
  achievement: uriForm,
  ects_hundredths: ectsForm,
  "eqf_level?": eqfForm,
  valid_from: momentForm,
  "valid_until?": momentForm,
};
const COMPONENTS = { components: listForm(hexForm, 2, 64) };
const CHANGE_MEMBERS = { credential_id: hexForm, reason: reasonForm, effective_at: momentForm };
const DECISION_MEMBERS = {
  decision: choiceForm("full", "partial"),
  ects_hundredths: ectsForm,
  "eqf_level?": eqfForm,
  programme: uriForm,
};
const RECOGNITION_MEMBERS = { credential_id: hexForm, ...DECISION_MEMBERS };
const roleForm = choiceForm("joint-award", "quality");

const EVENT_MEMBERS = {
  "log-opened.v1": {
    keys: listForm(keyForm, 2, 4),
    rules_version: integerForm(1, 1000000),
    parameters: parametersForm,
    "predecessor?": predecessorForm,
  },
  "issuer-admitted.v1": admissionMembers(keyForm),
  "issuer-admitted.v2": admissionMembers(keyFormV2),
  "issuer-scope-changed.v1": { subject: didForm, scope: scopeForm, "accreditation?": accreditationForm },
  "issuer-key-added.v1": { subject: didForm, key: keyForm },
  "issuer-key-added.v2": { subject: didForm, key: keyFormV2 },
  "issuer-key-retired.v1": {
    subject: didForm,
    key_id: keyIdForm,
    reason: choiceForm("rotated", "compromised"),
    "invalid_from?": momentForm,
  },
  "issuer-suspended.v1": { subject: didForm },
  "issuer-reinstated.v1": { subject: didForm },
  "issuer-closed.v1": { subject: didForm, "successor?": didForm },
  "credential-issued.v1": { credential_id: hexForm, ...ISSUE_MEMBERS },
  "credential-stacked.v1": { credential_id: hexForm, ...ISSUE_MEMBERS, ...COMPONENTS },
  "credential-issued.v2": { commitment: hexForm, ...ISSUE_MEMBERS },
  "credential-stacked.v2": { commitment: hexForm, ...ISSUE_MEMBERS, ...COMPONENTS },
  "credentials-issued.v1": { ...ISSUE_MEMBERS, commitments: listForm(hexForm, 2, GROUP_MAX) },
  "credential-revoked.v1": { ...CHANGE_MEMBERS, "replaced_by?": hexForm },
  "credentials-revoked.v1": {
    credential_ids: listForm(hexForm, 2, GROUP_MAX),
    reason: reasonForm,
    effective_at: momentForm,
  },
  "credential-suspended.v1": CHANGE_MEMBERS,
  "credential-reinstated.v1": CHANGE_MEMBERS,
  "credential-recognised.v1": RECOGNITION_MEMBERS,
  "credential-recognised.v2": { ...RECOGNITION_MEMBERS, "under?": hexForm, "replaces?": hexForm },
  "achievement-recognised.v1": {
    achievement_issuer: didForm,
    achievement: uriForm,
    ...DECISION_MEMBERS,
    valid_from: momentForm,
    valid_until: momentForm,
    "ects_hundredths_min?": ectsForm,
    "eqf_level_min?": eqfForm,
    "description_digest?": hexForm,
  },
  "achievement-recognition-withdrawn.v1": { recognition: hexForm },
  "endorser-invited.v1": { achievement: uriForm, endorser: didForm, role: roleForm },
  "endorser-uninvited.v1": { invitation: hexForm },
  "credential-endorsed.v1": { credential_id: hexForm, role: roleForm },
  "endorsement-withdrawn.v1": { endorsement: hexForm },
  "recognition-withdrawn.v1": { recognition: hexForm },
  "rules-activated.v1": { version: integerForm(2, 1000000), from_index: integerForm(1, INTEGER_MAX) },
};
const nonceForm = textForm(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 36);
const EVENT_FORMS = new Map(
  Object.entries(EVENT_MEMBERS).map(([type, members]) => [
    type,
    recordForm({
      type: choiceForm(type),
      log: originForm,
      issuer: didForm,
      at: momentForm,
      nonce: nonceForm,
      ...members,
    }),
  ]),
);

/** Return the event in a payload's bytes, every field within its limits; "unknown-event-type" for a type of later. */
function decodeEvent(payload) {
  if (payload.length > EVENT_BYTES_MAX) {
    throw malformed(`An event has at most ${EVENT_BYTES_MAX} bytes`);
  }
  const text = decodeText(payload, "The event");
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    throw malformed("The event is not JSON");
  }
  if (!isObject(event) || typeof event.type !== "string") {
    throw invalid("The event has no type");
  }
  const form = EVENT_FORMS.get(event.type);
  if (!form) {
    throw new Problem("unknown-event-type", `The event type ${event.type.slice(0, 60)} is newer than this page: fetch a newer one`);
  }
  form(event, "event");
  if (canonicalJson(event) !== text) {
    throw malformed("The payload is not canonical JSON (RFC 8785)");
  }
  return event;
}

const STACKS = new Set(["credential-stacked.v1", "credential-stacked.v2"]);
const isStack = (event) => STACKS.has(event.type);

const PAYLOAD_TYPE = "application/vnd.credentify.event+json";
const envelopeForm = recordForm({
  payload: (value, name) => {
    if (typeof value !== "string" || value.length < 4 || value.length > 56000) {
      throw invalid(`${name} is base64`);
    }
  },
  payloadType: choiceForm(PAYLOAD_TYPE),
  signatures: listForm(
    recordForm({
      keyid: keyIdForm,
      sig: (value, name) => {
        if (typeof value !== "string" || value.length !== 88) {
          throw invalid(`${name} has 64 bytes in base64`);
        }
      },
    }),
    1,
    1,
  ),
});

const ownerOf = (keyId) => keyId.slice(0, keyId.indexOf("#"));

/** Return the id that follows from an issuer and a commitment (rules version 2). */
async function committedId(issuer, commitment) {
  return hexOf(await sha256(encodeText(`credentify/credential/v2\n${issuer}\n${commitment}`)));
}

/** Return the credentials that an event is about, in its own order. */
async function subjectsOf(event) {
  if (event.commitment !== undefined) {
    return [await committedId(event.issuer, event.commitment)];
  }
  if (event.commitments !== undefined) {
    return Promise.all(event.commitments.map((each) => committedId(event.issuer, each)));
  }
  return event.credential_ids ?? (event.credential_id !== undefined ? [event.credential_id] : []);
}

/** Check the form of an envelope and of its event; whoever knows the key has the signature still to check. */
async function openEnvelope(envelope) {
  const payload = decodeBase64(envelope.payload);
  const signature = decodeBase64(envelope.signatures[0].sig, 64);
  const event = decodeEvent(payload);
  const keyId = envelope.signatures[0].keyid;
  if (ownerOf(keyId) !== event.issuer) {
    throw invalid(`The event speaks for ${event.issuer} but is signed with a key of ${ownerOf(keyId)}`);
  }
  return {
    event,
    keyId,
    signature,
    eventId: hexOf(await sha256(payload)),
    signed: joined(encodeText(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload),
    credentialIds: await subjectsOf(event),
  };
}
