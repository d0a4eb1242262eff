// Asks the checkers of others about documents in a folder, and opens no connection.
//
//   node run.mjs FOLDER        FOLDER/world.json: {"now", "loads": {address: JSON}, "hasSchema", "cases": {name: document}}
//                              writes FOLDER/verdicts.json: {name: {judge: {"accepts": true | false, "reason": …}}}
//
// What a checker would fetch (contexts, DID documents, status lists, schemas) is in `loads`; anything else is refused.
// The clock stands at `now`, so that a verdict does not depend on the day it is asked for.
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

const folder = process.argv[2];
const {now, loads, hasSchema, cases} = JSON.parse(readFileSync(join(folder, 'world.json'), 'utf8'));
console.log = console.error; // some of the checkers talk

const standing = new Date(now).getTime();
const RealDate = Date;
globalThis.Date = class Date extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [standing]));
  }

  static now() {
    return standing;
  }
};

const refusedAddresses = new Set();

function load(address) {
  if(!Object.hasOwn(loads, address)) {
    refusedAddresses.add(address);
    throw new Error(`NotFoundError: nothing is loaded for ${address}`);
  }
  return structuredClone(loads[address]);
}

globalThis.fetch = async request => {
  const address = request instanceof Request ? request.url : String(request);
  const document = load(address);
  return new Response(JSON.stringify(document), {status: 200, headers: {'content-type': 'application/json'}});
};

const {default: vcJudge} = await import('./digitalbazaar.mjs');
const {default: coreJudge} = await import('./verifier-core.mjs');
const {default: schemaJudge} = await import('./schema.mjs');
const judges = {
  'digitalbazaar-vc': vcJudge(load),
  'verifier-core': coreJudge(hasSchema),
  ...(hasSchema ? {'open-badges-schema': schemaJudge(load)} : {}),
};

const verdicts = {};
for(const [name, document] of Object.entries(cases)) {
  verdicts[name] = {};
  for(const [judge, judged] of Object.entries(judges)) {
    let verdict;
    try {
      verdict = await judged(structuredClone(document));
    } catch(error) {
      verdict = {accepts: false, reason: `threw: ${error.stack}`};
    }
    if(verdict) {
      verdicts[name][judge] = {accepts: verdict.accepts, reason: String(verdict.reason ?? '').slice(0, 2000)};
    }
  }
}
writeFileSync(join(folder, 'verdicts.json'), JSON.stringify({verdicts, refusedAddresses: [...refusedAddresses]}));
