import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { attestationSteps } from '../../attestation/statement.ts'
import { ModelSealError } from '../../errors.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { SourceReader } from '../../source/answers/source-reader.ts'
import { MAX_ATTESTATIONS, MAX_CLAIMS_BYTES } from '../../source/claims-name.ts'
import type { ClaimsCandidate, ModelFiles } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { bundleOver, encoded, keyPair, sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { attestationsToSave } from './saved-attestations.ts'

vi.mock('../../attestation/statement.ts', { spy: true })
// Smaller than the real ones, so that tests reach them soon.
vi.mock('../../source/claims-name.ts', async (original) => ({
  ...(await original<object>()),
  MAX_ATTESTATIONS: 10,
  MAX_CLAIMS_BYTES: 20_000,
}))

const KEY = keyPair()
const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
const MANIFEST = new Manifest('m', serialization, [{ name: 'a', digest: sha256('a') }])
const FILES: ModelFiles = { path: 'store://m', name: 'm', isFile: false, read: async () => {} }

/** An attestation, as one line. */
function attestation(word: string, digest = MANIFEST.rootDigest): string {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'm', digest: { sha256: digest } }],
    predicateType: 'https://example.com/word/v1',
    predicate: { word },
  }
  return bundleOver(encoded(statement), KEY).toString().trim()
}

/** A source with files of attestations. */
function sourceOf(claims: Record<string, string | Error>): OpenedSource {
  const places = Object.entries(claims).map(([path, content]): ClaimsCandidate => ({
    path,
    name: path,
    lines: true,
    read: async (_, receive) => {
      if (content instanceof Error) throw content
      await receive({ chunks: [Buffer.from(content)] })
    },
  }))
  const reader = new SourceReader({ isOwn: true }, undefined)
  return { reader, maxSearchBytes: Infinity, claims: () => places } as unknown as OpenedSource
}

interface Given {
  there?: string
  isRequired?: boolean
  signal?: AbortSignal
  manifest?: Manifest
}

async function saved(claims: Record<string, string | Error>, given: Given = {}): Promise<string[]> {
  const { there, isRequired = false, signal, manifest = MANIFEST } = given
  const model = { files: FILES, manifest, isRequired, signal }
  return (await attestationsToSave(sourceOf(claims), model, there)).toString().split('\n')
}

const [one, two, three] = ['one', 'two', 'three'].map((word) => attestation(word)) as [string, string, string]
const OTHER = attestation('other', sha256('another model'))

describe('the attestations of a source', () => {
  test('about the model are saved, once each, with a line break after each', async () => {
    expect(await saved({ 'claims.jsonl': [one, OTHER, two, one, '{}', 'no JSON'].join('\n') })).toEqual([one, two, ''])
    expect(await saved({})).toEqual([''])
  })

  test('are saved in one line', async () => {
    const pretty = JSON.stringify(JSON.parse(one), undefined, 1)
    const source = sourceOf({})
    const place: ClaimsCandidate = {
      path: 'pretty',
      read: (_, receive) => receive({ chunks: [Buffer.from(pretty)] }),
    }
    const model = { files: FILES, manifest: MANIFEST, isRequired: false, signal: undefined }
    const claims = () => [place]
    const bytes = await attestationsToSave(
      { reader: source.reader, maxSearchBytes: Infinity, claims } as unknown as OpenedSource,
      model,
    )
    expect(bytes.toString()).toBe(`${pretty.replaceAll('\n', ' ')}\n`)
  })

  test('are saved byte for byte', async () => {
    const json = JSON.parse(one) as { verificationMaterial: { publicKey: { hint: string } } }
    json.verificationMaterial.publicKey.hint = 'Schl\u00fcssel \u{1f511}'
    const line = JSON.stringify(json)
    expect(await saved({ x: line })).toEqual([line, ''])
  })

  test('are about the model by its identity as well', async () => {
    const identity = modelIdentity(MANIFEST)
    expect(identity).toBeDefined()
    const about = (modelIdentity: string) => {
      const digest = { sha256: MANIFEST.rootDigest, modelIdentity }
      const statement = {
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'm', digest }],
        predicateType: 'https://example.com/word/v1',
        predicate: {},
      }
      return bundleOver(encoded(statement), KEY).toString().trim()
    }
    const right = about(identity)
    expect(await saved({ x: [right, about(sha256('x'))].join('\n') })).toEqual([right, ''])
  })

  test('are not those in a signed file', async () => {
    const manifest = new Manifest('m', serialization, [{ name: 'claims.jsonl', digest: sha256('a') }])
    const about = attestation('one', manifest.rootDigest)
    expect(await saved({ 'claims.jsonl': about }, { manifest })).toEqual([''])
    expect(await saved({ 'other.jsonl': about }, { manifest })).toEqual([about, ''])
  })
})

