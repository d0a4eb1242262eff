// Runs the check of the reader's browser over jobs of a test: `node browser_check.mjs SCRIPT JOBS`, answers as JSON.
import { readFileSync } from "node:fs";

const [script, jobs] = process.argv.slice(2).map((path) => readFileSync(path, "utf-8"));
const names = ["parsePolicy", "decodeBundle", "checkBundle", "documentFaults", "parseJson", "contentOf", "claimsOf"];
const rules = ["Book", "openEnvelope", "signingKey", "isSignature", "decodeEd25519Key", "decide", "evolve", "effective"];
const reading = ["profileOf", "standingOf", "livingEnd", "isRetired", "compromisedFrom", "isVoid", "isLive"];
const other = ["isInForce", "endorsementHolds", "ownerOf", "ed25519", "textsInFile", "credentialIdOf", "canonicalJson", "unjudgedFormat"];
const all = [...names, ...rules, ...reading, ...other];
const page = new Function(`"use strict";\n${script}\nreturn { ${all.join(", ")} };`)();

async function replay(book, lines) {
  for (const line of lines) {
    const entry = JSON.parse(line);
    const opened = await page.openEnvelope(entry.envelope);
    const key = page.signingKey(book, opened, entry.received_at);
    if (!(await page.isSignature(page.decodeEd25519Key(key.publicKey), opened.signed, opened.signature))) {
      throw new Error(`bad signature at ${entry.index}`);
    }
    page.decide(book, opened, entry.index, entry.received_at, null);
    page.evolve(book, opened, entry.index, entry.received_at, null);
  }
  return book;
}

const stateIn = (found) =>
  found && {
    state: found.state,
    since: found.since,
    credits_remaining: found.creditsRemaining,
    reason: found.reason,
    replaced_by: found.replacedBy,
  };

function statesOf(book, lines) {
  const now = JSON.parse(lines.at(-1)).received_at;
  const issuers = [...book.issuers.values()].map((issuer) => [issuer.did, issuerIn(book, issuer)]);
  const credentials = [...book.credentials.values()].map((each) => [each.id, credentialIn(book, each, now)]);
  const recognitions = [...book.recognitions].map(([name, each]) => [
    name,
    { by: page.ownerOf(each.stamp.keyId), of: each.credentialId, is_live: page.isLive(book, each) },
  ]);
  return {
    log: {
      origin: book.log.origin,
      registrar: book.log.registrar,
      rules: book.log.rules.map((rule) => [rule.version, rule.fromIndex]),
    },
    issuers: Object.fromEntries(issuers),
    credentials: Object.fromEntries(credentials),
    recognitions: Object.fromEntries(recognitions),
    ...(book.statements.size ? { statements: statementsIn(book, now) } : {}),
  };
}

const stampIn = (stamp) => [stamp.index, stamp.eventId, stamp.keyId, stamp.receivedAt];

const SAID = {
  decision: (each) => [
    each.achievementIssuer,
    each.achievement,
    each.decision,
    each.ectsHundredths,
    each.eqfLevel,
    each.programme,
    each.validFrom,
    each.validUntil,
    each.ectsHundredthsMin,
    each.eqfLevelMin,
    each.descriptionDigest,
  ],
  invitation: (each) => [each.achievement, each.endorser, each.role],
  endorsement: (each) => [each.credentialId, each.role, each.invitation],
};

const statementsIn = (book, now) =>
  Object.fromEntries(
    [...book.statements].map(([name, each]) => [
      name,
      {
        said: [each.kind, stampIn(each.stamp), ...SAID[each.kind](each), each.withdrawals.map(stampIn)],
        is_live: page.isLive(book, each),
        ...(each.kind === "endorsement" ? { holds: page.endorsementHolds(book, each) } : {}),
        ...(each.kind === "decision" ? { is_in_force: page.isInForce(book, each, now) } : {}),
      },
    ]),
  );

function issuerIn(book, issuer) {
  const known = page.profileOf(book, issuer);
  return {
    profile: known ? { ...known.scope, legal_name: known.legalName } : null,
    standing: page.standingOf(book, issuer)?.kind ?? null,
    living_end: page.livingEnd(book, issuer.did),
    keys: Object.fromEntries(
      issuer.keys.map((key) => [
        key.keyId,
        {
          purpose: key.purpose,
          usable_from: key.usableFrom,
          is_retired: page.isRetired(book, key),
          compromised_from: page.compromisedFrom(book, key.keyId),
          is_void: page.isVoid(book, key.added),
        },
      ]),
    ),
  };
}

function credentialIn(book, credential, now) {
  const stamps = credential.lives.flatMap((life) => [life.stamp, ...life.changes.map((change) => change.stamp)]);
  const history = [...new Map(stamps.map((stamp) => [stamp.index, stamp])).values()];
  return {
    issuer: credential.issuer,
    now: stateIn(page.effective(book, credential, now)),
    history: history
      .sort((one, two) => one.index - two.index)
      .map((stamp) => ({
        index: stamp.index,
        is_void: page.isVoid(book, stamp),
        by_all_that_is_known: stateIn(page.effective(book, credential, stamp.receivedAt)),
        by_what_was_known: stateIn(page.effective(book, credential, stamp.receivedAt, stamp.receivedAt)),
      })),
  };
}

const faultsIn = (faults) => faults.map((each) => [each.check, each.code, each.index, each.isUnknown]);

const KINDS = {
  log: async ({ before, lines }) => statesOf(await replay(await replay(new page.Book(), before), lines), lines),
  refused: async ({ lines, index, received_at, envelopes }) => {
    const codes = [];
    for (const envelope of envelopes) {
      const book = await replay(new page.Book(), lines);
      try {
        page.decide(book, await page.openEnvelope(envelope), index, received_at, null);
        codes.push(null);
      } catch (problem) {
        codes.push(problem.code);
      }
    }
    return codes;
  },
  bundle: async ({ data, policy, now, document }) => {
    let bundle;
    try {
      bundle = page.decodeBundle(data);
    } catch (problem) {
      return { refused: problem.code ?? String(problem) };
    }
    const found = await page.checkBundle(bundle, await page.parsePolicy(policy));
    const faults = document ? await page.documentFaults(page.parseJson(document), bundle, found) : [];
    return {
      faults: faultsIn([...found.faults, ...faults]),
      state: found.credential ? stateIn(page.effective(found.book, found.credential, now)) : null,
      time: found.time,
      checkpoint_time: found.checkpointTime,
      is_witnessed: found.isWitnessed,
      is_trusted: found.isTrusted,
    };
  },
  document: async ({ text }) => {
    try {
      const document = page.parseJson(text);
      const claimed = page.claimsOf(document);
      const canonical = page.canonicalJson(document);
      return { claimed, canonical, content: page.contentOf(document), id: await page.credentialIdOf(document, claimed.issuer) };
    } catch (problem) {
      return { refused: problem.code ?? String(problem.stack) };
    }
  },
  file: async ({ base64 }) => {
    try {
      return { texts: await page.textsInFile(new Uint8Array(Buffer.from(base64, "base64"))) };
    } catch (problem) {
      return { refused: problem.code ?? String(problem.stack) };
    }
  },
};

KINDS.format = async ({ text }) => page.unjudgedFormat(page.parseJson(text));

const answers = [];
for (const { way = null, kind, ...job } of JSON.parse(jobs)) {
  page.ed25519.way = way;
  answers.push(await KINDS[kind](job));
}
process.stdout.write(JSON.stringify(answers));
