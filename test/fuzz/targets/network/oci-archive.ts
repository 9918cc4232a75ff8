import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Archive } from '../../../../packages/hub/src/oci/artifact.ts'
import { entriesOf } from '../../../../packages/hub/src/oci/archives/archive-entries.ts'
import { ArchiveLimit } from '../../../../packages/hub/src/oci/archives/archive-limit.ts'
import type { Digest } from '../../../../packages/hub/src/oci/digest.ts'
import { tarOf } from '../../../../packages/hub/src/testing/oci-archives.ts'
import { mustEqual, readOrRefusedLater, REFUSED, type Target } from '../../target.ts'

// The first byte says how the archive is compressed, and whether the model is a directory in it. The checksums of headers are added.

const BLOCK = 512
const MAX_BYTES = 20_000
const DIGEST = `sha256:${'a'.repeat(64)}` as Digest

const target: Target = {
  longest: 12_000,
  dictionary: [
    '../',
    './',
    'ustar\u000000',
    'ustar  \u0000',
    '16 path=vad/../x\n',
    '19 GNU.sparse.major=1\n',
    '00000000010\u0000',
    'vad/',
  ],
  async seeds() {
    const archives = [
      await tarOf([
        ['a.onnx', 'weights'],
        ['sub', '', { type: 'directory' }],
        ['sub/b', 'b'],
      ]),
      await tarOf([
        ['vad/a', 'a'],
        [`vad/${'x'.repeat(150)}`, 'x'],
        ['vad/größe', 'y'],
      ]),
      await tarOf([
        ['./a', 'a'],
        ['l', '', { type: 'symlink', linkname: 'a' }],
      ]),
      await tarOf([
        ['a', 'a', { pax: { path: 'b', comment: 'c' } }],
        ['A', 'a', { type: 'contiguous-file' }],
      ]),
    ]
    const refused = await Promise.all(['../x', 'a/../x', 'a//x', 'a/./x', ''].map((name) => tarOf([[name, 'x']])))
    return [...archives, ...refused].flatMap((archive) =>
      [0, 1, 2, 3, 4, 5].map((how) => Buffer.concat([Buffer.from([how]), archive])),
    )
  },
  async check(input) {
    const [how = 0] = input
    const tar = Buffer.from(input.subarray(1))
    const listed = described(tar)
    const compression = ([undefined, 'gzip', 'zstd'] as const)[how % 3]
    const root = how % 6 >= 3 ? 'vad' : undefined
    const bytes = compression === 'gzip' ? gzipSync(tar) : compression === 'zstd' ? zstdCompressSync(tar) : tar
    const given = { mediaType: 'x', digest: DIGEST, size: bytes.length, annotations: new Map<string, string>() }
    const archive: Archive = { ...given, compression, path: undefined, root }
    const read = await readOrRefusedLater(() => contentsOf(archive, bytes, bytes.length || 1))
    const again = await readOrRefusedLater(() => contentsOf(archive, bytes, 64 + (how % 7) * 100))
    mustEqual(again, read, 'What is read piece by piece')
    if (read === REFUSED) return
    const names = read.map(([name]) => name)
    const folded = names.map((name) => name.normalize('NFC').toLowerCase())
    mustEqual(new Set(folded).size, names.length, 'The number of different names')
    const odd = names.find((name) => name.split('/').some((part) => /^\.{0,2}$|\0/.test(part)))
    if (odd !== undefined) throw new Error(`A file is named ${JSON.stringify(odd)}.`)
    const total = read.reduce((sum, [, content]) => sum + content.length, 0)
    if (total > MAX_BYTES) throw new Error(`It has ${total} bytes.`)
    if (listed) mustEqual(read, inModel(listed, root), 'The files')
  },
}
export default target

type Contents = [name: string, content: string][]

async function contentsOf(archive: Archive, bytes: Buffer, step: number): Promise<Contents> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
    bytes.subarray(index * step, (index + 1) * step),
  )
  const contents: Contents = []
  for await (const { name, size, chunks } of entriesOf(archive, Readable.from(pieces), new ArchiveLimit(MAX_BYTES))) {
    const parts: Buffer[] = []
    for await (const chunk of chunks) parts.push(Buffer.from(chunk))
    const content = Buffer.concat(parts)
    mustEqual(content.length, size, 'The size')
    contents.push([name, content.toString('latin1')])
  }
  return contents
}

/**
 * A small reader of tar (POSIX.1-2024 pax, "ustar Interchange Format"), which corrects checksums.
 *
 * @returns undefined for an archive with more than plain files and directories
 */
function described(tar: Buffer): { name: string; isFile: boolean; content: string }[] | undefined {
  const entries: { name: string; isFile: boolean; content: string }[] = []
  let isPlain = true
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK)
    if (header.every((byte) => byte === 0)) break
    header.fill(' ', 148, 156)
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    )
    const sizeText = header.toString('latin1', 124, 136)
    const size = /^[0-7]+[\0 ]*$/.test(sizeText) ? parseInt(sizeText, 8) : 0
    isPlain &&= isUsual(header) && /^[0-7]{11}\0$/.test(sizeText)
    const type = String.fromCharCode(header.readUInt8(156))
    const isFile = type === '0' || type === '7'
    entries.push({ name: nameIn(header), isFile, content: tar.toString('latin1', at + BLOCK, at + BLOCK + size) })
    at += BLOCK + (type === '5' ? 0 : Math.ceil(size / BLOCK) * BLOCK)
  }
  return isPlain ? entries : undefined
}

function isUsual(header: Buffer): boolean {
  const isType = ['0', '5', '7'].includes(String.fromCharCode(header.readUInt8(156)))
  return isType && header.toString('latin1', 257, 265) === 'ustar\u000000' && !nameIn(header).endsWith('/')
}

function nameIn(header: Buffer): string {
  const field = (from: number, to: number) => header.toString('utf8', from, to).replace(/\0[^]*$/, '')
  const prefix = field(345, 500)
  return `${prefix === '' ? '' : `${prefix}/`}${field(0, 100)}`
}

function inModel(entries: NonNullable<ReturnType<typeof described>>, root: string | undefined): Contents {
  const files = entries.filter(({ isFile }) => isFile)
  const from = root === undefined ? '' : `${root}/`
  return files.map(({ name, content }) => [name.replace(/^(?:\.\/)+/, '').slice(from.length), content])
}
