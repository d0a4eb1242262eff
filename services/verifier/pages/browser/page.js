// The page: files, pasted text and the camera in; what was found, in words, out. Nothing of it leaves the page.

const WORDS = JSON.parse(document.getElementById("words").textContent);
const LANGUAGE = document.documentElement.lang;
/** How dates and numbers are written: as the reader's own country has it, where the page is in their language. */
const LOCALE = (navigator.languages ?? []).find((tag) => tag.split("-")[0] === LANGUAGE) ?? LANGUAGE;
const held = { document: null, bundle: null, named: null };
const at = (id) => document.getElementById(id);

const say = (name, values = {}) =>
  Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, () => value), WORDS[name]);

/** Return an element with these properties and children; texts are text, never markup. */
function made(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const theirs = (text, tag = "bdi") => made(tag, { dir: "auto", textContent: text });

const shownTime = (moment) =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: "long", timeStyle: "short", hourCycle: "h23", timeZone: "UTC" }).format(new Date(moment)) + " UTC";

/** A day of a document as it was written; of a time its day in UTC. */
const shownDay = (written) =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: "long", timeZone: "UTC" }).format(new Date(written.slice(0, 10)));

const inEcts = (hundredths) => new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 }).format(hundredths / 100);

/** Return a text in the language that suits its reader best. */
function picked(texts) {
  const wanted = [...(navigator.languages ?? []), LANGUAGE, "en"].map((tag) => tag.split("-")[0]);
  const found = wanted.find((tag) => Object.keys(texts).some((each) => each.split("-")[0] === tag));
  const name = Object.keys(texts).find((each) => each.split("-")[0] === found) ?? Object.keys(texts)[0];
  return name === undefined ? "" : texts[name];
}

// --- What comes in

async function takeFiles(files) {
  const faults = [];
  for (const file of files) {
    try {
      await takeFile(file);
    } catch (problem) {
      faults.push(refusalOf(problem, "noneInFile", `${file.name}: `));
    }
  }
  await show(faults);
}

