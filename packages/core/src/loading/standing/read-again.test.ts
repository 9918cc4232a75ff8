import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { SourceSession } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import type { JudgedLoad, VerifiedContent } from './judged-load.ts'
import { readAttestationsAgain } from './read-again.ts'

let close = vi.fn(() => Promise.resolve())
beforeEach(() => void (close = vi.fn(() => Promise.resolve())))

const MANIFEST = { files: new Map([['signed.jsonl', {}]]) } as unknown as Manifest

/** A load that was verified, of a model from a source with these attestations. */
function loaded(session: Partial<SourceSession> = {}) {
  const verified = { files: { path: 'm' }, manifest: MANIFEST, attestations: undefined } as unknown as VerifiedContent
  const source = memorySource('store://m', new Map(), { session: { close, ...session } })
  const reopen = vi.fn(() => OpenedSource.open(source))
  return { verified, reopen, load: { verified, reopen } as unknown as JudgedLoad }
}
const place = (path: string, name?: string) => ({
  path,
  name,
  read: async (_: unknown, receive: (body: never) => Promise<void>) =>
    receive({ chunks: [Buffer.from('junk')] } as never),
})

describe('the attestations of a loaded model', () => {
  test('are read and remembered, but not those in a file that was signed', async () => {
    const claims = () => [place('a'), place('b', 'b.jsonl'), place('c', 'signed.jsonl')]
    const { load, verified } = loaded({ claims: claims as never })
    expect(await readAttestationsAgain(load)).toBe(true)
    expect(verified.attestations).toMatchObject([{ path: 'a' }, { path: 'b' }])
    expect(close).toHaveBeenCalledOnce()
  })

  test('are none of a model that was not verified', async () => {
    const { load, reopen } = loaded()
    expect(await readAttestationsAgain({ ...load, verified: undefined })).toBe(true)
    expect(reopen).not.toHaveBeenCalled()
  })

  test.each(['HTTP_UNREACHABLE', 'HTTP_TIMEOUT', 'HTTP_RESPONSE'] as ErrorCode[])(
    'are asked for again after an outage: %s',
    async (code) => {
      const { load, reopen, verified } = loaded()
      reopen.mockRejectedValue(new ModelSealError(code, 'No.'))
      expect(await readAttestationsAgain(load)).toBe(false)
      expect(verified.attestations).toBeUndefined()
    },
  )

  test('are remembered not to be readable for any other reason', async () => {
    const claims = () => {
      throw new ModelSealError('FILE_UNREADABLE', 'No.')
    }
    const { load, verified } = loaded({ claims })
    expect(await readAttestationsAgain(load)).toBe(true)
    expect(verified.attestations).toEqual(refusal('FILE_UNREADABLE'))
    expect(close).toHaveBeenCalledOnce()
  })

  test('are not remembered if something breaks', async () => {
    const { load, reopen, verified } = loaded()
    const broken = new Error('broken')
    reopen.mockRejectedValue(broken)
    await expect(readAttestationsAgain(load)).rejects.toBe(broken)
    expect(verified.attestations).toBeUndefined()
  })
})
