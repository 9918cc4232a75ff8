import { withoutPrototype } from '../../snapshot.ts'
import { parseCarriedKey } from '../../x509/public-key.ts'
import { keyWords } from '../signer-words.ts'
import { rawBytes, type MaterialKind } from './material.ts'

export interface KeyMaterial {
  method: 'key'
  /** Hex SHA-256 of the PEM. */
  hint?: string
  /** The key itself: PEM (before v1.1.0), or DER. */
  rawBytes?: Buffer
}

export const keyMaterial: MaterialKind<KeyMaterial> = {
  method: 'key',
  field: 'publicKey',
  keepsJson: false,
  // eslint-disable-next-line @typescript-eslint/require-await -- what throws is a rejection, as of the other kinds
  async signer({ hint, rawBytes: carried }) {
    const fingerprint = carried ? parseCarriedKey(carried).fingerprint : hint
    return fingerprint === undefined ? undefined : { description: keyWords(fingerprint), fingerprint }
  },
  /** OMS 11.2 (1): `hint`, or `rawBytes` in bundles made before v1.1.0. */
  parse(material, { path }) {
    const key = material.object('publicKey').only('hint', 'rawBytes', 'keyDetails')
    if (key.isSet('keyDetails')) key.string('keyDetails')
    const hint = key.isSet('hint') ? { hint: key.string('hint') } : {}
    const raw = key.isSet('rawBytes') ? { rawBytes: rawBytes(key, path) } : {}
    if (!key.isSet('hint') && !key.isSet('rawBytes')) throw key.fault('hint', 'the fingerprint of a key')
    return withoutPrototype({ method: 'key', ...hint, ...raw })
  },
}
