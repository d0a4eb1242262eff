// Rules for what stands until it is withdrawn: recognitions, standing decisions, invitations, endorsements; and what
// each of them changes in the book.

const WITHDRAWALS_MAX = 4;
const DECISIONS_EVER_MAX = 16;
const DECISIONS_LIVE_MAX = 10000;
const DECISION_YEARS_MAX = 5;
const INVITATIONS_LIVE_MAX = 64;
const ENDORSEMENTS_EVER_MAX = 4;
const ENDORSEMENTS_LIVE_MAX = 16;
const STATEMENTS_EVER_MAX = 65536;

const speakerOf = (said) => ownerOf(said.stamp.keyId);
const isLive = (book, said) => counts(book, said.stamp) && !said.withdrawals.some((stamp) => counts(book, stamp));
const isInForce = (book, decision, at) =>
  decision.validFrom <= at && at < decision.validUntil && isLive(book, decision);

/** Tell whether an endorsement counts, and the invitation too by which it was made. */
function endorsementHolds(book, endorsement) {
  const invitation = book.statements.get(endorsement.invitation);
  return invitation?.kind === "invitation" && isLive(book, invitation) && isLive(book, endorsement);
}

const statementsOf = (book, kind, holds) =>
  [...book.statements.values()].filter((said) => said.kind === kind && holds(said));
const countIn = (book, list) => list.filter((said) => counts(book, said.stamp)).length;

function checkMayRecognise(book, event) {
  const known = institution(book, event.issuer);
  if (!known.scope.may_recognise) {
    refuse("out-of-scope", `${event.issuer} may not recognise on this log`);
  }
  checkPrefix(known, event.issuer, event.programme);
  return known;
}

function checkRecognisedSeldom(book, event, made) {
  if (countIn(book, made) >= book.log.parameters.transitions_per_credential_max) {
    refuse("limit", `${event.issuer} has recognised and withdrawn it as often as is kept`);
  }
}

function decideRecognition(book, event, receivedAt) {
  checkMayRecognise(book, event);
  activeLife(book, event.credential_id, receivedAt);
  const made = book.recognitionsBy(event.credential_id, event.issuer);
  if (made.some((each) => isLive(book, each))) {
    refuse("already-exists", `${event.issuer} recognised it already`);
  }
  checkRecognisedSeldom(book, event, made);
}

function decideRecognitionForProgramme(book, event, receivedAt) {
  checkMayRecognise(book, event);
  const life = activeLife(book, event.credential_id, receivedAt);
  checkOutsideTheLine(book, event.issuer, speakerOf(life));
  if (event.decision === "full" && event.ects_hundredths !== life.ectsHundredths) {
    refuse("field", "Recognised in full counts the credential's own credits");
  }
  if (event.under !== undefined) {
    checkUnder(book, event, life, receivedAt);
  }
  if (event.replaces !== undefined) {
    checkReplaces(book, event);
  }
  const made = book.recognitionsBy(event.credential_id, event.issuer);
  const other = made.filter((each) => each.stamp.eventId !== event.replaces && each.programme === event.programme);
  if (other.some((each) => isLive(book, each))) {
    refuse("already-exists", `${event.issuer} recognised it for this programme already`);
  }
  checkRecognisedSeldom(book, event, made);
}

/** An institution and all that answer for it, one after the other. */
function lineOf(book, did) {
  const seen = new Set();
  for (let following = did; following !== null && !seen.has(following); ) {
    seen.add(following);
    const issuer = book.issuers.get(following);
    const last = issuer ? standingOf(book, issuer) : null;
    following = last?.kind === "closed" ? last.successor : null;
  }
  return seen;
}

function checkOutsideTheLine(book, speaker, issuer) {
  if (lineOf(book, issuer).has(speaker) || lineOf(book, speaker).has(issuer)) {
    refuse("not-allowed", `${speaker} does not recognise what an institution of its own line awarded`);
  }
}

function checkReplaces(book, event) {
  const made = book.recognitions.get(event.replaces);
  if (!made) {
    refuse("unknown-recognition", `No recognition ${event.replaces} is on this log`);
  }
  if (speakerOf(made) !== event.issuer) {
    refuse("not-allowed", `${event.replaces} is a recognition of another institution`);
  }
  if (made.credentialId !== event.credential_id) {
    refuse("field", `${event.replaces} recognises another credential`);
  }
  if (!isLive(book, made)) {
    refuse("credential-state", `The recognition ${event.replaces} was withdrawn already`);
  }
  checkRoom(made);
}

