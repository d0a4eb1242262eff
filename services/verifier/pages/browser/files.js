// Credentials that lie in other files: the attachment of a PDF, the text of a PNG or an SVG image (Open Badges 3.0).

const FILE_BYTES_MAX = 16 * 1024 * 1024;
const INFLATED_BYTES_MAX = 16 * 1024 * 1024;

const startsWith = (bytes, text) => isSame(bytes.subarray(0, text.length), encodeText(text));
const isPng = (bytes) => hexOf(bytes.subarray(0, 8)) === "89504e470d0a1a0a";
const isArchive = (bytes) => hexOf(bytes.subarray(0, 4)) === "504b0304";
const latin1 = (bytes) => new TextDecoder("latin1").decode(bytes);

/** Return what compressed bytes hold (zlib's form), up to a bound. */
async function inflated(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  for (let size = 0; ; ) {
    let piece;
    try {
      piece = await reader.read();
    } catch {
      throw malformed("A compressed part of the file cannot be read");
    }
    if (piece.done) {
      return joined(...parts);
    }
    parts.push(piece.value);
    size += piece.value.length;
    if (size > INFLATED_BYTES_MAX) {
      await reader.cancel();
      throw malformed("A compressed part of the file holds more than is read");
    }
  }
}

/** Return the text of every credential or bundle in a file: of a JSON file itself, of others what lies inside. */
async function textsInFile(bytes) {
  if (bytes.length > FILE_BYTES_MAX) {
    throw malformed("The file is larger than 16 MiB: choose the credential itself");
  }
  if (startsWith(bytes, "%PDF-")) {
    return textsInPdf(bytes);
  }
  if (isPng(bytes)) {
    return textsInPng(bytes);
  }
  const text = decodeText(bytes).replace(/^\ufeff/, "");
  return /^\s*</.test(text) ? textsInSvg(text) : [text];
}

/** Attachments of a PDF: streams of the type EmbeddedFile. An encrypted file, or one packed otherwise, shows none. */
async function textsInPdf(bytes) {
  const text = latin1(bytes);
  const found = [];
  const OBJECT = /\/Type\s*\/EmbeddedFile\b/g;
  for (let match = OBJECT.exec(text); match && found.length < 16; match = OBJECT.exec(text)) {
    const opens = text.lastIndexOf(" obj", match.index);
    const stream = text.indexOf("stream", match.index);
    const dictionary = text.slice(opens, stream);
    const begins = stream + (text[stream + 6] === "\r" ? 8 : 7);
    const ends = text.indexOf("endstream", begins);
    if (opens < 0 || stream < 0 || ends < 0 || dictionary.includes("endobj")) {
      continue;
    }
    const stated = /\/Length\s+([0-9]+)(?!\s+[0-9]+\s+R)/.exec(dictionary);
    const length = stated ? Number(stated[1]) : text.slice(begins, ends).replace(/\r?\n$/, "").length;
    const data = bytes.subarray(begins, begins + length);
    found.push(decodeText(/\/FlateDecode\b/.test(dictionary) ? await inflated(data) : data, "The attachment"));
  }
  if (!found.length) {
    throw malformed("This PDF holds no credential: choose the PDF as the institution made it, not a print or a scan of it");
  }
  return found.filter((each) => /^\s*\{/.test(each));
}

/** The text chunk `openbadgecredential` of a PNG image. */
async function textsInPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (latin1(bytes.subarray(at + 4, at + 8)) === "iTXt") {
      const text = await internationalText(data);
      if (text !== null) {
        return [text];
      }
    }
    at += 12 + length;
  }
  throw malformed("This image holds no credential: choose it as the institution made it, not a copy from a web page");
}

async function internationalText(data) {
  const end = data.indexOf(0);
  if (latin1(data.subarray(0, end)) !== "openbadgecredential") {
    return null;
  }
  const isCompressed = data[end + 1] === 1;
  const language = data.indexOf(0, end + 3);
  const keyword = data.indexOf(0, language + 1);
  const text = data.subarray(keyword + 1);
  return decodeText(isCompressed ? await inflated(text) : text, "The image's text");
}

/** The element `openbadges:credential` of an SVG image, read as XML that is never shown. */
function textsInSvg(text) {
  const tree = new DOMParser().parseFromString(text, "application/xml");
  const element = tree.getElementsByTagNameNS("https://purl.imsglobal.org/ob/v3p0", "credential")[0];
  const held = element?.textContent.trim();
  if (!held) {
    throw malformed("This file holds no credential: choose the JSON, PDF, PNG or SVG file that you were given");
  }
  return [held];
}
