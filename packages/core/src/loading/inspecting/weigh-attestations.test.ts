import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { ROLE_ANNOTATION } from '../../attestation/kinds/provenance.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { inspectModel } from './inspect-model.ts'
import type { LineageNode } from './lineage-tree.ts'
import { weighAttestations } from './weigh-attestations.ts'

const REVIEW = 'https://example.org/review/v1'

let site: TestSite
let name: string
let root: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab', 'mallory']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  root = await site.signedModel(name, { 'config.json': '{}', 'weights.bin': name })
})

const claims = (model = name) => site.file(`${model}.claims.jsonl`)

async function attest(by: string, type: string, predicate: object, model = name) {
  const signer = await keySigner({ privateKey: site.file(`${by}.key`) })
  return attestModel(site.file(model), { signer, type, predicate })
}

function evaluation(value: number, more: object = {}) {
  return makeEvaluation({ results: [{ metric: 'accuracy', value, ...more }], evaluatedOn: '2026-11-01T00:00:00Z' })
}

function made(...from: { role?: string; name?: string; sha256: string }[]) {
  const resolvedDependencies = from.map(({ role = 'base-model', sha256, ...rest }) => ({
    ...rest,
    digest: { sha256 },
    annotations: { [ROLE_ANNOTATION]: role },
  }))
  const buildDefinition = { buildType: 'https://example.org/build', externalParameters: {}, resolvedDependencies }
  return { buildDefinition, runDetails: { builder: { id: 'https://example.org/builder' } } }
}

async function verdict(attestations: object[], more: object = {}) {
  const trustRoots = { a: { publicKey: 'a.pub' }, lab: { publicKey: 'lab.pub' } }
  const require = attestations.length > 0 ? { attestations } : {}
  const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }]
  return judgeModel(site.file(name), { policy: await site.policy({ version: 1, trustRoots, rules, ...more }) })
}

const LAB = { type: 'evaluation', signers: [{ key: 'lab' }] }
const ACCURATE = { ...LAB, where: [{ metric: 'accuracy', atLeast: 0.9 }] }

const weighed = async (judged?: Awaited<ReturnType<typeof verdict>>) =>
  weighAttestations(await inspectModel(site.file(name)), judged)

const beliefs = async (judged?: Awaited<ReturnType<typeof verdict>>) =>
  (await weighed(judged)).attestations.map(({ path, belief }) => `${path.split(':').at(-1)} ${belief}`)

describe('an attestation', () => {
  test('is merely claimed without a policy, whoever made it', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    const [one] = (await weighed()).attestations
    expect(one).toMatchObject({ belief: 'claimed', why: expect.stringContaining('No policy was given') as string })
    expect(one?.verifiedSigner).toBeUndefined()
  })

  test('is believed if it satisfies the rule, verified if it does not, and otherwise claimed', async () => {
    await attest('mallory', 'evaluation', evaluation(0.99))
    await attest('lab', 'evaluation', evaluation(0.5))
    await attest('lab', REVIEW, { approved: true })
    await attest('lab', 'evaluation', evaluation(0.94))
    await appendFile(claims(), '{"a":\n')
    const { attestations } = await weighed(await verdict([ACCURATE]))
    expect(attestations.map(({ path, belief }) => `${path.split(':').at(-1)} ${belief}`)).toEqual([
      '4 believed',
      '2 verified',
      '1 claimed',
      '3 claimed',
      '5 claimed',
    ])
    const [believed, verified, stranger, unasked, cut] = attestations
    expect(believed).toMatchObject({ verifiedSigner: { name: 'lab' }, satisfies: ['evaluation'] })
    expect(verified).toMatchObject({ why: expect.stringContaining('ATTESTATION_CONDITION') as string })
    expect(stranger?.why).toContain('SIGNER_NOT_TRUSTED')
    expect(unasked?.why).toContain('asks for no such statement')
    expect(cut).toMatchObject({ error: { code: 'JSON_INVALID' } })
    expect([stranger, unasked, cut].every((one) => one?.verifiedSigner === undefined)).toBe(true)
  })

  test.each([
    ['another requirement is not met', [LAB, { type: 'provenance' }], {}],
    ['the model is revoked', [LAB], { revoked: 'models' }],
  ])('is not believed if the policy refuses the model: %s', async (_, demands, more) => {
    await attest('lab', 'evaluation', evaluation(0.94))
    const revoked = 'revoked' in more ? { revoked: { models: [root] } } : {}
    const judged = await verdict(demands, revoked)
    expect(judged.decision).toBe('refused')
    expect((await beliefs(judged)).filter((belief) => belief.includes('believed'))).toEqual([])
  })

  test('is not believed if the files changed, although its own signature is good', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    await site.write(`${name}/weights.bin`, 'CHANGED')
    const { attestations } = await weighed(await verdict([LAB]))
    expect(attestations).toMatchObject([
      { belief: 'verified', why: expect.stringContaining('FILE_MISMATCH') as string },
    ])
  })

  test('is not believed if it is another one than the policy judged', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    const judged = await verdict([LAB])
    await rm(claims())
    await attest('mallory', 'evaluation', evaluation(0.99))
    expect(await beliefs(judged)).toEqual(['1 claimed'])
  })

  test('is claimed if the rule requires none', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    const judged = await verdict([])
    expect(judged.decision).toBe('accepted')
    expect((await weighed(judged)).attestations).toMatchObject([
      { belief: 'claimed', why: expect.stringContaining('asks for no') as string },
    ])
  })

  test('about another model comes after those about this one', async () => {
    const otherDigest = await site.signedModel('other', { 'weights.bin': 'other' })
    await attest('lab', 'evaluation', evaluation(0.94), 'other')
    await writeFile(claims(), await readFile(claims('other')))
    await rm(claims('other'))
    await attest('lab', 'evaluation', evaluation(0.94))
    expect((await weighed(await verdict([LAB]))).attestations).toMatchObject([
      { belief: 'believed', isAbout: true },
      { belief: 'claimed', isAbout: false, why: `It is about the root digest sha256:${otherDigest}.` },
    ])
  })
})

