// JSON read strictly, and written canonically (RFC 8785).

const DEPTH_MAX = 64;

/** Return the canonical text of decoded JSON: members in the order of their UTF-16 units, numbers as ECMAScript has them. */
function canonicalJson(value) {
  if (value === null || typeof value !== "object") {
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw malformed("This JSON has no canonical form (RFC 8785)");
    }
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(",")}]`;
  }
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(",")}}`;
}

/**
 * Return decoded JSON, refused where two readers could see two things: a name twice in one object, a whole number beyond
 * 2^53 - 1, half a surrogate pair. Objects have no prototype, so that no name of a document means anything here.
 */
function parseJson(text, what = "The document") {
  let at = 0;
  const fail = (why) => {
    throw malformed(`${what} is not JSON: ${why} at character ${at + 1}`);
  };
  const SPACE = /[ \t\n\r]*/y;
  const TOKEN = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
  const skip = () => {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
  };
  const take = (character) => {
    skip();
    if (text[at] !== character) {
      return false;
    }
    at += 1;
    return true;
  };
  const scalar = () => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) {
      fail("something unexpected");
    }
    at = TOKEN.lastIndex;
    const value = JSON.parse(found[0]);
    if (typeof value === "string" && /[\ud800-\udfff]/u.test(value)) {
      fail("half a surrogate pair");
    }
    if (typeof value === "number" && (!Number.isFinite(value) || (Math.abs(value) > Number.MAX_SAFE_INTEGER && Math.abs(value) < 1e21))) {
      fail("a number that readers disagree about");
    }
    return value;
  };
  const member = (object, depth) => {
    skip();
    const name = text[at] === '"' ? scalar() : fail("a name is missing");
    if (Object.hasOwn(object, name)) {
      fail("a name that stands twice in one object");
    }
    if (!take(":")) {
      fail("a colon is missing");
    }
    object[name] = value(depth - 1);
  };
  const value = (depth) => {
    if (depth < 0) {
      fail("nested too deep");
    }
    if (take("{")) {
      const object = Object.create(null);
      if (!take("}")) {
        do {
          member(object, depth);
        } while (take(","));
        take("}") || fail("a closing brace is missing");
      }
      return object;
    }
    if (take("[")) {
      const list = [];
      if (!take("]")) {
        do {
          list.push(value(depth - 1));
        } while (take(","));
        take("]") || fail("a closing bracket is missing");
      }
      return list;
    }
    return scalar();
  };
  const found = value(DEPTH_MAX);
  skip();
  if (at !== text.length) {
    fail("more than one value");
  }
  return found;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
