import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../packages/core/src/attestation/kinds/evaluation.ts'
import { attestModel } from '../../packages/core/src/loading/operations/attest-model.ts'
import { judgeModel } from '../../packages/core/src/loading/operations/judge-model.ts'
import { loadPolicy } from '../../packages/core/src/policy/load-policy.ts'
import { keySigner } from '../../packages/core/src/signing/methods/key.ts'
import { signStatement } from '../../packages/core/src/signing/sign-statement.ts'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { TestSite } from '../../packages/core/src/testing/site.ts'
import { firstSeed, Random, reproducing } from './random.ts'

// Attestations that are damaged, replayed, swapped or added: each is refused, or means exactly what was signed; and whole
// models are judged as a second evaluation, written apart, judges them.

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const REVIEW = 'https://example.org/review/v1'
const OTHER = 'https://example.org/other/v1'
const TEST_RESULT = 'https://in-toto.io/attestation/test-result/v0.1'
const KEYS = ['a', 'lab', 'audit', 'mallory'] as const

let site: TestSite
/** Lines of JSON, each of which satisfies the rule. */
let evaluation: string
let rootDigest: string
let foreignDigest: string

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of KEYS) await site.key(key)
  rootDigest = await site.signedModel('vad')
  foreignDigest = await site.signedModel('other', { 'weights.bin': 'other' })
  evaluation = await lineBy('lab', 'vad')
})
afterAll(() => site.remove())

const signers = new Map<string, ReturnType<typeof keySigner>>()

function signerOf(key: string): ReturnType<typeof keySigner> {
  const signer = signers.get(key) ?? keySigner({ privateKey: site.file(`${key}.key`) })
  signers.set(key, signer)
  return signer
}

/** An evaluation of a model by a signer. */
async function lineBy(key: string, model: string): Promise<string> {
  const results = [{ metric: 'accuracy', value: 0.94 }]
  const predicate = makeEvaluation({ results, evaluatedOn: new Date().toISOString() })
  const output = site.file(`${key}-${model}.jsonl`)
  await attestModel(site.file(model), { signer: await signerOf(key), type: 'evaluation', predicate, output })
  return readFileSync(output, 'utf8').trim()
}

const trustRoots = Object.fromEntries(['a', 'lab', 'audit'].map((key) => [key, { publicKey: `${key}.pub` }]))

async function policyOf(attestations: readonly object[]) {
  const require = attestations.length > 0 ? { attestations } : {}
  const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }]
  return loadPolicy(await site.policy({ version: 1, trustRoots, rules }))
}

const ACCURATE = [
  { type: 'evaluation', signers: [{ key: 'lab' }], maxAge: '1d', where: [{ metric: 'accuracy', atLeast: 0.9 }] },
]

/** The outcome for a model with these attestations. */
async function outcome(lines: string | Buffer, policy: Awaited<ReturnType<typeof policyOf>>, model = 'vad') {
  writeFileSync(site.file(`${model}.claims.jsonl`), lines)
  const { decision, error, attestations = [] } = await judgeModel(site.file(model), { policy })
  expect(error?.code).not.toBe('INTERNAL')
  return { decision, code: error?.code, attestations }
}

interface Parts {
  bundle: { [name: string]: Json }
  payload: string
  signature: string
}

function partsOf(line: string): Parts {
  const bundle = JSON.parse(line) as Parts['bundle']
  const envelope = bundle['dsseEnvelope'] as { payload: string; signatures: { sig: string }[] }
  return { bundle, payload: envelope.payload, signature: envelope.signatures[0]?.sig ?? '' }
}

