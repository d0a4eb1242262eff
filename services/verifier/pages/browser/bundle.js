// What an offline bundle proves: every step recomputed from its bytes, every fault named.

const BUNDLE_MEDIA_TYPE = "application/vnd.credentify.bundle.v1+json";
const BUNDLE_BYTES_MAX = 8 * 1024 * 1024;
const BUNDLE_ENTRIES_MAX = 2048;
const ENTRY_BYTES_MAX = 65535;

const noteForm = (value, name) => {
  if (typeof value !== "string" || value.length > NOTE_BYTES_MAX) {
    throw invalid(`${name} is a signed note`);
  }
};
const hashForm = (value, name) => {
  if (typeof value !== "string" || value.length !== 44) {
    throw invalid(`${name} is 32 bytes in base64`);
  }
};
const entryForm = recordForm({
  envelope: envelopeForm,
  index: integerForm(0, INTEGER_MAX),
  previous: hexForm,
  received_at: momentForm,
});
const bundledForm = recordForm({ entry: entryForm, proof: listForm(hashForm, 0, 63) });
const bundledEntries = listForm(bundledForm, 1, BUNDLE_ENTRIES_MAX);
const bundleForm = recordForm({
  media_type: choiceForm(BUNDLE_MEDIA_TYPE),
  credential_id: hexForm,
  "predecessors?": listForm(recordForm({ checkpoint: noteForm, entries: bundledEntries }), 1, 8),
  checkpoint: noteForm,
  entries: bundledEntries,
  "latest?": bundledForm,
});

/** Return the bundle in a text, if it is written exactly as a ledger writes it. */
function decodeBundle(text) {
  if (text.length > BUNDLE_BYTES_MAX) {
    throw malformed("The bundle is larger than any that a ledger makes");
  }
  let bundle;
  try {
    bundle = JSON.parse(text);
  } catch {
    throw malformed("The bundle is not JSON");
  }
  bundleForm(bundle, "bundle");
  if (canonicalJson(bundle) !== text) {
    throw malformed("The bundle is not canonical JSON (RFC 8785): keep the file exactly as it was fetched");
  }
  const parts = bundle.predecessors ?? [];
  parts.forEach((part) => checkEntries(part.entries));
  checkEntries(allEntries(bundle));
  const sum = parts.reduce((total, part) => total + part.entries.length, bundle.entries.length);
  if (sum > BUNDLE_ENTRIES_MAX) {
    throw invalid(`A bundle has at most ${BUNDLE_ENTRIES_MAX} entries, of all logs`);
  }
  return bundle;
}

const allEntries = ({ entries, latest }) => (latest ? [...entries, latest] : entries);

function checkEntries(entries) {
  for (const [place, item] of entries.entries()) {
    if (place && entries[place - 1].entry.index >= item.entry.index) {
      throw invalid("The entries of a bundle are distinct and in the order of the log");
    }
    if (encodeText(canonicalJson(item.entry)).length > ENTRY_BYTES_MAX) {
      throw invalid(`An entry has at most ${ENTRY_BYTES_MAX} bytes`);
    }
    item.proof.forEach((text) => decodeBase64(text, 32));
  }
}

const faultOf = (check, code, detail, index = null, isUnknown = false) => ({ check, code, detail, index, isUnknown });

/**
 * Recompute all that a bundle claims, under a policy. Returns the faults, the states, and the time as of which the
 * credential is authentic: when the newest thing was said of it, no later than what the checkpoint shows.
 */
async function checkBundle(bundle, policy) {
  const faults = [];
  const parts = await partsOf(bundle, policy, faults);
  const current = parts.at(-1);
  for (const part of parts) {
    faults.push(...(await inclusionFaults(part)), ...(await chainFaults(part)));
  }
  faults.push(...orderFaults(parts));
  const book = new Book();
  const openings = [];
  const about = await concerned(bundle.credential_id, allEntries(bundle));
  for (const [place, part] of parts.entries()) {
    const stamp = await replayPart(book, part, about, faults);
    openings.push(stamp);
    if (place && stamp) {
      faults.push(...successionFaults(book, parts[place - 1]));
    }
  }
  faults.push(...pinFaults(book, policy, openings));
  faults.push(...scopeFaults(book, bundle.credential_id, parts, openings, faults.some((fault) => fault.isUnknown)));
  const checkpointTime = current.opened ? checkpointTimeOf(bundle, current.opened) : null;
  return {
    book,
    faults,
    isTrusted: current.opened !== null,
    credential: book.credentials.get(bundle.credential_id) ?? null,
    checkpoint: current.checkpoint,
    checkpointTime,
    isWitnessed: current.opened !== null && current.opened.witnessedAt !== null,
    isPinned: policy.pins.length > 0,
    time: timeOf(book, bundle.credential_id, checkpointTime),
  };
}