describe('the attestations of a model', () => {
  test('are read while another process appends to them', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    const line = await readFile(claims(), 'utf8')
    const appending = (async () => {
      // In two parts, so that a reader may see a line that is cut short.
      for (let at = 0; at < 50; at++)
        for (const part of [line.slice(0, 200), line.slice(200)]) await appendFile(claims(), part)
    })()
    for (let at = 0; at < 5; at++) {
      const { attestations } = await inspectModel(site.file(name))
      expect(attestations[0]?.error).toBeUndefined()
      expect(attestations.filter(({ error }) => error).length).toBeLessThanOrEqual(1)
    }
    await appending
  })

  test('do not hide the signatures if there are too many', async () => {
    await appendFile(claims(), '{}\n'.repeat(1_001))
    const inspected = await inspectModel(site.file(name))
    expect(inspected).toMatchObject({ attestationsError: { code: 'ATTESTATIONS_TOO_MANY' }, attestations: [] })
    expect(inspected.bundles).toMatchObject([{ statement: { name } }])
  })

  test.each([
    ['of another version of CycloneDX', { specVersion: '1.4' }, 'ATTESTATION_MALFORMED'],
    ['that nests too deep', { x: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown }, 'JSON_TOO_COMPLEX'],
  ])('are shown with the reason if one cannot be read: one %s', async (_, change, code) => {
    const component = { type: 'machine-learning-model', name: 'x', modelCard: {} }
    await attest('lab', 'model-card', { bomFormat: 'CycloneDX', specVersion: '1.7', metadata: { component } })
    interface Line {
      dsseEnvelope: { payload: string }
    }
    const line = JSON.parse(await readFile(claims(), 'utf8')) as Line
    const statement = JSON.parse(Buffer.from(line.dsseEnvelope.payload, 'base64').toString()) as { predicate: object }
    Object.assign(statement.predicate, change)
    line.dsseEnvelope.payload = Buffer.from(JSON.stringify(statement)).toString('base64')
    await writeFile(claims(), JSON.stringify(line))
    const { attestations } = await weighed(await verdict([{ type: 'model-card' }]))
    expect(attestations).toMatchObject([
      { belief: 'claimed', error: { code }, why: expect.stringContaining(code) as string },
    ])
  })
})

describe('contradictions are', () => {
  const found = async (judged?: Awaited<ReturnType<typeof verdict>>) => (await weighed(judged)).contradictions

  test('values of one measurement by one signer that differ', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    await attest('lab', 'evaluation', evaluation(0.5))
    await attest('lab', 'evaluation', evaluation(0.5))
    expect(await found(await verdict([ACCURATE]))).toMatchObject([
      {
        metric: 'accuracy',
        values: [
          { value: 0.94, belief: 'believed', path: `${claims()}:1` },
          { value: 0.5, belief: 'verified', path: `${claims()}:2` },
        ],
      },
    ])
  })

  test.each([
    ['the same value', evaluation(0.94)],
    ['another slice', evaluation(0.5, { slice: 'noisy' })],
    ['another unit', evaluation(94, { unit: '%' })],
    ['another dataset', evaluation(0.5, { dataset: { name: 'x' } })],
  ])('not %s', async (_, other) => {
    await attest('lab', 'evaluation', evaluation(0.94))
    await attest('lab', 'evaluation', other)
    expect(await found()).toEqual([])
  })

  test('not values by two signers', async () => {
    await attest('lab', 'evaluation', evaluation(0.94))
    await attest('mallory', 'evaluation', evaluation(0.5))
    expect(await found()).toEqual([])
  })
})

