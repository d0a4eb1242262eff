// Credentials of other standards and of models to come: what they are, so that nobody calls them forged. Not judged here.

const NEWER_CONTEXT =
  /^https:\/\/(?:www\.w3\.org\/ns\/credentials\/v(?:[3-9]|[1-9][0-9])|purl\.imsglobal\.org\/spec\/ob\/v(?:3p[1-9]|(?:[4-9]|[1-9][0-9])p[0-9])\/context[-0-9.]*\.json)$/;
const EUROPASS_CONTEXT = /^https?:\/\/data\.europa\.eu\/snb\/model\/context/;

const namesIn = (value) => (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "string");

/** Return the code of what a document is, by what it says of itself; null for what is judged here, and for anything else. */
function unjudgedFormat(document) {
  try {
    claimsOf(document);
    return null;
  } catch {
    return formatOf(document);
  }
}

function formatOf(document) {
  if (isObject(document.credential) && !Object.hasOwn(document, "credentialSubject")) {
    return formatOf(document.credential);
  }
  const types = namesIn(document.type);
  const contexts = namesIn(document["@context"]);
  const isSealed = Object.hasOwn(document, "payload") && (Object.hasOwn(document, "signature") || Object.hasOwn(document, "signatures"));
  const isOf = (...names) => types.some((type) => names.includes(type));
  const said = [
    ["document-enveloped", isOf("EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation")],
    ["document-signed-outside", isSealed],
    ["document-europass", isOf("EuropeanDigitalCredential", "EuropassCredential") || contexts.some((each) => EUROPASS_CONTEXT.test(each))],
    ["document-learner-record", isOf("ClrCredential") || contexts.some((each) => each.includes("/spec/clr/"))],
    ["document-open-badges-2", contexts.includes("https://w3id.org/openbadges/v2")],
    ["document-older-model", contexts.includes("https://www.w3.org/2018/credentials/v1")],
    ["document-newer-model", contexts.some((each) => NEWER_CONTEXT.test(each))],
  ];
  return said.find(([, isIt]) => isIt)?.[0] ?? null;
}