describe('an attestation with one change is refused, or means what was signed:', () => {
  /** What is accepted must be the signed statement by the signer who signed it. */
  async function checkSame(line: string | Buffer, seed: string): Promise<boolean> {
    const { decision, attestations } = await outcome(line, await accurate)
    if (decision !== 'accepted') return false
    const digest = createHash('sha256')
      .update(Buffer.from(partsOf(evaluation).payload, 'base64'))
      .digest('hex')
    const satisfying = attestations.filter(({ satisfies }) => satisfies)
    expect(satisfying, seed).toMatchObject([{ digest, signer: { method: 'key', name: 'lab' } }])
    return true
  }
  let accurate: ReturnType<typeof policyOf>
  beforeAll(() => {
    accurate = policyOf(ACCURATE)
  })

  test('the unchanged one is accepted', async () => expect(await checkSame(evaluation, '')).toBe(true))

  test('any byte', { timeout: 0 }, async () => {
    const bytes = Buffer.from(evaluation)
    const step = Math.max(1, Math.floor(bytes.length / attackRuns(100)))
    let accepted = 0
    const random = new Random(7)
    for (let at = random.below(step); at < bytes.length; at += step) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
      if (await checkSame(changed, `byte ${at}`)) accepted++
    }
    // Only insignificant bits, such as the last ones of base64, would do, and these are refused as well.
    expect(accepted).toBe(0)
  })

  test('any byte of the signed statement, and of the signature', { timeout: 0 }, async () => {
    const { payload, signature } = partsOf(evaluation)
    for (const part of [payload, signature]) {
      const bytes = Buffer.from(part, 'base64')
      const step = Math.max(1, Math.floor(bytes.length / attackRuns(40)))
      for (let at = 0; at < bytes.length; at += step) {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ 1
        expect(await checkSame(evaluation.replace(part, changed.toString('base64')), `byte ${at}`)).toBe(false)
      }
    }
  })

  test('any field of the bundle or the statement: removed, of another type, or doubled', { timeout: 0 }, async () => {
    const { bundle, payload } = partsOf(evaluation)
    const statement = JSON.parse(String(Buffer.from(payload, 'base64'))) as Json
    const unsigned = (text: string) =>
      JSON.stringify(bundle).replace(payload, () => Buffer.from(text).toString('base64'))
    for (const text of variants(statement)) expect(await checkSame(unsigned(text), text)).toBe(false)
    const outcomes = new Set<string>()
    for (const text of variants(bundle)) outcomes.add(`${await checkSame(text, text)}`)
    expect([...outcomes]).toContain('false')
  })

  test('any field of a statement that its signer signs like that', { timeout: 0 }, async () => {
    const statement = JSON.parse(String(Buffer.from(partsOf(evaluation).payload, 'base64'))) as object
    const signer = await signerOf('lab')
    let refused = 0
    for (const change of changes(statement as Json)) {
      const line = String(await signStatement(change as object, signer, undefined))
      const { decision, attestations } = await outcome(line, await accurate)
      if (decision !== 'accepted') refused++
      // What the signer really says about this model, under the same type, may count.
      else expect(attestations[0]).toMatchObject({ satisfies: ['evaluation'], kind: 'evaluation' })
    }
    expect(refused).toBeGreaterThan(10)
  })
})

/** Each field at any depth removed, or of another type. */
function* changes(value: Json): Generator<Json> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield value.filter((_, at) => at !== index)
      yield [...value, item]
      for (const changed of changes(item)) yield value.with(index, changed)
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== name))
      for (const other of [null, 7, '', [], {}, [item], { [name]: item }])
        if (JSON.stringify(other) !== JSON.stringify(item)) yield { ...value, [name]: other }
      for (const changed of changes(item)) yield { ...value, [name]: changed }
    }
  }
}