function checkRoom(said) {
  if (said.withdrawals.length >= WITHDRAWALS_MAX) {
    refuse("limit", `${said.stamp.eventId} was withdrawn as often as is kept`);
  }
}

function checkUnder(book, event, life, receivedAt) {
  const decision = book.statements.get(event.under);
  if (decision?.kind !== "decision") {
    refuse("unknown-statement", `No standing decision ${event.under} is on this log`);
  }
  if (speakerOf(decision) !== event.issuer) {
    refuse("not-allowed", `${event.under} is a decision of another institution`);
  }
  if (!isLive(book, decision)) {
    refuse("statement-state", `The standing decision ${event.under} was withdrawn, or is void`);
  }
  if (!isInForce(book, decision, receivedAt)) {
    refuse("effective-time", `The standing decision ${event.under} is not in force now`);
  }
  const follows =
    speakerOf(life) === decision.achievementIssuer &&
    life.achievement === decision.achievement &&
    event.programme === decision.programme &&
    event.decision === decision.decision &&
    (event.eqf_level ?? null) === decision.eqfLevel &&
    (event.decision === "full" || event.ects_hundredths === decision.ectsHundredths) &&
    life.ectsHundredths >= (decision.ectsHundredthsMin ?? 0) &&
    (life.eqfLevel ?? 0) >= (decision.eqfLevelMin ?? 0);
  if (!follows) {
    refuse("field", `The recognition does not follow the standing decision ${event.under}`);
  }
}

function decideStandingDecision(book, event, receivedAt) {
  const known = checkMayRecognise(book, event);
  checkWithinScope(event, known.scope);
  const issuer = admitted(book, event.achievement_issuer);
  checkOutsideTheLine(book, event.issuer, event.achievement_issuer);
  checkNotClosed(book, issuer);
  checkPrefix(institution(book, event.achievement_issuer), event.achievement_issuer, event.achievement);
  const year = Math.min(Number(event.valid_from.slice(0, 4)) + DECISION_YEARS_MAX, 9999);
  const latest = String(year).padStart(4, "0") + event.valid_from.slice(4);
  if (event.valid_until <= event.valid_from || event.valid_until > latest) {
    refuse("effective-time", `A standing decision holds for at most ${DECISION_YEARS_MAX} years`);
  }
  const own = statementsOf(book, "decision", (each) => speakerOf(each) === event.issuer);
  const like = own.filter(
    (each) =>
      each.achievementIssuer === event.achievement_issuer &&
      each.achievement === event.achievement &&
      each.programme === event.programme,
  );
  const isAtOnce = (each) => each.validUntil > event.valid_from && event.valid_until > each.validFrom;
  if (like.some((each) => isAtOnce(each) && isLive(book, each))) {
    refuse("already-exists", "A decision on this achievement, for this programme, holds at that time");
  }
  if (countIn(book, like) >= DECISIONS_EVER_MAX) {
    refuse("limit", `${event.issuer} has decided on this achievement as often as is kept`);
  }
  const live = own.filter((each) => each.validUntil > receivedAt && isLive(book, each));
  if (live.length >= DECISIONS_LIVE_MAX || countIn(book, own) >= STATEMENTS_EVER_MAX) {
    refuse("limit", `${event.issuer} has made as many standing decisions as are kept`);
  }
}

function decideInvitation(book, event) {
  checkPrefix(institution(book, event.issuer), event.issuer, event.achievement);
  if (event.endorser === event.issuer) {
    refuse("not-allowed", "An institution does not endorse what it issues itself");
  }
  checkNotClosed(book, admitted(book, event.endorser));
  if (liveInvitation(book, event.issuer, event.achievement, event.endorser, event.role)) {
    refuse("already-exists", `${event.endorser} is invited to this in this role`);
  }
  const own = statementsOf(book, "invitation", (each) => speakerOf(each) === event.issuer);
  const live = own.filter((each) => isLive(book, each)).length;
  if (live >= INVITATIONS_LIVE_MAX || countIn(book, own) >= STATEMENTS_EVER_MAX) {
    refuse("limit", `${event.issuer} has made as many invitations as are kept`);
  }
}

/** The last invitation that stands, by which an institution may endorse an achievement of another in a role. */
function liveInvitation(book, inviter, achievement, endorser, role) {
  const made = statementsOf(
    book,
    "invitation",
    (each) =>
      speakerOf(each) === inviter &&
      each.achievement === achievement &&
      each.endorser === endorser &&
      each.role === role,
  );
  return made.findLast((each) => isLive(book, each)) ?? null;
}

