import { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { tarMembers } from '../../../../packages/core/src/loading/datasets/formats/tar-members.ts'
import { tarOf } from '../../../../packages/hub/src/testing/oci-archives.ts'
import { mustEqual, readOrRefusedWith, type Target } from '../../target.ts'

// The first byte says how many members and characters of names an archive may have. The checksums of headers are added.

const BLOCK = 512

/** What `tar` of GNU writes before the header of a file whose name is long. */
const LONG_LINK = Buffer.alloc(3 * BLOCK)
LONG_LINK.write('././@LongLink')
LONG_LINK.write('00000001001\u0000', 124)
LONG_LINK.write('L', 156)
LONG_LINK.write('ustar  \u0000', 257)
LONG_LINK.write('n'.repeat(BLOCK), BLOCK)

const target: Target = {
  longest: 12_000,
  dictionary: [
    './',
    '../',
    '\\',
    'C:',
    'ustar\u000000',
    'ustar  \u0000',
    '10 path=x\n',
    '10 size=1\n',
    '11 size=-1\n',
    '22 GNU.sparse.major=1\n',
    '00000000010\u0000',
    '\u0000'.repeat(BLOCK),
  ],
  async seeds() {
    const file = await tarOf([['a', 'x'.repeat(600)]])
    const attributes = await tarOf([['a', 'a', { pax: { path: 'b', size: '1', comment: 'c' } }]])
    const archives = [
      await tarOf([]),
      await tarOf([
        ['./', '', { type: 'directory' }],
        ['./b.txt', 'bb'],
        ['sub/', '', { type: 'directory' }],
        [`${'d/'.repeat(150)}ä.txt`, 'x'.repeat(1_000)],
        ['z', 'z', { type: 'contiguous-file' }],
      ]),
      await tarOf([
        ['A', '1'],
        ['a', '2'],
      ]),
      await tarOf([['l', '', { type: 'symlink', linkname: 'a' }]]),
      await tarOf([['a', 'a', { pax: { 'GNU.sparse.major': '1' } }]]),
      await tarOf([['C:a', 'a']]),
      attributes,
      Buffer.concat([attributes.subarray(0, 2 * BLOCK), Buffer.alloc(BLOCK), attributes.subarray(2 * BLOCK)]),
      Buffer.concat([withoutContent(attributes), attributes.subarray(2 * BLOCK)]),
      file,
      file.subarray(0, 3 * BLOCK),
      file.subarray(0, 3 * BLOCK - 100),
      Buffer.concat([file, file]),
      Buffer.concat([LONG_LINK, file]),
    ]
    return archives.flatMap((archive) => [0, 0x12].map((limits) => Buffer.concat([Buffer.from([limits]), archive])))
  },
  async check(input) {
    const [limits = 0] = input
    const tar = Buffer.from(input.subarray(1))
    const described = walked(tar)
    const most = limits === 0 ? { members: 1_000, names: 100_000 } : { members: limits >> 4, names: limits & 15 }
    const read = await readOrRefusedWith(/^DATASET_MALFORMED$/, () => tarMembers('a.tar', fileOf(tar), most))
    if ('refused' in read) return
    const members = [...read.value.values()]
    const names = members.map(({ name }) => name)
    mustEqual([...read.value.keys()], names, 'The names')
    mustEqual(new Set(names.map((name) => name.normalize('NFC').toLowerCase())).size, names.length, 'Different names')
    const odd = names.find((name) => name.split(/[/\\]/).some((part) => /^\.{0,2}$|\p{Cc}/u.test(part)))
    if (odd !== undefined) throw new Error(`A file is named ${JSON.stringify(odd)}.`)
    if (names.length > most.members || names.join('').length > most.names) throw new Error('It has too many names.')
    const contents = members.map(({ name, offset, size }) => [name, tar.toString('latin1', offset, offset + size)])
    mustEqual(contents, await extracted(tar), 'What tar-stream extracts')
    if (described) mustEqual(contents, described, 'What the headers say')
  },
}
export default target

/** The first header, with a size of zero. */
function withoutContent(tar: Buffer): Buffer {
  const header = Buffer.from(tar.subarray(0, BLOCK))
  header.write('00000000000', 124)
  return header
}

function fileOf(tar: Buffer) {
  return {
    byteLength: tar.length,
    slice: (start: number, end = tar.length) => Promise.resolve(Uint8Array.from(tar.subarray(start, end)).buffer),
  }
}

type Contents = [name: string, content: string][]

/** The files of the whole archive. There may be any number of zeros at its end. */
async function extracted(tar: Buffer): Promise<Contents> {
  const contents: Contents = []
  const blocks = [tar, Buffer.alloc(BLOCK - (tar.length % BLOCK))]
  for await (const entry of Readable.from(blocks).pipe(extract())) {
    const parts: Uint8Array[] = []
    for await (const part of entry) parts.push(part as Uint8Array)
    const { name, type } = entry.header
    if (type !== 'directory') contents.push([inArchive(name), Buffer.concat(parts).toString('latin1')])
  }
  return contents
}

function inArchive(name: string): string {
  return name.replace(/^(?:\.\/)+/, '')
}

/**
 * A small reader of tar (POSIX.1-2024 pax, "pax Interchange Format", and the long names of GNU), which corrects checksums. An empty
 * block is the end.
 *
 * @returns undefined for an archive that has more than files and directories, or says something in an unusual way
 */
function walked(tar: Buffer): Contents | undefined {
  const contents: Contents = []
  let isUsual = true
  let name: string | undefined
  let length: number | undefined
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK)
    if (header.every((byte) => byte === 0)) break
    correct(header)
    const type = header.toString('latin1', 156, 157).replace('\0', '0')
    const sizeText = header.toString('latin1', 124, 136)
    isUsual &&=
      /^[0-7]{11}[\0 ]$/.test(sizeText) && /^ustar(?:\u000000| {2}\0)$/.test(header.toString('latin1', 257, 265))
    const isExtra = type === 'x' || type === 'L'
    const size = (isExtra ? undefined : length) ?? Math.max(0, parseInt(sizeText, 8) || 0)
    const content = tar.subarray(at + BLOCK, at + BLOCK + size)
    if (type === 'x') {
      const records = paxRecords(content)
      isUsual &&= records !== undefined
      name = records?.get('path') ?? name
      length = records?.has('size') ? Number(records.get('size')) : length
    } else if (type === 'L') {
      name ??= content.toString().replace(/\0[^]*$/, '')
      isUsual &&= name !== ''
    } else {
      isUsual &&= ['0', '5', '7'].includes(type)
      if (type !== '5') contents.push([inArchive(name ?? nameIn(header)), content.toString('latin1')])
      name = undefined
      length = undefined
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return isUsual ? contents : undefined
}

function correct(header: Buffer): void {
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

function nameIn(header: Buffer): string {
  const field = (from: number, to: number) => header.toString('utf8', from, to).replace(/\0[^]*$/, '')
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? field(345, 500) : ''
  return `${prefix === '' ? '' : `${prefix}/`}${field(0, 100)}`
}

/** Undefined if they are not as POSIX says, or say that a value is empty, which stands for none. */
function paxRecords(content: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>()
  for (let at = 0; at < content.length;) {
    const [, length = '', key = ''] = /^([1-9]\d{0,4}) ([^=\0]+)=/.exec(content.toString('latin1', at)) ?? []
    const record = content.subarray(at, at + Number(length))
    const from = length.length + 1 + key.length + 1
    if (length === '' || record.length !== Number(length) || record.length <= from + 1 || record.at(-1) !== 0x0a)
      return undefined
    const value = record.toString('utf8', from, record.length - 1)
    if (key === 'size' && !/^[1-9]\d{0,8}$/.test(value)) return undefined
    records.set(key, value)
    at += record.length
  }
  return records
}