/** As JSON text, also with each field doubled: once the same, and once another value first or last. */
function* variants(value: Json): Generator<string> {
  for (const changed of changes(value)) yield JSON.stringify(changed)
  const text = JSON.stringify(value)
  for (const [field] of text.matchAll(/"\w+":(?="|\d|\[|\{)/g)) {
    yield text.replace(field, `${field}null,${field}`)
    yield text.replace(/\}$/, `,${field}null}`)
  }
}

describe('an attestation counts for nothing else:', () => {
  test('about another model, or beside one', async () => {
    const policy = await policyOf(ACCURATE)
    const foreign = await lineBy('lab', 'other')
    expect(await outcome(foreign, policy)).toMatchObject({ decision: 'refused', code: 'ATTESTATION_SUBJECT' })
    expect(await outcome(evaluation, policy, 'other')).toMatchObject({ code: 'ATTESTATION_SUBJECT' })
    expect(await outcome(`${evaluation}\n${foreign}`, policy, 'other')).toMatchObject({ decision: 'accepted' })
  })

  test.each([
    ['the root digest under another algorithm', { sha512: 'ROOT' }],
    ['the root digest in uppercase', { sha256: 'ROOT-UPPER' }],
    ['a part of the root digest', { sha256: 'ROOT-PART' }],
    ['an empty digest', { sha256: '' }],
  ])('about %s', async (_, digest) => {
    const written = JSON.stringify(digest)
      .replace('ROOT-UPPER', rootDigest.toUpperCase())
      .replace('ROOT-PART', rootDigest.slice(0, 32))
      .replace('ROOT', rootDigest)
    const statement = {
      ...(JSON.parse(String(Buffer.from(partsOf(evaluation).payload, 'base64'))) as object),
      subject: [{ name: rootDigest, digest: JSON.parse(written) as object }],
    }
    const line = String(await signStatement(statement, await signerOf('lab'), undefined))
    expect((await outcome(line, await policyOf(ACCURATE))).decision).toBe('refused')
  })

  test('under another type', async () => {
    const policy = await policyOf([{ type: REVIEW, signers: [{ key: 'lab' }] }])
    expect(await outcome(evaluation, policy)).toMatchObject({ code: 'ATTESTATION_MISSING' })
    const { predicate } = JSON.parse(String(Buffer.from(partsOf(evaluation).payload, 'base64'))) as {
      predicate: object
    }
    const output = site.file('replayed.jsonl')
    await attestModel(site.file('vad'), { signer: await signerOf('lab'), type: REVIEW, predicate, output })
    const replayed = readFileSync(output, 'utf8')
    expect(await outcome(replayed, await policyOf(ACCURATE))).toMatchObject({ code: 'ATTESTATION_MISSING' })
  })

  test('with the hint of a key that did not sign it', async () => {
    const policy = await policyOf(ACCURATE)
    const forged = await lineBy('mallory', 'vad')
    const hintOf = (line: string) => /"hint":"([^"]+)"/.exec(line)?.[1] ?? ''
    const hint = hintOf(evaluation)
    expect(await outcome(forged, policy)).toMatchObject({ code: 'SIGNER_NOT_TRUSTED' })
    expect(await outcome(forged.replace(hintOf(forged), hint), policy)).toMatchObject({ code: 'SIGNATURE_INVALID' })
    const der = readFileSync(site.file('lab.pub'), 'utf8').replaceAll(/-----[A-Z ]+-----|\s/g, '')
    const asCosign = createHash('sha256').update(Buffer.from(der, 'base64')).digest('base64')
    expect(await outcome(forged.replace(hintOf(forged), asCosign), policy)).toMatchObject({ code: 'SIGNATURE_INVALID' })
    expect((await outcome(evaluation.replace(hint, asCosign), policy)).decision).toBe('accepted')
    expect((await outcome(evaluation.replace(hint, hintOf(forged)), policy)).decision).toBe('refused')
  })

  test('as the signature of the model, and that for no attestation', async () => {
    const policy = await policyOf([])
    writeFileSync(site.file('attested.sig'), evaluation)
    const { error } = await judgeModel(site.file('vad'), { policy, signature: site.file('attested.sig') })
    expect(error?.code).toBe('SIGNER_NOT_TRUSTED')
    const signature = readFileSync(site.file('vad.sig'), 'utf8')
    expect((await outcome(signature, await policyOf(ACCURATE))).code).toBe('ATTESTATION_MISSING')
  })
})

/** What is written in an attestation of the property test. */
interface Written {
  by: (typeof KEYS)[number]
  type: string
  about: 'this' | 'other' | 'both'
  predicate: { score?: Json; tags?: Json; name?: Json } | { result: string; configuration: []; url?: string }
}

interface Wanted {
  type: string
  signers: (typeof KEYS)[number][]
  threshold: number
  where: { field: string; equals?: Json; atLeast?: number; atMost?: number; oneOf?: Json[]; exists?: true }[]
}

const RESULTS = ['PASSED', 'WARNED', 'FAILED'] as const
const VALUES: readonly Json[] = [0, 0.5, 0.92, 1, -1, '0.92', 'mit', '', true, false, null]

function writtenBy(random: Random): Written {
  const by = random.pick(KEYS)
  const about = random.pick(['this', 'this', 'this', 'other', 'both'] as const)
  if (random.chance(0.3)) {
    const result = random.pick(RESULTS)
    const url = random.chance(0.5) ? { url: 'https://lab.example' } : {}
    return { by, about, type: TEST_RESULT, predicate: { result, configuration: [], ...url } }
  }
  const value = (): Json => random.pick([...VALUES, [random.pick(VALUES), random.pick(VALUES)], {}])
  const predicate: { score?: Json; tags?: Json; name?: Json } = {}
  if (random.chance(0.8)) predicate.score = value()
  if (random.chance(0.5)) predicate.tags = value()
  if (random.chance(0.5)) predicate.name = value()
  return { by, about, type: random.pick([REVIEW, REVIEW, OTHER]), predicate }
}

function wantedBy(random: Random): Wanted {
  const signers = random.shuffled(['a', 'lab', 'audit'] as const).slice(0, 1 + random.below(3))
  const scalar = () => random.pick(VALUES.filter((one) => one !== null && one !== ''))
  const condition = (): Wanted['where'][number] => {
    const field = random.pick(['score', 'tags', 'name'])
    switch (random.below(5)) {
      case 0:
        return { field, equals: scalar() }
      case 1:
        return { field, atLeast: random.pick([0, 0.5, 0.92]) }
      case 2:
        return { field, atMost: random.pick([0, 0.5, 0.92]) }
      case 3:
        return { field, oneOf: [scalar(), scalar()] }
      default:
        return { field, exists: true }
    }
  }
  const who = { signers: [...signers], threshold: random.chance(0.2) ? signers.length : 1 }
  if (random.chance(0.3)) {
    const where: Wanted['where'] = [
      { field: 'url', exists: true as const },
      { field: 'result', exists: true as const },
      { field: 'result', equals: random.pick(RESULTS) },
      { field: 'result', oneOf: [...random.shuffled(RESULTS).slice(1)] },
    ].filter(() => random.chance(0.2))
    return { ...who, type: random.pick(['evaluation', TEST_RESULT]), where }
  }
  return {
    ...who,
    type: random.pick([REVIEW, REVIEW, OTHER]),
    where: Array.from({ length: random.geometric(0.4) }, condition),
  }
}

