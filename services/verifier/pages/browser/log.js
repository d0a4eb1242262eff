// What a log signs: notes, checkpoints and their cosignatures (C2SP), policies of trust, Merkle inclusion (RFC 9162).

const NOTE_BYTES_MAX = 1000000;
const SIGNATURES_MAX = 100;
const ED25519 = 1;
const COSIGNATURE = 4;

const isKeyName = (name) => name.length > 0 && name.length <= 255 && !/[\s\u0000- +\ud800-\udfff]/u.test(name);

/** Return the key in `<name>+<key id>+<base64>`, or refuse it. */
async function parseVkey(text) {
  const [name, identifier, ...rest] = text.split("+");
  const bytes = rest.length ? decodeBase64(rest.join("+")) : null;
  if (!bytes || !isKeyName(name)) {
    throw malformed(`${text.slice(0, 80)} is not a key: <name>+<key id>+<base64>`);
  }
  const [kind] = bytes;
  const publicKey = bytes.subarray(1);
  if (![ED25519, COSIGNATURE].includes(kind) || !isEd25519Point(publicKey)) {
    throw invalid(`The public key of ${name} is not an Ed25519 key`);
  }
  const hashed = await sha256(joined(encodeText(`${name}\n`), bytes));
  if (hexOf(hashed.subarray(0, 4)) !== identifier) {
    throw malformed(`The key id ${identifier.slice(0, 16)} does not belong to the key of ${name}`);
  }
  return { name, kind, publicKey, keyId: identifier, text };
}

