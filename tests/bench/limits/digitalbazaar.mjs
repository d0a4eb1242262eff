// How many documents @digitalbazaar/vc verifies in this process, status list and all; nothing is fetched.
//
//   node digitalbazaar.mjs FILE     FILE: {"judge": address of the judge's module, "loads": {address: JSON}, "document"}
//
// Reads seconds from its input, a line each, and answers each with documents per second; ends when its input does.
import {createInterface} from 'node:readline';
import {readFileSync} from 'node:fs';

const {judge, loads, document} = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const {default: makeJudge} = await import(judge);
const verify = makeJudge(address => {
  if(!Object.hasOwn(loads, address)) {
    throw new Error(`NotFoundError: nothing is loaded for ${address}`);
  }
  return structuredClone(loads[address]);
});

async function once() {
  const {accepts, reason} = await verify(structuredClone(document));
  if(!accepts) {
    throw new Error(`the document is not accepted: ${reason}`);
  }
}

await once();
console.log('ready');
for await (const line of createInterface({input: process.stdin})) {
  const started = performance.now();
  let count = 0;
  while(performance.now() - started < 1000 * Number(line)) {
    await once();
    count++;
  }
  console.log(1000 * count / (performance.now() - started));
}
