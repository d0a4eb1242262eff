// @digitalcredentials/verifier-core, as a program that shows its answer would read it: every step must be valid.
import {verifyCredential} from '@digitalcredentials/verifier-core';

const NOT_ABOUT_THE_DOCUMENT = 'registered_issuer'; // no registry of theirs lists invented institutions

export default function judge(hasSchema) {
  return async credential => {
    if([credential.proof].flat().some(proof => proof?.cryptosuite?.includes('-jcs-'))) {
      return null; // it knows no JCS suite
    }
    const given = {credential, knownDIDRegistries: []};
    const {errors = [], log = [], additionalInformation = []} = await verifyCredential(given);
    const failed = log.filter(step => step.id !== NOT_ABOUT_THE_DOCUMENT && step.valid !== true);
    const schemas = additionalInformation.filter(({id}) => id === 'schema_check').flatMap(({results}) => results);
    const unfit = hasSchema ? schemas.filter(found => found.result?.valid !== true) : [];
    const steps = log.map(({id}) => id);
    const accepts = !errors.length && !failed.length && !unfit.length && steps.includes('valid_signature');
    return {accepts, reason: accepts ? '' : JSON.stringify({errors, failed, unfit})};
  };
}