describe('attestations of the source that cannot be read', () => {
  const failure = new ModelSealError('HTTP_RESPONSE', 'No.')

  test('are left out, unless they are required', async () => {
    const there = join(scratch({ claims: one }), 'claims')
    expect(await saved({ x: failure })).toEqual([''])
    expect(await saved({ x: failure }, { there })).toEqual([one, ''])
    await expect(saved({ x: failure }, { isRequired: true })).rejects.toBe(failure)
  })

  test('end the download if it was aborted, or if they show a fault', async () => {
    const aborted = new ModelSealError('ABORTED', 'No.')
    await expect(saved({ x: aborted })).rejects.toBe(aborted)
    const bug = new TypeError('a bug')
    await expect(saved({ x: bug })).rejects.toBe(bug)
    const stop = AbortSignal.abort()
    await expect(saved({ x: one }, { signal: stop })).rejects.toEqual(refusal('ABORTED'))
  })

  test.each([new ModelSealError('ABORTED', 'No.'), new TypeError('a bug')])(
    'end it also while the statement in one is read: %s',
    async (error) => {
      vi.mocked(attestationSteps).mockImplementationOnce(function* () {
        yield
        throw error
      })
      await expect(saved({ x: one })).rejects.toBe(error)
    },
  )
})

describe('attestations that are there', () => {
  let there: string
  beforeEach(() => {
    there = join(scratch({ claims: `${[two, OTHER, two].join('\n')}\n` }), 'claims')
  })

  test('come first, once each, and without those about other models', async () => {
    expect(await saved({ x: [one, two].join('\n') }, { there })).toEqual([two, one, ''])
  })

  test('may be none', async () => {
    expect(await saved({ x: one }, { there: `${there}-none` })).toEqual([one, ''])
    // A directory of this name is content of a model.
    expect(await saved({ x: one }, { there: scratch() })).toEqual([one, ''])
  })

  test('must be readable', async () => {
    const large = join(scratch({ claims: '' }), 'claims')
    truncateSync(large, MAX_CLAIMS_BYTES + 1)
    await expect(saved({ x: one }, { there: large })).rejects.toThrow(ModelSealError)
  })

  test('are not joined with more than a load reads', async () => {
    const many = Array.from({ length: MAX_ATTESTATIONS - 1 }, (_, i) => attestation(`number ${i}`))
    const claims = { x: many.join('\n') }
    expect(await saved(claims, { there })).toHaveLength(MAX_ATTESTATIONS + 1)
    const both = join(scratch({ claims: [two, three].join('\n') }), 'claims')
    await expect(saved(claims, { there: both })).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_MANY', {
        file: both,
        expected: `at most ${MAX_ATTESTATIONS}`,
        found: `${MAX_ATTESTATIONS + 1}`,
        message: expect.stringContaining(JSON.stringify(both)) as string,
      }),
    )
  })

  test('are not joined with more bytes than a load reads', async () => {
    const rest = MAX_CLAIMS_BYTES - `${two}\n${one}\n`.length
    const long = (more: number) => one.replace('{', `{${' '.repeat(rest + more)}`)
    expect((await saved({ x: long(0) }, { there })).join('\n')).toHaveLength(MAX_CLAIMS_BYTES)
    await expect(saved({ x: long(1) }, { there })).rejects.toEqual(
      refusal('ATTESTATIONS_TOO_LARGE', {
        file: there,
        expected: `at most ${MAX_CLAIMS_BYTES} bytes`,
        found: `${MAX_CLAIMS_BYTES + 1} bytes`,
        message: expect.stringContaining(JSON.stringify(there)) as string,
      }),
    )
  })
})