/** Return a signed note's text and signature lines. Nothing of it is verified by being here. */
function parseNote(text) {
  if (encodeText(text).length > NOTE_BYTES_MAX || /[\u0000-\u0009\u000b-\u001f]/.test(text)) {
    throw malformed("The note is too long, or holds a control character");
  }
  const end = text.lastIndexOf("\n\n");
  const lines = end < 0 ? [] : text.slice(end + 2).split("\n");
  if (end < 0 || lines.pop() !== "" || !lines.length || lines.length > SIGNATURES_MAX) {
    throw malformed("A signed note has a blank line before its signatures, of which there are 1 to 100");
  }
  return { text: text.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line) {
  const found = /^— ([^ ]+) (.*)$/u.exec(line);
  if (!found || !isKeyName(found[1])) {
    throw malformed("This is not a signature line: — <name> <base64>");
  }
  const bytes = decodeBase64(found[2]);
  if (bytes.length <= 4) {
    throw malformed(`The signature of ${found[1]} is empty`);
  }
  return { name: found[1], keyId: hexOf(bytes.subarray(0, 4)), payload: bytes.subarray(4) };
}

/** Return the origin, size and root hash that a note's text commits to. */
function parseCheckpoint(text) {
  const lines = text.split("\n");
  const isWhole = lines.pop() === "" && lines.length >= 3 && !lines.includes("");
  if (!isWhole || !/^(0|[1-9][0-9]{0,18})$/.test(lines[1])) {
    throw malformed("A checkpoint has at least three lines, none empty: origin, size and root hash");
  }
  const size = Number(lines[1]);
  const rootHash = decodeBase64(lines[2], 32);
  if (!Number.isSafeInteger(size) || size === 0) {
    throw malformed("This checkpoint is of no tree that holds a credential");
  }
  return { origin: lines[0], size, rootHash };
}

const isBy = (line, key) => line.name === key.name && line.keyId === key.keyId;

async function verifiesNote(key, text, payload) {
  if (key.kind === ED25519) {
    return isSignature(key.publicKey, encodeText(text), payload);
  }
  const time = cosignedAt(payload);
  if (payload.length !== 72 || time > 2n ** 63n - 1n) {
    return false;
  }
  return isSignature(key.publicKey, encodeText(`cosignature/v1\ntime ${time}\n${text}`), payload.subarray(8));
}

const cosignedAt = (payload) => numberOf(payload.subarray(0, 8));

/** Return the signature payloads of these keys, each verified; the note has the first of them in any case. */
async function openNote(note, keys) {
  const verified = new Map();
  for (const line of note.signatures) {
    const key = keys.find((each) => isBy(line, each));
    if (!key || verified.has(key)) {
      continue;
    }
    if (!(await verifiesNote(key, note.text, line.payload))) {
      throw new Problem("note-signature-wrong", `The signature of ${line.name} does not verify`);
    }
    verified.set(key, line.payload);
  }
  return verified;
}

/** Return the checkpoint in a note, if a log of the policy signed it and the quorum cosigned it, and when that was. */
async function openUnderPolicy(text, policy, quorum = policy.quorum) {
  const note = parseNote(text);
  const { origin } = parseCheckpoint(note.text);
  const log = policy.logs.find((key) => key.name === origin && note.signatures.some((line) => isBy(line, key)));
  if (!log) {
    throw new Problem("quorum-missing", "No log of the policy signed this checkpoint");
  }
  const witnesses = policy.witnesses.map((witness) => witness.key);
  const verified = await openNote(note, [log, ...witnesses]);
  const times = new Map();
  for (const key of witnesses) {
    if (verified.has(key)) {
      times.set(key, cosignedAt(verified.get(key)));
    }
  }
  const since = quorumAt({ ...policy, quorum }, times);
  if (quorum !== "none" && quorumAt({ ...policy, quorum }, times, 2n ** 63n - 1n) === null) {
    throw new Problem("quorum-missing", `${times.size} known witnesses cosigned, which does not satisfy the quorum`);
  }
  return { checkpoint: parseCheckpoint(note.text), witnessedAt: since };
}

const SECONDS_MAX = 221845391999n;

/** The newest time (in seconds) such that cosignatures of that time or later satisfy the quorum; null where none do. */
function quorumAt(policy, times, latest = SECONDS_MAX) {
  const known = new Map();
  for (const { name, key } of policy.witnesses) {
    const time = times.get(key);
    known.set(name, time !== undefined && time <= latest ? time : null);
  }
  for (const { name, threshold, members } of policy.groups) {
    const found = members.map((member) => known.get(member)).filter((time) => time !== null);
    found.sort((one, other) => (one < other ? 1 : -1));
    known.set(name, found.length >= threshold ? found[threshold - 1] : null);
  }
  return known.get(policy.quorum) ?? null;
}

/** Return the policy in a file's text: which logs and witnesses are known, which cosignatures suffice, who opened it. */
async function parsePolicy(text) {
  const policy = { logs: [], witnesses: [], groups: [], quorum: null, pins: [] };
  const names = new Set(["none"]);
  const taken = new Set(["none"]);
  const define = (name) => {
    if (name === undefined || names.has(name)) {
      throw invalid("a name is missing, or defined before");
    }
    names.add(name);
  };
  const keyOf = async (vkey, kind) => {
    const key = await parseVkey(vkey ?? "");
    if (key.kind !== kind) {
      throw invalid(`the key of ${key.name} is of another kind`);
    }
    return key;
  };
  const takers = {
    log: async ([vkey]) => policy.logs.push(await keyOf(vkey, ED25519)),
    witness: async ([name, vkey]) => {
      define(name);
      policy.witnesses.push({ name, key: await keyOf(vkey, COSIGNATURE) });
    },
    group: ([name, threshold, ...members]) => {
      const least = { any: 1, all: members.length }[threshold] ?? Number(threshold);
      if (!Number.isInteger(least) || least < 1 || least > members.length) {
        throw invalid("a group needs one to all of its members");
      }
      for (const member of members) {
        if (!names.has(member) || taken.has(member)) {
          throw invalid(`the member ${member} is not defined above, or counts in another group`);
        }
        taken.add(member);
      }
      define(name);
      policy.groups.push({ name, threshold: least, members });
    },
    quorum: ([name]) => {
      if (policy.quorum !== null || !names.has(name)) {
        throw invalid("there is one quorum line, of a name that is defined above");
      }
      policy.quorum = name;
    },
    registrar: ([pin]) => policy.pins.push(pin),
    verifier: () => undefined, // whose dated word counts; a bundle holds none
  };
  for (const [place, line] of text.split("\n").entries()) {
    const [first, ...rest] = line.split(/[ \t]+/).filter(Boolean);
    if (first === undefined || first.startsWith("#")) {
      continue;
    }
    try {
      if (!Object.hasOwn(takers, first)) {
        throw malformed("a line begins with log, witness, group, quorum, registrar or verifier");
      }
      await takers[first](rest);
    } catch (problem) {
      throw malformed(`Line ${place + 1} of the policy: ${problem.detail ?? problem.message}`);
    }
  }
  if (policy.quorum === null) {
    throw malformed("The policy has no quorum line: add `quorum none` where no witness is asked for");
  }
  return policy;
}

const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));
const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

/** Tell whether `proof` shows that `leaf` lies at `index` under `root` (RFC 9162 section 2.1.3.2). */
async function isIncluded(index, size, leaf, proof, root) {
  if (index < 0 || index >= size) {
    return false;
  }
  let [place, last, found] = [BigInt(index), BigInt(size) - 1n, leaf];
  for (const sibling of proof) {
    if (last === 0n) {
      return false;
    }
    if (place & 1n || place === last) {
      found = await nodeHash(sibling, found);
      while (!(place & 1n) && place !== 0n) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      found = await nodeHash(found, sibling);
    }
    place >>= 1n;
    last >>= 1n;
  }
  return last === 0n && isSame(found, root);
}