function decideEndorsement(book, event, receivedAt) {
  institution(book, event.issuer);
  const life = activeLife(book, event.credential_id, receivedAt);
  if (!liveInvitation(book, speakerOf(life), life.achievement, event.issuer, event.role)) {
    refuse("not-invited", `${event.issuer} is not invited to endorse ${life.achievement} as ${event.role}`);
  }
  const made = statementsOf(book, "endorsement", (each) => each.credentialId === event.credential_id);
  const own = made.filter((each) => speakerOf(each) === event.issuer && each.role === event.role);
  if (own.some((each) => endorsementHolds(book, each))) {
    refuse("already-exists", `${event.issuer} endorses it already`);
  }
  const holding = made.filter((each) => endorsementHolds(book, each)).length;
  if (countIn(book, own) >= ENDORSEMENTS_EVER_MAX || holding >= ENDORSEMENTS_LIVE_MAX) {
    refuse("limit", "The credential has as many endorsements as are kept");
  }
}

function checkMayWithdraw(book, event, said) {
  const speaker = speakerOf(said);
  if (![speaker, book.log.registrar, livingEnd(book, speaker)].includes(event.issuer)) {
    refuse("not-allowed", `Only ${speaker}, its successor or the registrar may withdraw it`);
  }
}

function decideWithdrawal(book, event, version) {
  const recognition = book.recognitions.get(event.recognition);
  if (!recognition) {
    refuse("unknown-recognition", `No recognition ${event.recognition} is on this log`);
  }
  checkMayWithdraw(book, event, recognition);
  if (!isLive(book, recognition)) {
    refuse("credential-state", "The recognition was withdrawn already");
  }
  if (version > 1) {
    checkRoom(recognition);
  }
}

const withdrawnBy = (event) => event.invitation ?? event.endorsement ?? event.recognition;

function decideStatementWithdrawal(book, event, kind) {
  const said = book.statements.get(withdrawnBy(event));
  if (said?.kind !== kind) {
    refuse("unknown-statement", `No ${kind} ${withdrawnBy(event)} is on this log`);
  }
  checkMayWithdraw(book, event, said);
  if (!isLive(book, said)) {
    refuse("statement-state", `The ${kind} was withdrawn already, or is void`);
  }
  checkRoom(said);
}

/** Write a recognition, a statement or a withdrawal into the book; return false for an event that is none of them. */
function putStatement(book, event, stamp) {
  const withdraw = (map, name) => {
    const said = map.get(name);
    map.set(name, { ...said, withdrawals: [...said.withdrawals, stamp] });
  };
  switch (event.type) {
    case "credential-recognised.v1":
    case "credential-recognised.v2":
      book.recognitions.set(stamp.eventId, {
        stamp,
        credentialId: event.credential_id,
        programme: event.programme,
        withdrawals: [],
      });
      if (event.replaces !== undefined) {
        withdraw(book.recognitions, event.replaces);
      }
      return true;
    case "recognition-withdrawn.v1":
      withdraw(book.recognitions, event.recognition);
      return true;
    case "achievement-recognition-withdrawn.v1":
    case "endorser-uninvited.v1":
    case "endorsement-withdrawn.v1":
      withdraw(book.statements, withdrawnBy(event));
      return true;
    case "achievement-recognised.v1":
    case "endorser-invited.v1":
    case "credential-endorsed.v1":
      book.statements.set(stamp.eventId, { stamp, ...statementIn(book, event), withdrawals: [] });
      return true;
    default:
      return false;
  }
}

function statementIn(book, event) {
  if (event.type === "achievement-recognised.v1") {
    return {
      kind: "decision",
      achievementIssuer: event.achievement_issuer,
      achievement: event.achievement,
      decision: event.decision,
      ectsHundredths: event.ects_hundredths,
      eqfLevel: event.eqf_level ?? null,
      programme: event.programme,
      validFrom: event.valid_from,
      validUntil: event.valid_until,
      ectsHundredthsMin: event.ects_hundredths_min ?? null,
      eqfLevelMin: event.eqf_level_min ?? null,
      descriptionDigest: event.description_digest ?? null,
    };
  }
  if (event.type === "endorser-invited.v1") {
    return { kind: "invitation", achievement: event.achievement, endorser: event.endorser, role: event.role };
  }
  const life = lifeOf(book, book.credentials.get(event.credential_id));
  const { stamp } = liveInvitation(book, speakerOf(life), life.achievement, event.issuer, event.role);
  return { kind: "endorsement", credentialId: event.credential_id, role: event.role, invitation: stamp.eventId };
}
