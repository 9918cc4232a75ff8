import { withoutPrototype } from '../../snapshot.ts'
import { parseCarriedKey } from '../../x509/public-key.ts'
import { keyWords } from '../signer-words.ts'
import { rawBytes, type MaterialKind } from './material.ts'

export interface KeyMaterial {
  method: 'key'
  /** Hex SHA-256 of the PEM. */
  hint?: string
  /** The key itself as PEM (before v1.1.0) or DER. */
  rawBytes?: Buffer
}

export const keyMaterial: MaterialKind<KeyMaterial> = {
  method: 'key',
  field: 'publicKey',
  keepsJson: false,
  // eslint-disable-next-line @typescript-eslint/require-await -- errors must be rejections, as for the other kinds
  async signer({ hint, rawBytes: carried }) {
    const fingerprint = carried ? parseCarriedKey(carried).fingerprint : hint
    return fingerprint === undefined ? undefined : { description: keyWords(fingerprint), fingerprint }
  },
  /**
   * OMS 11.2 (1): `hint`, or `rawBytes` in bundles made before v1.1.0. In Protocol Buffers as JSON, an empty string may stand for
   * a field that is not set. `validFor` is ignored: it is not authenticated, and only the policy decides on times.
   */
  parse(material, { path }) {
    const key = material.object('publicKey').only('hint', 'rawBytes', 'keyDetails', 'validFor')
    const has = (name: string) => key.isSet(name) && key.raw(name) !== ''
    if (has('keyDetails')) key.string('keyDetails')
    if (has('validFor')) key.object('validFor')
    const hint = has('hint') ? { hint: key.string('hint') } : {}
    const raw = has('rawBytes') ? { rawBytes: rawBytes(key, path) } : {}
    if (!has('hint') && !has('rawBytes')) throw key.fault('hint', 'the fingerprint of a key')
    return withoutPrototype({ method: 'key', ...hint, ...raw })
  },
}