/** Return the bundle's share of each log, oldest first, with what its checkpoint says and whether that is trusted. */
async function partsOf(bundle, policy, faults) {
  const parts = [];
  for (const { checkpoint, entries } of bundle.predecessors ?? []) {
    const said = await earlierCheckpoint(checkpoint, policy, faults);
    parts.push({ entries, all: entries, latest: null, checkpoint: said, opened: null });
  }
  let opened = null;
  let checkpoint = null;
  try {
    opened = await openUnderPolicy(bundle.checkpoint, policy);
    ({ checkpoint } = opened);
  } catch (problem) {
    faults.push(faultOf("inclusion", codeOf(problem), `The checkpoint cannot be trusted: ${problem.detail}`));
    checkpoint = readCheckpoint(bundle.checkpoint);
  }
  const { entries, latest = null } = bundle;
  return [...parts, { entries, all: allEntries(bundle), latest, checkpoint, opened }];
}

/** The code of what was refused; whatever is no refusal of ours is a fault of this page, and is not called one of the file. */
function codeOf(problem) {
  if (!(problem instanceof Problem)) {
    throw problem;
  }
  return problem.code;
}

function readCheckpoint(text) {
  try {
    return parseCheckpoint(parseNote(text).text);
  } catch (problem) {
    codeOf(problem);
    return null;
  }
}

async function earlierCheckpoint(text, policy, faults) {
  let checkpoint;
  try {
    checkpoint = parseCheckpoint(parseNote(text).text);
  } catch (problem) {
    const detail = `The last checkpoint of an earlier log cannot be read: ${problem.detail}`;
    faults.push(faultOf("inclusion", codeOf(problem), detail));
    return null;
  }
  if (!policy.logs.some((key) => key.name === checkpoint.origin)) {
    const detail = `The log continues ${checkpoint.origin}, of which the policy has no key: add its line \`log VKEY\``;
    faults.push(faultOf("inclusion", "earlier-log-unknown", detail, null, true));
    return checkpoint;
  }
  try {
    await openUnderPolicy(text, policy, "none");
  } catch (problem) {
    const detail = `The last checkpoint of ${checkpoint.origin} cannot be trusted: ${problem.detail}`;
    faults.push(faultOf("inclusion", codeOf(problem), detail));
  }
  return checkpoint;
}

const entryBytes = (item) => encodeText(canonicalJson(item.entry));

async function inclusionFaults({ all, latest, checkpoint }) {
  const faults = [];
  for (const item of checkpoint ? all : []) {
    const proof = item.proof.map((text) => decodeBase64(text, 32));
    const leaf = await leafHash(entryBytes(item));
    if (!(await isIncluded(item.entry.index, checkpoint.size, leaf, proof, checkpoint.rootHash))) {
      const detail = `Entry ${item.entry.index} is not in the tree of ${checkpoint.size} entries that the log signed`;
      faults.push(faultOf("inclusion", "not-included", detail, item.entry.index));
    }
  }
  if (checkpoint && latest && latest.entry.index + 1 !== checkpoint.size) {
    const detail = `Entry ${latest.entry.index} is not the latest of the ${checkpoint.size} entries`;
    faults.push(faultOf("inclusion", "not-latest", detail, latest.entry.index));
  }
  return faults;
}

async function chainFaults({ all }) {
  const faults = [];
  for (const [place, { entry }] of all.entries()) {
    const before = all[place - 1];
    if (before && entry.received_at < before.entry.received_at) {
      const detail = `Entry ${entry.index} was received before entry ${before.entry.index}: time goes back`;
      faults.push(faultOf("inclusion", "order", detail, entry.index));
    }
    if (before && before.entry.index + 1 === entry.index && hexOf(await leafHash(entryBytes(before))) !== entry.previous) {
      const detail = `Entry ${entry.index} does not name entry ${before.entry.index} as the one before it`;
      faults.push(faultOf("inclusion", "chain", detail, entry.index));
    }
  }
  return faults;
}

