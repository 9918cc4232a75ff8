import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseBundle } from '../../../../packages/core/src/bundle/bundle.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const FIXTURES = join(import.meta.dirname, '../../../fixtures/reference')

/** Stands for a payload that is so long that it is cut out of the JSON. */
const LONG = '@@'
const LONG_PAYLOAD = 'AAAA'.repeat(70_000)

const target: Target = {
  longest: 16 * 1024,
  dictionary: [
    'application/vnd.dev.sigstore.bundle.v0.3+json',
    'application/vnd.dev.sigstore.bundle+json;version=0.2',
    'application/vnd.in-toto+json',
    '"x509CertificateChain"',
    '"certificate"',
    '"publicKey"',
    '"rawBytes"',
    '"tlogEntries"',
    '"timestampVerificationData"',
    '"rfc3161Timestamps"',
  ],
  seeds() {
    const bundles = readdirSync(FIXTURES)
      .filter((name) => name.endsWith('.sig'))
      .map((name) => readFileSync(join(FIXTURES, name)))
    const long = texts(bundleWith(LONG), bundleWith(`${LONG}","x":"${LONG}`), bundleWith(`\\u0041${LONG}`))
    return [...bundles, ...long, ...texts(bundleWith('e30='))]
  },
  check(given) {
    const text = textOf(given)?.replace(LONG, LONG_PAYLOAD).replace(LONG, LONG_PAYLOAD)
    const input = text === undefined ? given : Buffer.from(text)
    const bundle = readOrRefused(() => parseBundle(input))
    if (bundle === REFUSED) return
    const { dsseEnvelope } = JSON.parse(text ?? '') as { dsseEnvelope: Record<string, unknown> }
    const { payload, payloadType, signatures } = dsseEnvelope as {
      payload: string
      payloadType: string
      signatures: { sig: string }[]
    }
    const { envelope } = bundle
    const found = [envelope.payload.toString('base64'), envelope.payloadType, envelope.signature.toString('base64')]
    mustEqual(found, [payload, payloadType, signatures[0]?.sig], 'What JSON.parse() sees')
    mustEqual(signatures.length, 1, 'The number of signatures')
    mustEqual(bundle.size, input.length, 'The size')
  },
}
export default target

function bundleWith(payload: string): string {
  return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"a"},"tlogEntries":[]},"dsseEnvelope":{"payload":"${payload}","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA","keyid":""}]}}`
}
