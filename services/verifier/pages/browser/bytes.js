// Bytes, texts and hashes. Everything here is pure; hashing waits, because browsers only hash that way.

/** A refusal with a stable code, in the words of the person who reads it. */
class Problem extends Error {
  constructor(code, detail, members = {}) {
    super(detail);
    this.code = code;
    this.detail = detail;
    Object.assign(this, members);
  }
}

const malformed = (detail) => new Problem("malformed", detail);
const invalid = (detail) => new Problem("invalid", detail);

const encodeText = (text) => new TextEncoder().encode(text);

/** Return the text in UTF-8 bytes, or refuse bytes that are none. */
function decodeText(bytes, what = "The file") {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(`${what} is not UTF-8`);
  }
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const bytesOfHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const isSame = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Return the bytes of standard base64 with padding, of which one spelling alone is taken; `length` in bytes. */
function decodeBase64(text, length) {
  if (typeof text !== "string" || !BASE64.test(text)) {
    throw malformed("This is not base64");
  }
  const binary = atob(text);
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (encodeBase64(bytes) !== text) {
    throw malformed("This base64 has bits that say nothing");
  }
  if (length !== undefined && bytes.length !== length) {
    throw malformed(`This base64 holds ${bytes.length} bytes, not ${length}`);
  }
  return bytes;
}

function encodeBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary);
}

async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Return the bytes of a base58btc text (as Bitcoin writes it), or null for a text that is none. */
function decodeBase58(text) {
  let value = 0n;
  for (const character of text) {
    const digit = BASE58.indexOf(character);
    if (digit < 0) {
      return null;
    }
    value = value * 58n + BigInt(digit);
  }
  const bytes = [];
  for (; value > 0n; value >>= 8n) {
    bytes.unshift(Number(value & 255n));
  }
  for (const character of text) {
    if (character !== "1") {
      break;
    }
    bytes.unshift(0);
  }
  return Uint8Array.from(bytes);
}

const numberOf = (bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
