import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { isNamedBy, keyFingerprints, parseCarriedKey } from '../../../../packages/core/src/x509/public-key.ts'
import { isDer } from '../../../../packages/core/src/x509/public-key.ts'
import { mustEqual, readOrRefused, REFUSED, texts, type Target } from '../../target.ts'

const target: Target = {
  dictionary: ['-----BEGIN PUBLIC KEY-----', '-----END PUBLIC KEY-----', '-----BEGIN CERTIFICATE-----', '\r\n'],
  seeds() {
    const keys = ['P-256', 'P-384', 'P-521', 'secp256k1'].map(
      (namedCurve) => generateKeyPairSync('ec', { namedCurve }).publicKey,
    )
    const all = [...keys, generateKeyPairSync('ed25519').publicKey]
    const pem = (key: KeyObject) => String(key.export({ type: 'spki', format: 'pem' }))
    return [...all.map((key) => key.export({ type: 'spki', format: 'der' })), ...texts(...all.map(pem))]
  },
  check(input) {
    const bytes = Buffer.from(input)
    const read = readOrRefused(() => parseCarriedKey(bytes))
    if (read === REFUSED) return
    const own = isDer(bytes)
      ? createPublicKey({ key: bytes, format: 'der', type: 'spki' })
      : createPublicKey(bytes.toString('latin1'))
    mustEqual(read.key.export({ format: 'jwk' }), own.export({ format: 'jwk' }), 'The key')
    const pem = read.key.export({ type: 'spki', format: 'pem' })
    mustEqual(read.fingerprint, createHash('sha256').update(pem).digest('hex'), 'The fingerprint')
    if (!keyFingerprints(own).includes(read.fingerprint))
      throw new Error('Its fingerprint is not among those of the key.')
    if (!isNamedBy(read.fingerprint, read)) throw new Error('Its own fingerprint does not name it.')
  },
}
export default target
