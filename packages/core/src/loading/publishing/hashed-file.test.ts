import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { digestOfFile, HashedFile } from './hashed-file.ts'

const PIECE_BYTES = 256 * 1024
/** Two pieces, and a third one that is shorter. */
const CONTENT = Buffer.alloc(2 * PIECE_BYTES + 5, 'weights')

/** A file on disk that has the content, whatever was signed. */
function fileOf(content: Uint8Array, signed: Uint8Array = content) {
  const file = { name: 'a/b.bin', path: join(scratch({ b: content }), 'b'), size: signed.length, sha256: undefined }
  const sent: number[] = []
  return { file, sent, hashed: new HashedFile(file, sha256(signed), (bytes) => void sent.push(bytes)) }
}

test('a file has the digest of its content', async () => {
  const { file } = fileOf(CONTENT)
  expect(await digestOfFile(file, undefined)).toBe(sha256(CONTENT))
  await expect(digestOfFile(file, AbortSignal.abort())).rejects.toThrow(
    expect.objectContaining({ name: 'AbortError' }) as Error,
  )
})

describe('a file that is sent', () => {
  test.each([
    [CONTENT, [PIECE_BYTES, PIECE_BYTES, 5]],
    [Buffer.from('x'), [1]],
    [Buffer.alloc(0), []],
  ])('is sent whole, if it is as it was signed', async (content, pieces) => {
    const { hashed, sent } = fileOf(content)
    expect(hashed).toMatchObject({ type: 'application/octet-stream', length: content.length })
    const received: Uint8Array[] = []
    for await (const piece of hashed.chunks()) received.push(piece)
    expect(Buffer.concat(received).equals(content)).toBe(true)
    expect(sent).toEqual(pieces)
    expect(hashed.fault).toBeUndefined()
  })

  test('counts a piece once it was taken', async () => {
    const { hashed, sent } = fileOf(CONTENT)
    const chunks = hashed.chunks()
    await chunks.next()
    expect(sent).toEqual([])
    await chunks.next()
    expect(sent).toEqual([PIECE_BYTES])
    await chunks.return(undefined)
  })

  const other = Buffer.from(CONTENT)
  other.write('x')
  test.each([
    ['other', other, `sha256:${sha256(other)}`],
    ['more', Buffer.concat([CONTENT, Buffer.from('x')]), `more than ${CONTENT.length} bytes`],
    ['less', CONTENT.subarray(1), `${CONTENT.length - 1} bytes instead of ${CONTENT.length}`],
    ['no', Buffer.alloc(0), `0 bytes instead of ${CONTENT.length}`],
  ])('ends before its last piece if it has %s content', async (_, content, found) => {
    const { hashed } = fileOf(content, CONTENT)
    let bytes = 0
    const sending = (async () => {
      for await (const piece of hashed.chunks()) bytes += piece.length
    })()
    const changed = refusal('FILE_CHANGED', { file: 'a/b.bin', expected: 'the content that was signed', found })
    await expect(sending).rejects.toEqual(changed)
    expect(hashed.fault).toEqual(changed)
    expect(bytes).toBeLessThan(CONTENT.length - 1)
  })

  test('grows no further than was signed', async () => {
    const { hashed, file } = fileOf(Buffer.from('x'))
    writeFileSync(file.path, Buffer.alloc(3 * PIECE_BYTES))
    await expect(hashed.chunks().next()).rejects.toEqual(refusal('FILE_CHANGED', { found: 'more than 1 bytes' }))
  })
})
