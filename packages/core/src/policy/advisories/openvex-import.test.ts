import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkedEntries } from './feed-entries.ts'
import { importOpenVex } from './openvex.ts'

const HEX = 'a'.repeat(64)
const COMMIT = 'abcdef0123'.repeat(4)

let directory: string
const at = (name: string) => join(directory, name)

beforeEach(() => void (directory = scratch()))

describe('OpenVEX', () => {
  const statement = (status: string, ...products: object[]) => ({
    vulnerability: { name: 'CVE-2026-1' },
    products,
    status,
    action_statement: 'x',
  })
  const vex = (...statements: object[]) =>
    Buffer.from(
      JSON.stringify({
        '@context': 'https://openvex.dev/ns/v0.2.0',
        '@id': 'x:y',
        author: 'a',
        version: 1,
        statements,
      }),
    )

  test('by others is read: what is affected, and how much was not', async () => {
    const document = vex(
      statement(
        'affected',
        { '@id': `pkg:huggingface/acme/vad@${COMMIT}` },
        { hashes: { 'sha-256': HEX.toUpperCase(), md5: 'x' } },
      ),
      statement('affected', { '@id': 'https://product.example' }, { identifiers: { '@cpe23': 'cpe:x' } }),
      statement('fixed', { '@id': 'pkg:huggingface/acme/other' }),
    )
    await writeFile(at('vex.json'), document)
    expect(await importOpenVex(at('vex.json'))).toEqual({
      entries: {
        fileDigests: [{ digest: `sha256:${HEX}`, reason: 'CVE-2026-1' }],
        packages: [{ purl: `pkg:huggingface/acme/vad@${COMMIT}`, reason: 'CVE-2026-1' }],
      },
      unnamed: 2,
      superseded: 0,
      subcomponents: 0,
      others: 1,
    })
  })

  describe('says of the same product and vulnerability', () => {
    const PURL = `pkg:huggingface/acme/vad@${COMMIT}`
    const product = { '@id': PURL, hashes: { 'sha-256': HEX } }
    const said = (status: string, day?: number, more: object = {}) => ({
      ...statement(status, product),
      ...(day === undefined ? {} : { timestamp: `2026-03-0${day}T00:00:00Z` }),
      ...more,
    })
    const imported = async (issued: string | undefined, ...statements: object[]) => {
      const json = JSON.parse(vex(...statements).toString()) as object
      await writeFile(at('vex.json'), JSON.stringify({ ...json, ...(issued && { timestamp: issued }) }))
      const { entries: found, ...counts } = await importOpenVex(at('vex.json'))
      return { ...counts, denied: [...(found.packages ?? []), ...(found.fileDigests ?? [])].length }
    }

    test.each(['fixed', 'not_affected', 'under_investigation'])('later that it is %s', async (status) => {
      const later = { denied: 0, superseded: 1, others: 1 }
      expect(await imported(undefined, said('affected', 1), said(status, 2))).toMatchObject(later)
      expect(await imported(undefined, said(status, 2), said('affected', 1))).toMatchObject(later)
      // "Inheritance Flow": a statement has the time of the document unless it has its own.
      expect(await imported('2026-03-02T00:00:00Z', said('affected', 1), said(status))).toMatchObject(later)
    })

    test.each<[string, string | undefined, object[]]>([
      ['that it was fixed before it was affected', undefined, [said('fixed', 1), said('affected', 2)]],
      [
        'that it was fixed before it was affected again',
        undefined,
        [said('affected', 1), said('fixed', 2), said('affected', 3)],
      ],
      ['both at the same time', '2026-03-02T00:00:00Z', [said('affected'), said('fixed')]],
      ['both at a time that is not known', undefined, [said('affected'), said('fixed')]],
      ['at an unknown time that it is fixed', undefined, [said('affected', 1), said('fixed')]],
      [
        'later that another vulnerability is fixed',
        undefined,
        [said('affected', 1), said('fixed', 2, { vulnerability: { name: 'CVE-2026-2' } })],
      ],
      [
        'later that a part of it is fixed',
        undefined,
        [said('affected', 1), said('fixed', 2, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] })],
      ],
      [
        'later that another part of it is fixed',
        undefined,
        [
          said('affected', 1, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/a' }] }] }),
          said('fixed', 2, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] }),
        ],
      ],
    ])('%s: it is affected', async (_, issued, statements) => {
      expect(await imported(issued, ...statements)).toMatchObject({
        denied: expect.any(Number) as number,
        superseded: 0,
      })
      expect((await imported(issued, ...statements)).denied).toBeGreaterThanOrEqual(2)
    })

    test('twice that it is affected: both count, with their parts', async () => {
      const part = { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] }
      const twice = { superseded: 0, subcomponents: 1, others: 0 }
      expect(await imported(undefined, said('affected', 1, part), said('affected', 2))).toMatchObject(twice)
    })

    test('at an unknown time that it is fixed, and then at a known one', async () => {
      const fixed = { denied: 0, superseded: 1, others: 3 }
      const nothing = said('fixed', 3, { products: undefined })
      const statements = [said('affected', 1), said('fixed'), said('fixed', 2), nothing]
      expect(await imported(undefined, ...statements)).toMatchObject(fixed)
      expect(await imported(undefined, ...statements.toReversed())).toMatchObject(fixed)
    })

    test('later that the same part, or all of it, is fixed', async () => {
      const part = { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] }
      const fixed = { denied: 0, superseded: 1, subcomponents: 0 }
      expect(await imported(undefined, said('affected', 1, part), said('fixed', 2, part))).toMatchObject(fixed)
      expect(await imported(undefined, said('affected', 1, part), said('fixed', 2))).toMatchObject(fixed)
    })

    test('that one of its names is fixed: the other name stays affected', async () => {
      const fixed = said('fixed', 2, { products: [{ identifiers: { purl: PURL } }] })
      expect(await imported(undefined, said('affected', 1), fixed)).toMatchObject({ denied: 1, superseded: 0 })
    })
  })

  test('counts subcomponents, and statements without products, which are left out', async () => {
    const part = { '@id': `pkg:huggingface/acme/vad@${COMMIT}` }
    const whole = { '@id': 'pkg:oci/app', subcomponents: [part, { hashes: { 'sha-256': HEX } }] }
    const none = { ...statement('affected'), products: undefined }
    await writeFile(at('vex.json'), vex(statement('affected', whole), statement('affected'), none))
    expect(await importOpenVex(at('vex.json'))).toEqual({
      entries: { packages: [{ purl: 'pkg:oci/app', reason: 'CVE-2026-1' }] },
      unnamed: 2,
      superseded: 0,
      subcomponents: 2,
      others: 0,
    })
  })

  test.each([
    ['https://openvex.dev/ns', true],
    ['https://openvex.dev/ns/v0.0.1', true],
    ['https://openvex.dev/nsx', false],
    ['https://openvex.dev.example/ns', false],
    ['x https://openvex.dev/ns/v0.2.0', false],
  ])('is told by its context %j', async (context, isVex) => {
    const document = { ...(JSON.parse(vex().toString()) as object), '@context': context }
    await writeFile(at('vex.json'), JSON.stringify(document))
    const read = importOpenVex(at('vex.json'))
    if (isVex) expect(await read).toEqual({ entries: {}, unnamed: 0, superseded: 0, subcomponents: 0, others: 0 })
    else
      await expect(read).rejects.toEqual(
        refusal('ADVISORY_INVALID', { expected: 'https://openvex.dev/ns/v0.2.0', found: `"${context}"` }),
      )
  })

  test('has reasons that are no longer than those of a feed', async () => {
    const reasonOf = async (name: string) => {
      await writeFile(at('vex.json'), vex({ ...statement('affected', { '@id': 'pkg:a/b' }), vulnerability: { name } }))
      const { entries: found } = await importOpenVex(at('vex.json'))
      await checkedEntries(found)
      return found.packages
    }
    const [longest, face] = ['x'.repeat(1_000), '\u{1f600}']
    expect(await reasonOf(longest)).toEqual([{ purl: 'pkg:a/b', reason: longest }])
    expect(await reasonOf(`${longest}y`)).toEqual([{ purl: 'pkg:a/b', reason: longest }])
    // No half a character, which a feed cannot have.
    expect(await reasonOf(`${longest.slice(1)}${face}`)).toEqual([
      { purl: 'pkg:a/b', reason: `${longest.slice(1)}\u{fffd}` },
    ])
  })

  test.each<[string, object]>([
    ['a package URL of a part', { '@id': 'pkg:huggingface/acme/vad#part' }],
    ['a package URL of a branch', { identifiers: { purl: 'pkg:huggingface/acme/vad@main' } }],
    ['a text with a package URL', { '@id': ' pkg:huggingface/acme/vad' }],
    ['a digest that is too short', { hashes: { 'sha-256': HEX.slice(1), 'blake2b-512': HEX } }],
    ['a digest that is too long', { hashes: { 'sha-256': `${HEX}a` } }],
    ['a digest that begins with another letter', { hashes: { 'sha-256': `g${HEX.slice(1)}` } }],
    ['a digest that ends with another letter', { hashes: { 'sha-256': `${HEX.slice(1)}g` } }],
    ['a digest of another algorithm', { hashes: { 'sha-512': HEX + HEX } }],
  ])('names no product by %s', async (_, product) => {
    await writeFile(at('vex.json'), vex(statement('affected', product)))
    expect(await importOpenVex(at('vex.json'))).toMatchObject({ entries: {}, unnamed: 1 })
  })

  test('is refused beyond its bounds', async () => {
    await writeFile(at('vex.json'), '')
    await truncate(at('vex.json'), 32 * 1024 * 1024 + 1)
    const message = expect.stringContaining('OpenVEX document') as string
    await expect(importOpenVex(at('vex.json'))).rejects.toEqual(refusal('ADVISORY_TOO_LARGE', { message }))
    await expect(importOpenVex(at('none.json'))).rejects.toEqual(refusal('FILE_NOT_FOUND', { message }))
    await writeFile(at('vex.json'), `[${'0,'.repeat(1_000_000)}0]`)
    await expect(importOpenVex(at('vex.json'))).rejects.toEqual(refusal('JSON_TOO_COMPLEX', { message }))
    await writeFile(at('vex.json'), '{}')
    await expect(importOpenVex(at('vex.json'))).rejects.toEqual(refusal('ADVISORY_INVALID', { message }))
  })

  test.each<[string, ErrorCode, Buffer]>([
    ['another format', 'ADVISORY_INVALID', Buffer.from('{"bomFormat":"CycloneDX"}')],
    ['an unknown status', 'ADVISORY_INVALID', vex(statement('bad'))],
    ['a time without a zone', 'ADVISORY_INVALID', vex({ ...statement('fixed'), timestamp: '2026-03-01T00:00:00' })],
    [
      'the first version, which has no objects',
      'ADVISORY_INVALID',
      vex({ ...statement('fixed'), vulnerability: 'CVE-1' }),
    ],
    ['no JSON', 'JSON_INVALID', Buffer.from('x')],
  ])('is refused if it is %s', async (_, code, document) => {
    await writeFile(at('vex.json'), document)
    await expect(importOpenVex(at('vex.json'))).rejects.toEqual(refusal(code, { file: at('vex.json') }))
  })
})
