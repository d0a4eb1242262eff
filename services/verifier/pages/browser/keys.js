// Public keys and signatures. Ed25519 as libsodium judges it, whatever the browser's own rules for its corner cases are.

const KEY_PREFIX = { ed25519: [0xed, 0x01], p256: [0x80, 0x24] };

function multikeyBytes(key, prefix) {
  const bytes = key.startsWith("z") ? decodeBase58(key.slice(1)) : null;
  return bytes && bytes[0] === prefix[0] && bytes[1] === prefix[1] ? bytes.subarray(2) : null;
}

/** Tell whether 32 bytes are a point that an honest key can be: canonical, of the large group, not of small order. */
function isEd25519Point(bytes) {
  if (bytes.length !== 32) {
    return false;
  }
  try {
    const point = nobleEd25519.Point.fromBytes(bytes);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

/** Return the 32 bytes of a key `z6Mk…`, or refuse it. */
function decodeEd25519Key(key) {
  const bytes = multikeyBytes(key, KEY_PREFIX.ed25519);
  if (!bytes || bytes.length !== 32) {
    throw invalid(`${key.slice(0, 60)} is not an Ed25519 public key in multibase (it begins with z6Mk)`);
  }
  if (!isEd25519Point(bytes)) {
    throw invalid(`${key} is a key of small or mixed order, or not a point of the curve`);
  }
  return bytes;
}

const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const isP256Key = (key) => key.startsWith("zDn");

/** Refuse a key `zDn…` that is no compressed point of the curve. */
function checkP256Key(key) {
  const point = multikeyBytes(key, KEY_PREFIX.p256);
  if (!point || point.length !== 33) {
    throw invalid(`${key.slice(0, 60)} is not a compressed P-256 public key in multibase (it begins with zDn)`);
  }
  const x = numberOf(point.subarray(1));
  const square = (((x * x * x - 3n * x + P256_B) % P256_P) + P256_P) % P256_P;
  let root = 1n;
  for (let base = square, power = (P256_P + 1n) / 4n; power > 0n; power >>= 1n, base = (base * base) % P256_P) {
    root = power & 1n ? (root * base) % P256_P : root;
  }
  if ((point[0] !== 2 && point[0] !== 3) || x >= P256_P || (root * root) % P256_P !== square) {
    throw invalid(`${key} is not a point of the curve P-256`);
  }
}

/** Which of the two ways to verify Ed25519 this browser has: its own, or the library that came with the page. */
const ed25519 = { way: null };

async function ed25519Way() {
  if (ed25519.way === null) {
    try {
      await crypto.subtle.importKey("raw", new Uint8Array(32).fill(9), { name: "Ed25519" }, false, ["verify"]);
      ed25519.way = "browser";
    } catch {
      ed25519.way = "library";
    }
  }
  return ed25519.way;
}

const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const littleEndian = (bytes) => numberOf(Uint8Array.from(bytes).reverse());

/** Tell whether the holder of `publicKey` (32 bytes, a good point) made `signature` over `message`. */
async function isSignature(publicKey, message, signature) {
  if (signature.length !== 64 || littleEndian(signature.subarray(32)) >= ED25519_ORDER) {
    return false;
  }
  const claimed = signature.subarray(0, 32);
  if (isSmallOrder(claimed)) {
    return false;
  }
  if ((await ed25519Way()) === "browser") {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
    return crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
  }
  const hashed = await crypto.subtle.digest("SHA-512", joined(claimed, publicKey, message));
  const factor = littleEndian(new Uint8Array(hashed)) % ED25519_ORDER;
  const scalar = littleEndian(signature.subarray(32));
  const { Point } = nobleEd25519;
  const base = scalar === 0n ? Point.ZERO : Point.BASE.multiply(scalar, false);
  const found = base.subtract(factor === 0n ? Point.ZERO : Point.fromBytes(publicKey).multiply(factor, false));
  return isSame(found.toBytes(), claimed);
}

function isSmallOrder(bytes) {
  try {
    return nobleEd25519.Point.fromBytes(bytes, true).isSmallOrder();
  } catch {
    return false; // no point at all: no signature has it either
  }
}
