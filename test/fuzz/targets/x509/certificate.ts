import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BasicConstraints } from 'pkijs'
import { alternativeNames, writtenName } from '../../../../packages/core/src/x509/alternative-names.ts'
import {
  extensionOf,
  parseCertificate,
  parseCertificates,
  serialNumberOf,
} from '../../../../packages/core/src/x509/certificate.ts'
import { attributeOf, distinguishedName } from '../../../../packages/core/src/x509/distinguished-name.ts'
import { authority, issue } from '../../../../packages/core/src/testing/authority.ts'
import { mustEqual, readOrRefusedLater, REFUSED, type Target } from '../../target.ts'

const ROOT = join(import.meta.dirname, '../../../fixtures/reference/root.pem')
const BASIC_CONSTRAINTS = '2.5.29.19'

const target: Target = {
  async seeds() {
    const root = await authority([
      ['2.5.4.3', 'Root, "a"=b'],
      ['2.5.4.10', ' x+y#'],
    ])
    const leaf = await issue({
      subject: 'Signer',
      issuer: root,
      usages: ['digitalSignature'],
      extendedUsages: ['1.3.6.1.5.5.7.3.3'],
      names: [
        [1, 'a@b.org'],
        [2, 'b.org'],
        [6, 'https://b.org/x'],
        [7, Uint8Array.of(10, 0, 0, 1)],
        [4, 'Directory'],
      ],
    })
    const limited = await authority('Limited', {
      issuer: root,
      pathLength: 0,
      permitted: [[2, 'b.org']],
      excluded: [[7, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0)]],
    })
    return [...parseCertificates(readFileSync(ROOT), ROOT), root.der, leaf.der, limited.der]
  },
  async check(input) {
    const certificate = await readOrRefusedLater(() => parseCertificate(input))
    if (certificate === REFUSED) return
    const { x509, fields } = certificate
    mustEqual(x509.raw, Buffer.from(input), 'The bytes')
    if (!x509.serialNumber.startsWith('-'))
      mustEqual(
        withoutZeros(serialNumberOf(fields)),
        withoutZeros(x509.serialNumber.toLowerCase()),
        'The serial number',
      )
    const times = [fields.notBefore.value, fields.notAfter.value]
    mustEqual(times, [x509.validFromDate, x509.validToDate], 'The validity')
    const constraints = extensionOf(fields, BASIC_CONSTRAINTS) as BasicConstraints | undefined
    if (x509.ca && !constraints?.cA) throw new Error('OpenSSL takes it for an authority.')
    checkSubject(certificate)
    const names = await alternativeNames(certificate)
    const printed = x509.subjectAltName?.split(', ') ?? []
    if (x509.subjectAltName !== undefined && printed.every((name) => /^(?:DNS|email|URI):[\w@./:-]+$/.test(name)))
      mustEqual(names.map(writtenName), printed, 'The names that OpenSSL prints')
  },
}
export default target

function withoutZeros(hex: string): string {
  return hex.replace(/^0+(?=.)/, '')
}

/** Reads the name as text again (RFC 4514 section 3). */
function checkSubject({ x509, fields }: Awaited<ReturnType<typeof parseCertificate>>): void {
  const written = distinguishedName(fields.subject, x509.subject)
  const attributes = written === '' ? [] : written.split(/(?<=(?<!\\)(?:\\\\)*)[,+]/)
  const expected = fields.subject.typesAndValues.map((attribute) => attributeOf(attribute))
  mustEqual(attributes.length, expected.length, `The number of attributes in ${written}`)
  const values = attributes.map((attribute) => attribute.slice(attribute.indexOf('=') + 1))
  for (const { text, der } of expected) {
    if (values.includes(`#${der.toString('hex')}`) || values.some((value) => unescaped(value) === text)) continue
    throw new Error(`${written} does not contain ${text ?? der.toString('hex')}.`)
  }
}

/** RFC 4514 section 2.4. */
function unescaped(value: string): string {
  return value.replace(/\\(00|.)/gs, (_, escape: string) => (escape === '00' ? '\0' : escape))
}
