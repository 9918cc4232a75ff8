import { Fields } from '../bundle/fields.ts'
import { decodeBase64 } from '../bundle/base64.ts'
import { parseStrictJson } from '../bundle/json.ts'
import { parsedWithoutPrototypes } from '../snapshot.ts'

/** What an entry of Rekor v2 says (rekor-tiles, `entry.proto`). */
export interface LoggedEntry {
  kind: 'hashedrekord' | 'dsse'
  /** Of the signed bytes: for `dsse` of the payload, for `hashedrekord` of whatever the signer hashed. */
  digest: {
    /** As the log names it: `SHA2_256`. */
    algorithm: string
    hex: string
  }
  /** The certificates of the signers, DER: none for a signer with a bare key. */
  certificates: Buffer[]
}

/** Real entries have some 30 values. */
const MAX_VALUES = 1000

/**
 * Reads an entry.
 *
 * @throws {@link ModelSealError} `LOG_ENTRY_MISMATCH` for an entry of another kind or form, `JSON_*`, `BASE64_INVALID`
 */
export function readLoggedEntry(body: Buffer): LoggedEntry {
  const json = parsedWithoutPrototypes(parseStrictJson(body, { what: 'log entry', maxValues: MAX_VALUES }))
  const entry = new Fields(json, { code: 'LOG_ENTRY_MISMATCH', file: undefined })
  const kind = entry.string('kind')
  if (entry.string('apiVersion') !== '0.0.2') throw entry.fault('apiVersion', 'the version 0.0.2')
  const spec = entry.object('spec')
  if (kind === 'hashedrekord') {
    const content = spec.only('hashedRekordV002').object('hashedRekordV002')
    return { kind, digest: digestIn(content.object('data')), certificates: certificateIn(content.object('signature')) }
  }
  if (kind === 'dsse') {
    const content = spec.only('dsseV002').object('dsseV002')
    const certificates = content.objects('signatures').flatMap(certificateIn)
    return { kind, digest: digestIn(content.object('payloadHash')), certificates }
  }
  throw entry.fault('kind', 'hashedrekord or dsse')
}

function digestIn(hash: Fields): LoggedEntry['digest'] {
  return { algorithm: hash.string('algorithm'), hex: decodeBase64(hash.string('digest'), 'digest').toString('hex') }
}

function certificateIn(signature: Fields): Buffer[] {
  const verifier = signature.object('verifier')
  if (!verifier.isSet('x509Certificate')) {
    // An entry with neither could name its signer in a way that is not known here.
    verifier.object('publicKey').string('rawBytes')
    return []
  }
  if (verifier.isSet('publicKey')) throw verifier.fault('publicKey', 'a certificate or a key, not both')
  return [decodeBase64(verifier.object('x509Certificate').string('rawBytes'), 'rawBytes')]
}