/** The second evaluation: of what was written, not of what was signed. */
function isSatisfied({ type, signers, threshold, where }: Wanted, attestations: readonly Written[]): boolean {
  const by = new Set<string>()
  for (const attestation of attestations) {
    if (attestation.type !== (type === 'evaluation' ? TEST_RESULT : type)) continue
    // What failed helps only a rule that asks for the result.
    const failed = 'result' in attestation.predicate && attestation.predicate.result === 'FAILED'
    if (failed && !where.some(({ field }) => field === 'result')) continue
    if (attestation.about === 'other' || !signers.includes(attestation.by)) continue
    if (where.every((condition) => holds(condition, attestation.predicate))) by.add(attestation.by)
  }
  return by.size >= threshold
}

function holds(condition: Wanted['where'][number], predicate: Written['predicate']): boolean {
  const given = (predicate as Record<string, Json>)[condition.field]
  const values = [given].flat().filter((one) => ['string', 'number', 'boolean'].includes(typeof one))
  if (values.length === 0) return false
  for (const value of values) {
    if (condition.equals !== undefined && value !== condition.equals) return false
    if (condition.oneOf !== undefined && !condition.oneOf.includes(value as Json)) return false
    if (condition.atLeast !== undefined && !(typeof value === 'number' && value >= condition.atLeast)) return false
    if (condition.atMost !== undefined && !(typeof value === 'number' && value <= condition.atMost)) return false
  }
  return true
}

async function signed({ by, type, about, predicate }: Written): Promise<string> {
  const digests = { this: [rootDigest], other: [foreignDigest], both: [foreignDigest, rootDigest] }[about]
  const subject = digests.map((sha256) => ({ name: 'vad', digest: { sha256 } }))
  const statement = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType: type, predicate }
  return String(await signStatement(statement, await signerOf(by), undefined))
}

test(
  'models are judged as a second evaluation judges them, and attestations only ever help',
  { timeout: 0 },
  async () => {
    // Each case is judged five times.
    const [runs, first] = [Math.ceil(attackRuns(300) / 10), firstSeed()]
    const seen: Record<string, number> = {}
    for (let seed = first; seed < first + runs; seed++) {
      const random = new Random(seed)
      const attestations = Array.from({ length: random.below(9) }, () => writtenBy(random))
      const wanted = Array.from({ length: random.chance(0.8) ? 1 : 2 }, () => wantedBy(random))
      const policy = await policyOf(
        wanted.map(({ signers, where, ...rest }) => ({
          ...rest,
          signers: signers.map((key) => ({ key })),
          ...(where.length > 0 ? { where } : {}),
        })),
      )
      const lines = await Promise.all(attestations.map(signed))
      const judged = async (those: readonly string[]) => (await outcome(those.join('\n'), policy)).decision
      const expected = wanted.every((one) => isSatisfied(one, attestations)) ? 'accepted' : 'refused'
      expect(await judged(lines), reproducing(seed)).toBe(expected)
      expect(await judged(random.shuffled(lines)), reproducing(seed)).toBe(expected)
      // One that no rule asks for, whoever signed it, and what is no attestation at all.
      const unasked = await signed({ ...writtenBy(random), type: 'https://example.org/unasked/v1' })
      expect(await judged([unasked, 'junk', ...lines, '{"mediaType":']), reproducing(seed)).toBe(expected)
      if (lines.length > 0) {
        const fewer = lines.toSpliced(random.below(lines.length), 1)
        if (expected === 'refused') expect(await judged(fewer), reproducing(seed)).toBe('refused')
        expect((await outcome(fewer.join('\n'), await none)).decision, reproducing(seed)).toBe('accepted')
      }
      seen[expected] = (seen[expected] ?? 0) + 1
    }
    console.log(`Judged models from seed ${first}: ${JSON.stringify(seen)}`)
    if (runs < 20) return
    expect(Math.min(seen['accepted'] ?? 0, seen['refused'] ?? 0)).toBeGreaterThan(0)
  },
)

let none: ReturnType<typeof policyOf>
beforeAll(() => {
  none = policyOf([])
})
