import { expect, test, vi } from 'vitest'
import type { Load } from '../load.ts'
import { judgedLoads } from './remember.ts'

/** What judged a load, by one policy. */
const judging = (name: string, more: object = {}) => ({
  judgedBy: { number: 1, versions: name },
  accepted: undefined as object | undefined,
  verdict: { model: { format: 'onnx' } },
  stated: { url: undefined, format: 'tfjs' as unknown, audit: name === 'audit' },
  findIfAny: () => Promise.resolve({ bundles: [name] }),
  mayBeUnsigned: [`${name}.md`],
  ...more,
})
/** A signature that was accepted. */
const accepted = (name: string) => ({
  found: { bundles: [name], files: { local: `local ${name}` } },
  signature: { manifest: `manifest ${name}` },
  readAttestations: [`attestation ${name}`],
})
const verified = (name: string) => ({
  manifest: `manifest ${name}`,
  files: { local: `local ${name}` },
  local: `local ${name}`,
  attestations: [`attestation ${name}`],
})

function load(...judgings: object[]) {
  const reopen = () => Promise.reject(new Error('no'))
  const opened = vi.fn(() => Promise.resolve({ revision: 'r', requested: 'q', packageUrl: 'pkg:p', other: 1 }))
  const one = {
    judgings,
    place: { path: '/m' },
    options: { signature: 's' },
    content: {},
    opened,
    reopening: () => reopen,
  }
  return { one: one as unknown as Load, opened, reopen }
}

test('nothing is remembered for policies that cannot change, and the source is not asked', async () => {
  const { one, opened } = load(judging('a', { judgedBy: undefined, accepted: accepted('a') }))
  expect(await judgedLoads(one)).toEqual([])
  expect(opened).not.toHaveBeenCalled()
})

test('what a policy accepted is remembered', async () => {
  const { one, reopen } = load(judging('a', { accepted: accepted('a') }))
  expect(await judgedLoads(one)).toEqual([
    {
      by: { number: 1, versions: 'a' },
      place: { path: '/m' },
      stated: { url: undefined, format: 'tfjs', audit: false },
      revision: { revision: 'r', requested: 'q', packageUrl: 'pkg:p' },
      found: accepted('a').found,
      isAccepted: true,
      verified: verified('a'),
      mayBeUnsigned: ['a.md'],
      signature: 's',
      content: one.content,
      reopen,
    },
  ])
})

test('for a policy that accepted nothing, so is what another one verified', async () => {
  const { one } = load(
    judging('fixed', { judgedBy: undefined }),
    judging('a'),
    judging('b', { accepted: accepted('b') }),
    judging('c', { accepted: accepted('c') }),
  )
  expect(await judgedLoads(one)).toMatchObject([
    { found: { bundles: ['a'] }, isAccepted: false, verified: verified('b'), mayBeUnsigned: ['a.md'] },
    { found: { bundles: ['b'] }, isAccepted: true, verified: verified('b') },
    { found: { bundles: ['c'] }, isAccepted: true, verified: verified('c') },
  ])
})

test('nothing is verified if no policy accepted anything', async () => {
  const [remembered] = await judgedLoads(load(judging('audit', { findIfAny: () => Promise.resolve(undefined) })).one)
  expect(remembered).toMatchObject({
    found: undefined,
    isAccepted: false,
    verified: undefined,
    stated: { audit: true },
  })
})

test('a model is not asked for its format again', async () => {
  const claimed = vi.fn(() => Promise.reject(new Error('closed')))
  const stated = { format: { oneOf: ['onnx', 'tfjs'], claimed } }
  const [remembered] = await judgedLoads(load(judging('a', { stated })).one)
  const { format } = remembered!.stated
  expect(format).toEqual({ oneOf: ['onnx', 'tfjs'], claimed: expect.any(Function) as unknown })
  expect(await (format as { claimed: () => Promise<unknown> }).claimed()).toBe('onnx')
  expect(claimed).not.toHaveBeenCalled()
})
