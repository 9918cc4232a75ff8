import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { readBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { inspectBundle } from './inspect-bundle.ts'
import { PolicyEntries } from './policy-entry.ts'

const fixture = (name: string) =>
  readBundle(fileURLToPath(new URL(`../../../../../test/fixtures/reference/${name}.sig`, import.meta.url)))
const ABORTED = new ModelSealError('ABORTED', 'No.')
const BUG = new TypeError('a mistake')

/** A bundle that has its key. */
let bundle: UnverifiedBundle
beforeAll(async () => {
  bundle = await fixture('1.1.1-certificate')
})

const inspected = (
  of: UnverifiedBundle,
  { sizes = () => Promise.resolve(new Map<string, number>()), entries = new PolicyEntries() } = {},
) => inspectBundle({ path: 'm.sig', bundle: of }, { signal: undefined, sizes, entries })

describe('what a bundle says has no fields for what it does not say:', () => {
  test('times, log entries and sizes', async () => {
    const found = await inspected(bundle)
    expect(Object.keys(found).sort()).toEqual(
      ['path', 'digest', 'bytes', 'method', 'signer', 'signature', 'statement', 'policy'].sort(),
    )
    for (const file of found.statement?.files ?? []) expect(Object.keys(file)).toEqual(['name', 'digests'])
  })

  test('a name, and whom a policy would trust', async () => {
    // That of a release before 1.0.
    const unnamed = await fixture('0.2.0-key')
    const found = await inspected(unnamed, { entries: { of: () => undefined } as unknown as PolicyEntries })
    expect(found).not.toHaveProperty('policy')
    expect(found.statement).not.toHaveProperty('name')
  })
})

describe('while a signature is checked,', () => {
  /** The bundle, whose envelope cannot be read once. */
  const failing = (error: unknown) => {
    let isFirst = true
    const get = () => {
      if (!isFirst) return bundle.envelope
      isFirst = false
      throw error
    }
    return inspected(Object.create(bundle, { envelope: { get } }) as UnverifiedBundle)
  }

  test.each([ABORTED, BUG])('%s is no fault of the bundle', async (error) => {
    await expect(failing(error)).rejects.toBe(error)
  })

  test('a refusal says that it is invalid, unless it is about the statement', async () => {
    expect(await failing(new ModelSealError('SIGNATURE_INVALID', 'No.'))).toMatchObject({ signature: 'invalid' })
    expect(await failing(new ModelSealError('STATEMENT_MALFORMED', 'No.'))).toMatchObject({ signature: 'valid' })
  })
})

describe('while sizes are looked up,', () => {
  test.each([ABORTED, BUG])('%s is no fault of the bundle', async (error) => {
    await expect(inspected(bundle, { sizes: () => Promise.reject(error) })).rejects.toBe(error)
  })

  test('a refusal is reported with the statement', async () => {
    const error = new ModelSealError('SOURCE_LISTING', 'No.')
    const found = await inspected(bundle, { sizes: () => Promise.reject(error) })
    expect(found).toMatchObject({ error: { code: 'SOURCE_LISTING' }, statement: { method: 'files' } })
  })
})

test('a bundle that was not read is refused in its result', async () => {
  const error = new ModelSealError('BUNDLE_MALFORMED', 'No.', { found: 'x' })
  const reading = inspectBundle(
    { path: 'm.sig', error },
    { signal: undefined, sizes: () => expect.fail(), entries: new PolicyEntries() },
  )
  expect(await reading).toEqual({ path: 'm.sig', error: error.toJSON() })
})