function orderFaults(parts) {
  return parts.slice(1).flatMap((part, place) => {
    const [first, last] = [part.all[0].entry, parts[place].all.at(-1).entry];
    const detail = `Entry ${first.index} was received before the log that it continues ended: time goes back`;
    return first.received_at < last.received_at ? [faultOf("inclusion", "order", detail, first.index)] : [];
  });
}

/** The credential, and all parts that stacks among these entries say it has: what shared events are judged for. */
async function concerned(credentialId, items) {
  const components = new Map();
  for (const { entry } of items) {
    let opened;
    try {
      opened = await openEnvelope(entry.envelope);
    } catch (problem) {
      codeOf(problem);
      continue; // a fault wherever it is replayed
    }
    if (isStack(opened.event)) {
      const known = components.get(opened.credentialIds[0]) ?? [];
      components.set(opened.credentialIds[0], [...known, ...opened.event.components]);
    }
  }
  const found = new Set([credentialId]);
  for (const id of found) {
    (components.get(id) ?? []).forEach((part) => found.add(part));
  }
  return found;
}

/** Replay one log's entries; return the stamp of its opening where that holds up. */
async function replayPart(book, part, about, faults) {
  let opening = null;
  for (const item of part.entries) {
    const found = await replay(book, item, part.checkpoint?.origin ?? null, about);
    if (found.fault) {
      faults.push(found.fault);
    }
    if (item.entry.index === 0) {
      opening = found.stamp ?? null;
    }
  }
  return opening;
}

/** Open, verify, decide and evolve one entry; what is wrong with it changes nothing. */
async function replay(book, { entry }, origin, about) {
  const { index } = entry;
  const because = (check, problem, words) => {
    const code = codeOf(problem);
    const isUnknown = Boolean(problem.isUnknown) || code === "unknown-event-type";
    return { fault: faultOf(isUnknown ? "issuer" : check, code, `Entry ${index}${words}: ${problem.detail}`, index, isUnknown) };
  };
  let opened;
  try {
    opened = await openEnvelope(entry.envelope);
  } catch (problem) {
    return because("signature", problem, "");
  }
  const isOpening = opened.event.type === "log-opened.v1";
  const isRightLog = isOpening === (index === 0) && (origin === null || opened.event.log === origin);
  if (!isRightLog || (isOpening && entry.previous !== hexOf(await sha256(encodeText(opened.event.log))))) {
    const detail = `Entry ${index} is not of this log: the log opens with entry 0, and every event is meant for it`;
    return { fault: faultOf("issuer", "wrong-log", detail, index) };
  }
  try {
    const key = signingKey(book, opened, entry.received_at);
    if (!(await isSignature(decodeEd25519Key(key.publicKey), opened.signed, opened.signature))) {
      const detail = `The signature of entry ${index} was not made by ${opened.keyId} over these bytes`;
      return { fault: faultOf("signature", "bad-signature", detail, index) };
    }
  } catch (problem) {
    return because("signature", problem, ` cannot have been signed by ${opened.keyId}`);
  }
  try {
    decide(book, opened, index, entry.received_at, about);
  } catch (problem) {
    return because("issuer", problem, " breaks a rule");
  }
  return { stamp: evolve(book, opened, index, entry.received_at, about) };
}

function successionFaults(book, { checkpoint: ended }) {
  const named = book.log.predecessor;
  if (!named || !ended) {
    return [];
  }
  const isThat =
    named.origin === ended.origin && named.size === ended.size && named.root_hash === hexOf(ended.rootHash);
  const detail = `The log continues ${named.origin} after ${named.size} entries; the checkpoint is of another tree`;
  return isThat ? [] : [faultOf("inclusion", "other-predecessor", detail, 0)];
}

function pinFaults(book, policy, openings) {
  const last = openings.at(-1);
  if (!policy.pins.length || !book.log || !last) {
    return [];
  }
  const names = [book.log.registrar, ...openings.filter(Boolean).map((stamp) => stamp.eventId)];
  const detail = `The log was opened by ${book.log.registrar}; the policy names another registrar`;
  return names.some((name) => policy.pins.includes(name))
    ? []
    : [faultOf("issuer", "registrar-not-pinned", detail, 0)];
}

