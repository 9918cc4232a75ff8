import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseTrustConfig } from '../../../../packages/core/src/verification/sigstore/trust-config.ts'
import { toTrust } from '../../../../packages/core/src/verification/sigstore/trust.ts'
import { mustEqual, readOrRefusedLater, REFUSED, type Target } from '../../target.ts'

const STAGING = join(import.meta.dirname, '../../../../packages/core/src/verification/staging-root.json')

interface Stated {
  tlogs?: { publicKey?: { rawBytes?: string } }[]
  certificateAuthorities?: { certChain?: { certificates?: { rawBytes?: string }[] } }[]
}

const target: Target = {
  longest: 16 * 1024,
  dictionary: [
    '"validFor"',
    '"start"',
    '"end"',
    '2022-01-01T00:00:00Z',
    'SHA2_256',
    'PKIX_ED25519',
    'null',
    '"__proto__":',
  ],
  seeds: () => [readFileSync(STAGING), Buffer.from(JSON.stringify(JSON.parse(readFileSync(STAGING, 'utf8'))))],
  async check(input) {
    const trust = await readOrRefusedLater(async () =>
      toTrust(await parseTrustConfig(input), { name: 'root.json', source: 'file' }),
    )
    if (trust === REFUSED) return
    const stated = JSON.parse(Buffer.from(input).toString()) as Stated
    const bytesOf = ({ rawBytes = '' }: { rawBytes?: string } = {}): Buffer => Buffer.from(rawBytes, 'base64')
    const keys = trust.root.tlogs.map(({ publicKey }) => publicKey?.rawBytes)
    mustEqual(
      keys,
      stated.tlogs?.map(({ publicKey }) => bytesOf(publicKey)),
      'The keys of logs',
    )
    const certificates = trust.root.certificateAuthorities.map(({ certChain }) =>
      certChain?.certificates.map(({ rawBytes }) => rawBytes),
    )
    const expected = stated.certificateAuthorities?.map(
      ({ certChain }) => certChain && (certChain.certificates ?? []).map(bytesOf),
    )
    mustEqual(certificates, expected, 'The certificates of authorities')
  },
}
export default target
