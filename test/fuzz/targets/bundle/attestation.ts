import { attestationSteps, type AttestationStatement } from '../../../../packages/core/src/attestation/statement.ts'
import { KINDS, kindOfStatement, readPredicate } from '../../../../packages/core/src/attestation/kinds/kinds.ts'
import type { AttestationKind } from '../../../../packages/core/src/attestation/kinds/kind.ts'
import { parsedWithoutPrototypes } from '../../../../packages/core/src/snapshot.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const ROOT = 'a'.repeat(64)
const RESULT = {
  metric: 'accuracy',
  value: 0.94,
  unit: '1',
  slice: 'de',
  sampleSize: 9,
  comparator: '>=',
  threshold: 1,
}

const PREDICATES: Readonly<Record<string, object>> = {
  evaluation: {
    result: 'FAILED',
    configuration: [{ name: 'glue', digest: { sha256: ROOT } }],
    failedTests: ['accuracy (de)'],
    passedTests: [],
    'urn:modelseal:evaluation:0.1': { evaluatedOn: '2026-11-01T00:00:00Z', evaluator: 'x', results: [RESULT] },
  },
  provenance: {
    buildDefinition: {
      buildType: 'https://builder.example/v1',
      externalParameters: { epochs: '3' },
      resolvedDependencies: [{ name: 'base', digest: { sha256: ROOT } }],
    },
    runDetails: {
      builder: { id: 'https://builder.example' },
      metadata: { invocationId: 'run-1', startedOn: '2026-11-01T00:00:00Z', finishedOn: '2026-11-01T01:00:00Z' },
    },
  },
  'model-card': {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: '2026-11-01T00:00:00Z',
      component: {
        type: 'machine-learning-model',
        name: 'vad',
        licenses: [{ license: { id: 'MIT' } }],
        modelCard: { modelParameters: { task: 'vad', datasets: [{ type: 'dataset', name: 'd' }] } },
      },
    },
  },
  'data-card': {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { component: { type: 'data', name: 'voices', licenses: [{ expression: 'MIT' }] } },
  },
  'verification-summary': {
    verifier: { id: 'https://verifier.example' },
    timeVerified: '2026-11-01T00:00:00Z',
    resourceUri: 'pkg:huggingface/acme/vad',
    policy: { uri: 'https://verifier.example/policy' },
    verificationResult: 'PASSED',
    verifiedLevels: ['SLSA_BUILD_LEVEL_3'],
    slsaVersion: '1.0',
  },
}

const target: Target = {
  longest: 8192,
  seeds: () =>
    texts(
      ...KINDS.flatMap((kind) => kind.types.map((type) => statement(type, PREDICATES[kind.name] ?? {}))),
      statement('https://example.com/other/v1', { numbers: [0.1, 1e21, 12345678901234567890n].map(String) }),
      statement('https://example.com/other/v1', {}).replace('{}', '{"n":[0.1,1e21,1e-7,12345678901234567890,-0,1.10]}'),
    ),
  check(input) {
    const read = readOrRefused(() => atOnce(attestationSteps(input)))
    if (read === REFUSED) return
    const text = textOf(input) ?? ''
    const json = JSON.parse(text) as { predicate?: object; predicateType: string }
    mustEqual(read.predicateType, json.predicateType, 'The type')
    mustEqual(read.predicate, parsedWithoutPrototypes(json.predicate ?? {}), 'What JSON.parse() reads')
    mustEqual(read.inexactNumber !== undefined, hasInexactNumber(text), 'Whether a number is rounded')
    const kind = kindOfStatement(read)
    if (kind) checkKind(kind, read)
  },
}
export default target

/** Everything that a policy can ask of a predicate. */
function checkKind(kind: AttestationKind, statement: AttestationStatement): void {
  const predicate = readOrRefused(() => readPredicate(kind, statement))
  if (predicate === REFUSED) return
  kind.statedAt(predicate)
  kind.hasFailed?.(predicate)
  kind.measurements?.(predicate)
  for (const [name, field] of Object.entries(kind.fields)) {
    const odd = field(predicate).find((value) => !['string', 'number', 'boolean', 'undefined'].includes(typeof value))
    if (odd !== undefined) throw new Error(`The field ${name} has the value ${JSON.stringify(odd)}.`)
  }
}

/** By the text of each number, as JSON.parse() passes it on. */
function hasInexactNumber(text: string): boolean {
  let found = false
  const reviver = (_: string, value: unknown, { source }: { source?: string }): unknown => {
    if (typeof value === 'number' && source !== undefined) found ||= plain(source) !== plain(String(value))
    return value
  }
  JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1])
  return found
}

/** Sign, significant digits and the power of ten of the last one. */
function plain(number: string): string {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(number) ?? []
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  // Nobody writes a zero with so many digits. It counts as rounded, which no condition accepts.
  const isLong = whole.length > 400 || fraction.length > 400 || power.replace(/^[+-]/, '').length > 6
  if (significant === '') return /^-?\d/.test(number) && !isLong ? '0' : number
  return `${sign}${significant}e${BigInt(power) - BigInt(fraction.length) + BigInt(digits.length - significant.length)}`
}

function statement(predicateType: string, predicate: object): string {
  const subject = [{ name: 'vad', digest: { sha256: ROOT, modelIdentity: ROOT } }]
  return JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate })
}
