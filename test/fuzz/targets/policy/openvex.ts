import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importOpenVex } from '../../../../packages/core/src/policy/advisories/openvex.ts'
import { canonicalPackageUrl, packageUrlFault } from '../../../../packages/core/src/policy/revocations/package-url.ts'
import { withLibraries } from '../../../../packages/core/src/policy/when-needed.ts'
import { scratchOf } from '../../scratch.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, textOf, type Target } from '../../target.ts'

const HEX = 'a'.repeat(64)
const PURL = 'pkg:huggingface/acme/vad@0123456789abcdef0123456789abcdef01234567'
const [EARLY, LATE] = ['2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z']
const affected = (products: object[], more: object = {}) => ({
  ...{ vulnerability: { name: 'CVE-2026-1' }, products, status: 'affected', ...more },
})
const document = (...statements: object[]) =>
  JSON.stringify({ '@context': 'https://openvex.dev/ns/v0.2.0', timestamp: EARLY, statements })

const file = join(scratchOf('openvex'), 'vex.json')

const target: Target = {
  dictionary: [
    HEX,
    PURL,
    `"${LATE}"`,
    '"timestamp":',
    '"status":"fixed"',
    '"status":"not_affected"',
    '"status":"affected"',
    '"subcomponents":[{"@id":"x"}]',
    '"blake2b-512":"',
    `urn:modelseal:root-digest:sha256:${HEX}`,
    '+01:00',
    '"__proto__":',
  ],
  seeds() {
    const other = { '@id': 'urn:x', hashes: { 'sha-256': HEX } }
    const model = { '@id': `urn:modelseal:root-digest:sha256:${HEX}`, hashes: { 'sha-256': HEX } }
    return texts(
      document(affected([other, { '@id': PURL }])),
      document(affected([model]), { ...affected([model]), status: 'fixed', timestamp: LATE }),
      document(affected([{ identifiers: { purl: PURL }, subcomponents: [{ '@id': 'x' }] }]), {
        ...affected([{ '@id': PURL, subcomponents: [{ '@id': 'x' }] }]),
        ...{ status: 'not_affected', timestamp: LATE },
      }),
      document(affected([{ hashes: { 'blake2b-512': 'B'.repeat(128), 'sha-256': HEX.toUpperCase() } }])),
      document(affected([]), { ...affected([other]), status: 'under_investigation' }),
    )
  },
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    writeFileSync(file, text)
    const read = await readOrRefusedLater(() => importOpenVex(file))
    if (read === REFUSED) return
    const json = JSON.parse(text) as Document
    const expected = await withLibraries(() => deniedBy(json))
    const { rootDigests = [], fileDigests = [], packages = [] } = read.entries
    const found = [
      ...[...rootDigests, ...fileDigests].map((one) => (typeof one === 'string' ? one : [one.digest, one.reason])),
      ...packages.map((one) => (typeof one === 'string' ? one : [one.purl, one.reason])),
    ]
    mustEqual(new Set(found.map((one) => JSON.stringify(one))), expected, 'What is denied')
    mustEqual(
      read.others,
      json.statements.filter(({ status }) => status !== 'affected').length,
      'The number of other statements',
    )
  },
}
export default target

interface Product {
  '@id'?: string
  identifiers?: { purl?: string }
  hashes?: Record<string, string>
  subcomponents?: unknown[]
}

interface Statement {
  vulnerability: { name: string }
  timestamp?: string
  products?: Product[]
  status: string
}

interface Document {
  timestamp?: string
  statements: Statement[]
}

/** Each statement about an affected product is compared with each other one. */
function deniedBy({ timestamp: issued, statements }: Document): Set<string> {
  const denied = new Set<string>()
  const time = ({ timestamp = issued }: Statement) => new Date(timestamp ?? NaN).getTime()
  for (const statement of statements) {
    if (statement.status !== 'affected') continue
    const { name: vulnerability } = statement.vulnerability
    for (const product of statement.products ?? []) {
      for (const name of namesOf(product)) {
        const isSuperseded = statements.some(
          (other) =>
            other.status !== 'affected' &&
            other.vulnerability.name === vulnerability &&
            time(other) > time(statement) &&
            (other.products ?? []).some(
              (one) => namesOf(one).includes(name) && ['[]', partsOf(product)].includes(partsOf(one)),
            ),
        )
        if (!isSuperseded) denied.add(JSON.stringify([name, vulnerability.slice(0, 1000)]))
      }
    }
  }
  return denied
}

function namesOf({ '@id': id = '', identifiers, hashes = {} }: Product): string[] {
  const purls = [id, identifiers?.purl ?? ''].filter(
    (text) => /^pkg:/i.test(text) && packageUrlFault(text) === undefined,
  )
  return [
    ...purls.map((purl) => canonicalPackageUrl(purl)),
    ...Object.entries(hashes).flatMap(([algorithm, hex]) => {
      if (algorithm === 'sha-256' && /^[0-9a-f]{64}$/i.test(hex)) return `sha256:${hex.toLowerCase()}`
      return algorithm === 'blake2b-512' && /^[0-9a-f]{128}$/i.test(hex) ? `blake2b:${hex.toLowerCase()}` : []
    }),
  ]
}

function partsOf({ subcomponents = [] }: Product): string {
  return JSON.stringify(sorted(subcomponents))
}

/** The order of the names in an object means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, each]) => [name, sorted(each), 'of an object'])
}