function scopeFaults(book, credentialId, parts, openings, isUnknown) {
  if (!book.log || !book.credentials.has(credentialId) || openings.some((stamp) => !stamp)) {
    const detail = `No entry that holds up issued the credential ${credentialId}`;
    return [faultOf("document", "not-issued", detail, null, isUnknown)];
  }
  const firsts = openings.map((stamp) => stamp.index);
  const size = firsts.at(-1) + parts.at(-1).entries.at(-1).entry.index + 1;
  const belonging = entriesAbout(book, credentialId, size, openings);
  return parts.flatMap((part, place) =>
    part.entries
      .filter(({ entry }) => !belonging.has(firsts[place] + entry.index))
      .map(({ entry }) => {
        const detail = `Entry ${entry.index} does not belong into a bundle about this credential`;
        return faultOf("document", "does-not-belong", detail, entry.index);
      }),
  );
}

/** Return the places of all entries that a credential rests on, and of what was said against any of it. */
function entriesAbout(book, credentialId, size, openings) {
  const found = new Set();
  const keys = new Set();
  const credentials = new Set();

  const takeStamp = (stamp) => {
    if (found.has(stamp.index) || stamp.index >= size) {
      return;
    }
    found.add(stamp.index);
    takeAdmission(ownerOf(stamp.keyId), stamp.index);
    const key = book.key(stamp.keyId);
    if (key) {
      takeKey(key);
    }
  };
  const takeAdmission = (did, before) => {
    const issuer = book.issuers.get(did);
    if (!issuer) {
      return;
    }
    const earlier = issuer.profiles.filter(({ stamp }) => stamp.index < before);
    const admissions = earlier.filter((entry) => entry.isAdmission);
    const counting = admissions.filter(({ stamp }) => counts(book, stamp));
    const inForce = profileOf(book, issuer, before);
    for (const entry of [earlier.at(-1), admissions.at(-1), counting.at(-1), inForce]) {
      if (entry) {
        takeStamp(entry.stamp);
      }
    }
  };
  const takeKey = (key) => {
    if (keys.has(key.keyId)) {
      return;
    }
    keys.add(key.keyId);
    takeStamp(key.added);
    key.retirements.filter(({ invalidFrom }) => invalidFrom !== null).forEach(({ stamp }) => takeStamp(stamp));
  };
  const takeCredential = (id) => {
    const credential = credentials.has(id) ? null : book.credentials.get(id);
    const lives = credential ? credential.lives.filter(({ stamp }) => stamp.index < size) : [];
    if (!lives.length) {
      return;
    }
    credentials.add(id);
    lives.forEach((life) => takeStamp(life.stamp));
    lives[0].components.forEach(takeCredential);
    for (const change of lives.at(-1).changes) {
      if (change.stamp.index < size) {
        takeSuccessors(credential.issuer, change.stamp);
        takeStamp(change.stamp);
      }
    }
  };
  const takeSuccessors = (did, stamp) => {
    const seen = new Set();
    while (!seen.has(did) && ownerOf(stamp.keyId) !== did && ownerOf(stamp.keyId) !== book.log.registrar) {
      seen.add(did);
      const standings = book.issuers.get(did)?.standings ?? [];
      const closings = standings.filter((each) => each.kind === "closed" && each.stamp.index < stamp.index);
      for (const closing of closings) {
        takeStamp(closing.stamp);
        takeAdmission(did, closing.stamp.index);
        if (closing.successor) {
          takeAdmission(closing.successor, closing.stamp.index);
        }
      }
      did = closings.findLast((closing) => closing.successor)?.successor ?? did;
    }
  };

  takeCredential(credentialId);
  for (const key of book.issuers.get(book.credentials.get(credentialId).issuer)?.keys ?? []) {
    if (key.purpose === "assertion" && key.added.index < size) {
      takeKey(key);
    }
  }
  openings.forEach(takeStamp);
  book.log.rules.forEach((rule) => takeStamp(rule.stamp));
  return found;
}

function timeOf(book, credentialId, checkpointTime) {
  const credential = book.credentials.get(credentialId);
  if (!credential || checkpointTime === null) {
    return null;
  }
  const said = credential.lives.flatMap((life) => [life.stamp, ...life.changes.map((change) => change.stamp)]);
  return sooner(said.map((stamp) => stamp.receivedAt).reduce(later), checkpointTime);
}

function checkpointTimeOf(bundle, { witnessedAt }) {
  return witnessedAt === null
    ? allEntries(bundle).at(-1).entry.received_at
    : new Date(Number(witnessedAt) * SECOND_MS).toISOString();
}