describe('the lineage', () => {
  const A = 'a'.repeat(64)
  const B = 'b'.repeat(64)
  const tree = async (judged?: Awaited<ReturnType<typeof verdict>>) => (await weighed(judged)).lineage

  test('is what the provenance names by digest', async () => {
    await attest('a', 'provenance', made({ name: 'base', sha256: A }, { role: 'dataset', sha256: B }))
    await attest('mallory', 'provenance', made({ name: 'lie', sha256: A }))
    expect(await tree(await verdict([{ type: 'provenance' }]))).toMatchObject({
      sha256: root,
      ancestors: [
        { role: 'base-model', name: 'base', sha256: A, belief: 'believed', statedBy: [{}, { belief: 'claimed' }] },
        { role: 'dataset', sha256: B, belief: 'believed', ancestors: [] },
      ],
    })
  })

  test('is not that of a model with the same contents under other names', async () => {
    const [first, second] = [`x${name}`, `y${name}`]
    const digest = await site.signedModel(first, { 'a.onnx': 'bad', 'model.onnx': 'good' })
    expect(await site.signedModel(second, { 'model.onnx': 'bad', 'unused.onnx': 'good' })).toBe(digest)
    await attest('a', 'provenance', made({ name: 'base', sha256: A }), first)
    const line = await readFile(claims(first))
    await writeFile(claims(second), line)
    const treeOf = async (model: string) => weighAttestations(await inspectModel(site.file(model)))
    expect((await treeOf(first)).lineage).toMatchObject({ sha256: digest, ancestors: [{ name: 'base' }] })
    const other = await treeOf(second)
    expect(other.lineage).toBeUndefined()
    expect(other.attestations).toMatchObject([
      { isAbout: false, why: 'It is about a model with the same root digest, but other names of files.' },
    ])
    expect(other.attestations[0]?.subjects?.[0]?.sha256).toBe(digest)
  })

  test('is that of the bundle that the policy accepted, of several with the same root digest', async () => {
    await attest('a', 'provenance', made({ name: 'base', sha256: A }))
    // A stranger signed the same contents under other names, and that bundle is read first.
    await site.model(`x${name}`, { 'other.json': '{}', 'weights.bin': name })
    await rename(site.file(`${name}.sig`), site.file(`${name}.z.sig`))
    expect(await site.sign(`x${name}`, 'mallory', `${name}.sig`)).toBe(root)
    const [stranger] = (await inspectModel(site.file(name))).bundles
    expect(stranger?.statement).toMatchObject({ rootDigest: root, files: [{ name: 'other.json' }, {}] })
    expect((await weighed()).attestations).toMatchObject([{ isAbout: false }])
    const judged = await verdict([{ type: 'provenance' }])
    expect(judged.decision).toBe('accepted')
    expect(await weighed(judged)).toMatchObject({
      attestations: [{ isAbout: true, belief: 'believed' }],
      lineage: { ancestors: [{ name: 'base', belief: 'believed' }] },
    })
  })

  test('is absent if nobody states one', async () => {
    await attest('a', 'evaluation', evaluation(1))
    expect(await tree()).toBeUndefined()
  })

  test('goes on with the provenance of an ancestor, and ends where it becomes a circle', async () => {
    const base = await site.signedModel('base', { 'weights.bin': 'base' })
    await attest('mallory', 'provenance', made({ sha256: root }, { sha256: base }), 'base')
    await attest('mallory', 'provenance', made({ sha256: base }, { sha256: root }))
    await appendFile(claims(), await readFile(claims('base')))
    await rm(claims('base'))
    expect(await tree()).toMatchObject({
      ancestors: [
        {
          sha256: base,
          ancestors: [
            { sha256: root, cut: 'circle' },
            { sha256: base, cut: 'circle' },
          ],
        },
        { sha256: root, cut: 'circle', ancestors: [] },
      ],
    })
  })

  test('is bounded', async () => {
    const many = Array.from({ length: 900 }, (_, at) => ({ sha256: at.toString(16).padStart(64, '0') }))
    await attest('a', 'provenance', made(...many))
    const grown = await tree()
    const size = ({ ancestors }: LineageNode): number => ancestors.reduce((sum, one) => sum + size(one), 1)
    expect(grown && size(grown)).toBeLessThan(300)
    expect(grown).toMatchObject({ more: 700 })
  })
})
