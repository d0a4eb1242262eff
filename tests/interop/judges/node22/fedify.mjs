// Asks @fedify/fedify about the documents in a folder; the same contract as ../run.mjs. Opens no connection.
//
// It checks `eddsa-jcs-2022` proofs by the key that they name, and neither status nor period nor whose the key is.
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {verifyProof} from '@fedify/fedify';
import {DataIntegrityProof} from '@fedify/vocab';

const folder = process.argv[2];
const {loads, cases} = JSON.parse(readFileSync(join(folder, 'world.json'), 'utf8'));
const MULTIKEY = 'https://w3id.org/security/multikey/v1';
const DATA_INTEGRITY = 'https://w3id.org/security/data-integrity/v1';
const methods = Object.values(loads).flatMap(({verificationMethod}) => verificationMethod ?? []);

async function documentLoader(url) {
  const method = methods.find(({id}) => id === url);
  if(!method) {
    throw new Error(`nothing is loaded for ${url}`);
  }
  return {document: {'@context': MULTIKEY, ...method}, documentUrl: url, contextUrl: null};
}

async function accepts(document) {
  const {'@context': _, ...members} = document.proof;
  const given = {'@context': DATA_INTEGRITY, ...members};
  const proof = await DataIntegrityProof.fromJsonLd(given, {documentLoader});
  return await verifyProof(document, proof, {documentLoader}) !== null;
}

const verdicts = {};
for(const [name, document] of Object.entries(cases)) {
  verdicts[name] = {};
  if(!document.proof || document.proof.cryptosuite === 'eddsa-jcs-2022') {
    let reason = '';
    try {
      reason = document.proof && await accepts(document) ? '' : 'refused';
    } catch(error) {
      reason = `${error}`.slice(0, 2000);
    }
    verdicts[name].fedify = {accepts: reason === '', reason};
  }
}
writeFileSync(join(folder, 'fedify.json'), JSON.stringify({verdicts}));