async function takeFile(file) {
  if (file.size > FILE_BYTES_MAX) {
    throw said("tooLarge");
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (isArchive(bytes)) {
    throw said("archive");
  }
  const isPicture = isPng(bytes) || /^image\/(jpeg|webp|png)$/.test(file.type);
  try {
    (await textsInFile(bytes)).forEach(takeText);
  } catch (problem) {
    const code = isPicture ? codeIn(await pixelsOf(await createImageBitmap(file))) : null;
    if (code === null) {
      throw problem;
    }
    held.named = code;
  }
}

/** Take a credential or a bundle; which of the two it is, its own members say. */
function takeText(text) {
  const found = parseJson(text.trim(), "The text");
  if (isObject(found) && found.media_type === BUNDLE_MEDIA_TYPE) {
    held.bundle = text.trim();
  } else if (isObject(found) && (found.credentialSubject !== undefined || unjudgedFormat(found) !== null)) {
    held.document = found;
  } else {
    throw said("neither");
  }
}

const IN_WORDS = "in-words";
/** A refusal in the reader's own language. */
const said = (name) => new Problem(IN_WORDS, say(name));

/** Return what to say of a refusal; what is known of it in English alone stands behind a sentence of the page's language. */
function refusalOf(problem, name, before = "") {
  if (!(problem instanceof Problem)) {
    return { detail: before + say("ownFault") };
  }
  if (problem.code === IN_WORDS || LANGUAGE === "en") {
    return { detail: before + problem.detail, cause: problem.cause };
  }
  return { detail: before + say(name), cause: problem.detail };
}

const notRead = ({ detail, cause }) => verdictOf("indeterminate", "?", say("notRead"), detail, null, cause);

function pixelsOf(picture) {
  const [width, height] = [picture.videoWidth ?? picture.width, picture.videoHeight ?? picture.height];
  const scale = Math.min(1, 1600 / Math.max(width, height));
  const canvas = made("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Return the credential id that a QR code in a picture names; null where there is none. */
function codeIn(pixels) {
  let text;
  try {
    text = qrReader.default(pixels);
  } catch {
    return null;
  }
  return /(?:^|[^0-9a-f])([0-9a-f]{64})(?:$|[/?#])/i.exec(text)?.[1].toLowerCase() ?? null;
}

const camera = { stream: null };

async function startCamera() {
  try {
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    await show([{ detail: say("noCamera") }]);
    return;
  }
  const video = at("picture");
  video.srcObject = camera.stream;
  at("scanning").hidden = false;
  await video.play();
  while (camera.stream) {
    const code = video.videoWidth ? codeIn(pixelsOf(video)) : null;
    if (code !== null) {
      held.named = code;
      stopCamera();
      await show([]);
    }
    await new Promise((wake) => setTimeout(wake, 200));
  }
}

function stopCamera() {
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.stream = null;
  at("scanning").hidden = true;
}

// --- What is found

/** Check what is held, and show it; `faults` are of what could not be read. */
async function show(faults) {
  const result = at("result");
  const parts = faults.map(notRead);
  try {
    parts.push(...(await found()));
  } catch (problem) {
    parts.push(notRead(refusalOf(problem, "unreadable")));
  }
  result.replaceChildren(...parts);
  result.hidden = !parts.length;
  if (parts.length) {
    result.focus();
  }
}

/** How far this machine's clock may be behind the log's. */
const AHEAD_MS_MAX = 60_000;

async function found() {
  const other = held.document ? unjudgedFormat(held.document) : null;
  if (other !== null) {
    return [verdictOf("indeterminate", "?", say("notJudged"), WORDS.formats[other])];
  }
  if (!held.bundle) {
    const id = held.document ? await credentialIdOf(held.document, claimsOf(held.document).issuer) : held.named;
    return id ? [verdictOf("indeterminate", "?", say("bundleMissing"), say(held.document ? "addBundle" : "addFiles"), id)] : [];
  }
  const bundle = decodeBundle(held.bundle);
  const policy = await trusted();
  const proven = await checkBundle(bundle, policy);
  const faults = [...proven.faults, ...(held.document ? await documentFaults(held.document, bundle, proven) : [])];
  if (held.named && held.named !== bundle.credential_id) {
    faults.push(faultOf("document", "other-code", say("otherCode")));
  }
  if (proven.time && Date.parse(proven.time) - Date.now() > AHEAD_MS_MAX) {
    faults.push(faultOf("freshness", "time-ahead", `The log says that it received this at ${proven.time}, which is still to come: this machine's clock is behind, or the log dates ahead`, null, true));
  }
  const now = new Date().toISOString();
  const state = proven.credential ? effective(proven.book, proven.credential, now) : null;
  return [
    judged(proven, faults, state, bundle),
    ...(faults.length ? [faultList(faults)] : []),
    ...(faults.length === 0 && held.document ? [contentSection(held.document, proven)] : []),
    ...(faults.length === 0 && proven.credential ? [recordSection(proven, bundle, policy)] : []),
  ];
}

async function trusted() {
  try {
    return await parsePolicy(at("policy").value);
  } catch (problem) {
    const { detail, cause } = refusalOf(problem, "policyUnreadable");
    throw Object.assign(new Problem(IN_WORDS, detail), { cause });
  }
}

function judged(proven, faults, state, bundle) {
  const id = bundle.credential_id;
  if (faults.some((fault) => !fault.isUnknown) || !proven.isTrusted) {
    return verdictOf("invalid", "\u2717", say("notAuthentic"), say(proven.isTrusted ? "faulty" : "notTrusted"));
  }
  if (faults.length) {
    return verdictOf("indeterminate", "?", say("notJudged"), say("newer"));
  }
  if (state.state !== "active") {
    const detail = say("stateSince", { time: shownTime(state.since) });
    return verdictOf("invalid", "\u2717", WORDS.states[state.state], detail, id);
  }
  const word = say("authentic", { time: shownTime(proven.time) });
  return verdictOf("authentic", "\u2713", word, say(held.document ? "askOnline" : "noDocument"), id);
}

function verdictOf(kind, sign, word, detail, id = null, cause = "") {
  const link = id && at("online") ? made("a", { href: new URL(`c/${id}`, at("online").href).href, textContent: say("online") }) : null;
  return made(
    "section",
    { className: `verdict ${kind}` },
    made("p", { className: "said" }, made("span", { className: "sign", ariaHidden: "true", textContent: sign }), made("strong", { className: "word", textContent: ` ${word}` })),
    made("p", { textContent: detail }),
    cause ? inDetail(cause) : null,
    link && made("p", {}, link),
  );
}

const inDetail = (cause) => made("p", { className: "cause", textContent: `${say("inDetail")} ` }, made("span", { lang: "en", textContent: cause }));

function faultList(faults) {
  const items = faults.map((fault) => made("li", { lang: fault.code === "other-code" ? LANGUAGE : "en", textContent: fault.detail }));
  return made("section", {}, made("h2", { textContent: say("why") }), made("ul", {}, ...items));
}

function rows(...pairs) {
  const shown = pairs.filter(([, value]) => value);
  return made("dl", {}, ...shown.flatMap(([name, value]) => [made("dt", { textContent: name }), made("dd", {}, value)]));
}

function contentSection(credential, proven) {
  const said = contentOf(credential);
  const life = lifeOf(proven.book, proven.credential);
  const outcomes = said.outcomes.map((texts) => theirs(picked(texts), "li"));
  const grades = said.results.map((each) => (each.scheme ? `${each.value} (${each.scheme})` : each.value)).join(", ");
  const until = life.validUntil === null ? null : shownDay(said.validUntil);
  return made(
    "section",
    {},
    made("p", { className: "kind", textContent: say("says") }),
    theirs(picked(said.title), "h2"),
    said.holder
      ? made("p", { className: "whose" }, `${say("awardedTo")} `, theirs(said.holder, "strong"))
      : made("p", { textContent: say("noName") }),
    rows(
      [say("by"), theirs(legalName(proven) ?? said.issuerName ?? "")],
      [say("on"), said.awardedAt && shownDay(said.awardedAt)],
      [say("credits"), `${inEcts(life.ectsHundredths)} ECTS`],
      [say("hours"), said.workloadHours && `${said.workloadHours} h`],
      [say("level"), life.eqfLevel && `EQF ${life.eqfLevel}`],
      [say("grade"), grades && theirs(grades)],
      [say("born"), said.dateOfBirth && shownDay(said.dateOfBirth)],
      [say("from"), shownDay(said.validFrom)],
      [say("until"), until],
    ),
    outcomes.length ? made("h3", { textContent: say("outcomes") }) : null,
    outcomes.length ? made("ul", { className: "outcomes" }, ...outcomes) : null,
    picked(said.description) ? theirs(picked(said.description), "p") : null,
  );
}

function legalName(proven) {
  const life = lifeOf(proven.book, proven.credential);
  const issuer = proven.book.issuers.get(ownerOf(life.stamp.keyId));
  return issuer ? (profileOf(proven.book, issuer)?.legalName ?? null) : null;
}

function recordSection(proven, bundle, policy) {
  const { checkpoint, book } = proven;
  const life = lifeOf(book, proven.credential);
  const count = policy.witnesses.length;
  return made(
    "details",
    { className: "card" },
    made("summary", {}, made("h2", { textContent: say("how") })),
    made("p", { textContent: say(ed25519.way === "browser" ? "byBrowser" : "byLibrary") }),
    rows(
      [say("id"), made("code", { textContent: bundle.credential_id })],
      [say("issuer"), theirs(legalName(proven) ?? "")],
      [say("entered"), shownTime(life.stamp.receivedAt)],
      [say("log"), made("code", { textContent: `${checkpoint.origin}, ${checkpoint.size}` })],
      [say("seen"), `${shownTime(proven.checkpointTime)} (${say(proven.isWitnessed ? "witnessed" : "ownWord")})`],
      [say("witnesses"), String(count)],
      [say("registrar"), say(proven.isPinned ? "pinned" : "notPinned")],
    ),
    life.components.length ? made("p", { textContent: say("parts", { count: String(life.parts.length) }) }) : null,
  );
}

// --- The page itself

function begin() {
  if (!globalThis.crypto?.subtle) {
    at("result").append(verdictOf("indeterminate", "?", say("notRead"), say("noCrypto")));
    at("result").hidden = false;
    return;
  }
  at("check-here").hidden = false;
  at("files").addEventListener("change", (event) => takeFiles(event.target.files));
  at("check").addEventListener("click", () => checkPasted());
  at("policy").addEventListener("change", () => show([]));
  at("again").addEventListener("click", () => forget());
  const area = document.body;
  area.addEventListener("dragover", (event) => event.preventDefault());
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    takeFiles(event.dataTransfer.files);
  });
  if (navigator.mediaDevices?.getUserMedia) {
    at("scan").hidden = false;
    at("scan").addEventListener("click", () => startCamera());
    at("stop").addEventListener("click", () => stopCamera());
  }
  if (location.protocol === "file:") {
    document.querySelectorAll(".served, footer").forEach((element) => element.remove());
  }
}

async function checkPasted() {
  const text = at("pasted").value;
  const faults = [];
  try {
    takeText(text);
    at("pasted").value = "";
  } catch (problem) {
    faults.push(refusalOf(problem, "neither"));
  }
  await show(faults);
}

function forget() {
  Object.assign(held, { document: null, bundle: null, named: null });
  at("files").value = "";
  at("pasted").value = "";
  show([]);
}

begin();
