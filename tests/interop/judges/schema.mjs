// ajv (JSON Schema 2019-09) with the schemas that the document itself names under `credentialSchema`.
import {Ajv2019} from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';

export default function judge(load) {
  const ajv = new Ajv2019({allErrors: true, strict: false});
  addFormats.default(ajv);
  const compiled = new Map();

  return async document => {
    const addresses = [document.credentialSchema ?? []].flat().map(({id}) => id);
    if(!addresses.length) {
      return null;
    }
    const faults = [];
    for(const address of addresses) {
      if(!compiled.has(address)) {
        compiled.set(address, ajv.compile(load(address)));
      }
      const validate = compiled.get(address);
      if(!validate(document)) {
        faults.push(...validate.errors.map(({instancePath, message}) => `${instancePath} ${message}`));
      }
    }
    return {accepts: faults.length === 0, reason: faults.join(' | ')};
  };
}
