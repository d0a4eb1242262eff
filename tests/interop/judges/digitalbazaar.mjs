// @digitalbazaar/vc with both Data Integrity suites and its Bitstring Status List.
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createVerifyCryptosuite as jcs} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {isDeepStrictEqual} from 'node:util';

export default function judge(load) {
  const suite = [new DataIntegrityProof({cryptosuite: rdfc}), new DataIntegrityProof({cryptosuite: jcs()})];

  async function documentLoader(address) {
    const [owner, fragment] = address.split('#');
    let document = load(owner);
    if(fragment && owner.startsWith('did:')) {
      document = document.verificationMethod.find(({id}) => id === address);
      if(!document) {
        throw new Error(`NotFoundError: ${owner} has no key ${address}`);
      }
      document = {'@context': 'https://w3id.org/security/multikey/v1', ...document};
    }
    return {contextUrl: null, documentUrl: address, document};
  }

  return async credential => {
    shareContexts(credential);
    const result = await vc.verifyCredential({credential, suite, documentLoader, checkStatus});
    // The library answers "verified" for a status that is set: what it means is left to who asks.
    const statuses = result.statusResult?.results ?? [];
    const set = statuses.filter(({status}) => status).map(({credentialStatus}) => credentialStatus.statusPurpose);
    const accepts = result.verified === true && set.length === 0;
    return {accepts, reason: accepts ? '' : reasonOf(result, set)};
  };
}

// eddsa-jcs-2022-cryptosuite 1.0.0 compares the proof's contexts with the document's by identity, which no inline
// context that was parsed from JSON can pass. Where they are equal they are made one object; nothing else changes.
function shareContexts(credential) {
  for(const proof of [credential.proof].flat()) {
    if(proof?.['@context'] && isDeepStrictEqual(proof['@context'], credential['@context'])) {
      proof['@context'] = credential['@context'];
    }
  }
}

function reasonOf(result, set) {
  if(set.length) {
    return `status set: ${set.join(', ')}`;
  }
  const errors = [result.error, result.statusResult?.error].filter(Boolean);
  return errors.flatMap(error => [error, ...(error.errors ?? [])]).map(error => error.message ?? error).join(' | ');
}
