import { once } from 'node:events'
import type * as TarStream from 'tar-stream'
import { messageOf } from '../../../any-realm.ts'
import { shown, type ModelSealError } from '../../../errors.ts'
import { foldedName } from '../../../source/downloads/folded-name.ts'
import { Turns } from '../../../source/turns.ts'
import type { AsyncBuffer } from '../async-buffer.ts'
import { malformed, readerPackage } from './reader-package.ts'
import { memberName, type TarHeader } from './tar-names.ts'

/** A file in a tar archive. */
export interface TarMember {
  /** Path in the archive, without `./` at its beginning. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** Where its content begins in the archive, in bytes. */
  readonly offset: number
}

/** The members of an archive by their names, in the order of the archive. */
export type TarMembers = ReadonlyMap<string, TarMember>

/** How much the list of an archive may hold. */
export interface TarLimits {
  readonly members: number
  /** Of all names together, in UTF-16 code units. */
  readonly names: number
}

/** A million short names take some 160 MB. */
export const TAR_LIMITS: TarLimits = { members: 1_000_000, names: 64 * 1024 * 1024 }

const FORMAT = 'a tar archive'
/** Headers and content are padded to a multiple of it. */
const BLOCK_BYTES = 512
/** The field of a header that says how long its content is (POSIX.1-2024 pax, "ustar Interchange Format"). */
const SIZE_AT = 124
const SIZE_BYTES = 12
/** What is read where a header is expected. */
const PIECE_BYTES = 64 * 1024
/** What comes before a member: a long name and attributes. */
const MAX_HEADER_BYTES = 64 * 1024
/** Stands for the content of members, which the parser counts and does not keep. */
const ZEROS = Buffer.alloc(1024 * 1024)

/**
 * Lists the files of a tar archive with tar-stream. The content of members is not read: the parser gets zeros in its place. Directories are skipped.
 *
 * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`; `DATASET_MALFORMED` for a damaged archive, for links and special
 * files, for impossible and repeated names, and beyond the limits; what reading ranges throws
 */
export async function tarMembers(name: string, file: AsyncBuffer, limits = TAR_LIMITS): Promise<TarMembers> {
  const members = new Map<string, TarMember>()
  const folded = new Set<string>()
  let names = 0
  for await (const { header, offset } of headersOf(name, file)) {
    const member = memberName(header, (found, expected) => malformed(name, FORMAT, { expected, found }))
    if (member === undefined) continue
    names += member.length
    if (members.size === limits.members || names > limits.names)
      throw malformed(name, FORMAT, {
        expected: `at most ${limits.members} members, with names of ${limits.names} characters in total`,
        found: 'more',
        hint: 'Split the archive.',
      })
    const spelling = foldedName(member)
    if (folded.has(spelling))
      throw malformed(name, FORMAT, {
        expected: 'members with different names',
        found: `the name ${shown(member)} twice, or in two spellings`,
      })
    folded.add(spelling)
    members.set(member, Object.freeze({ name: member, size: header.size, offset }))
  }
  return members
}

/** A header, and where the content of its member begins. */
interface Located {
  readonly header: TarHeader
  readonly offset: number
}

/** Whatever follows the first empty block, other readers would disagree about. It must be empty, too. */
async function* headersOf(name: string, file: AsyncBuffer): AsyncGenerator<Located> {
  const { extract } = readerPackage(name, 'tar-stream', 3) as typeof TarStream
  const parser = new HeaderParser(name, extract)
  const blocks = new Blocks(name, file)
  const turns = new Turns()
  try {
    for (let position = 0; ;) {
      if (isEmpty(await blocks.at(position))) {
        await blocks.checkEmpty(position)
        return
      }
      const header = await nextHeader(name, parser, blocks, position)
      const offset = header.byteOffset
      const end = offset + header.size
      if (end > file.byteLength)
        throw truncated(name, `the content of ${shown(header.name)} up to byte ${end}`, file.byteLength)
      yield { header, offset }
      position = offset + Math.ceil(header.size / BLOCK_BYTES) * BLOCK_BYTES
      for (let rest = position - offset; rest > 0; rest -= ZEROS.length) {
        await parser.write(ZEROS.subarray(0, rest))
        if (turns.isDue) await turns.next()
      }
      if (turns.isDue) await turns.next()
    }
  } finally {
    parser.end()
  }
}

/** Passes block after block to the parser until it knows the next member. */
async function nextHeader(name: string, parser: HeaderParser, blocks: Blocks, start: number): Promise<TarHeader> {
  let next = start
  for (let position = start; position - start < MAX_HEADER_BYTES; position += BLOCK_BYTES) {
    const block = await blocks.at(position)
    // The parser skips it; for others, it is the end.
    if (position === next && isEmpty(block))
      throw malformed(name, FORMAT, { expected: 'a file after its attributes', found: `an end at byte ${position}` })
    await parser.write(block)
    const header = parser.taken()
    if (header) return header
    if (position === next) next += BLOCK_BYTES + Math.ceil(attributeBytes(name, block) / BLOCK_BYTES) * BLOCK_BYTES
  }
  throw malformed(name, FORMAT, {
    expected: `headers of at most ${MAX_HEADER_BYTES} bytes`,
    found: `longer ones at byte ${start}`,
  })
}

/** The length of the name or attributes that follow a header. Without any, the parser would lose its place. */
function attributeBytes(name: string, header: Uint8Array): number {
  const written = Buffer.from(header.subarray(SIZE_AT, SIZE_AT + SIZE_BYTES)).toString('latin1')
  const size = /^ *[0-7]+[ \0]*$/.test(written) ? parseInt(written, 8) : 0
  if (size > 0) return size
  throw malformed(name, FORMAT, { expected: 'attributes with a size in octal', found: shown(written) })
}

/** The parser of tar-stream, which takes one piece at a time. */
class HeaderParser {
  readonly #name: string
  readonly #tar: TarStream.Extract
  #header: TarHeader | undefined

  constructor(name: string, extract: typeof TarStream.extract) {
    this.#name = name
    // A piece is passed on when the parser is done with the one before.
    this.#tar = extract({ highWaterMark: 1 })
    this.#tar.on('entry', (header, content, next) => {
      content.on('error', () => {})
      // The parser passes on a size that it cannot decode, and would wait for the content without end.
      if (!Number.isInteger(header.size)) {
        this.#tar.destroy(new Error(`Invalid size of ${header.name}`))
        return
      }
      this.#header = header as TarHeader
      content.on('end', () => next())
      content.resume()
    })
    // Whoever writes learns of it.
    this.#tar.on('error', () => {})
  }

  async write(piece: Uint8Array): Promise<void> {
    try {
      const drained = once(this.#tar as unknown as NodeJS.EventEmitter, 'drain')
      this.#tar.write(piece)
      await drained
    } catch (cause) {
      throw malformed(this.#name, FORMAT, { expected: 'valid headers', found: shown(messageOf(cause)), cause })
    }
  }

  /** @returns the header that was found since it was last called */
  taken(): TarHeader | undefined {
    const header = this.#header
    this.#header = undefined
    return header
  }

  end(): void {
    this.#tar.destroy()
  }
}

/** The blocks of an archive, of which some are read at a time. */
class Blocks {
  readonly #name: string
  readonly #file: AsyncBuffer
  #start = 0
  #piece = Buffer.alloc(0)

  constructor(name: string, file: AsyncBuffer) {
    this.#name = name
    this.#file = file
  }

  async at(position: number): Promise<Uint8Array> {
    const { byteLength } = this.#file
    if (position + BLOCK_BYTES > byteLength)
      throw truncated(this.#name, `a header or an empty block at byte ${position}`, byteLength)
    const isRead = position >= this.#start && position + BLOCK_BYTES <= this.#start + this.#piece.length
    if (!isRead) {
      this.#piece = Buffer.from(await this.#file.slice(position, position + PIECE_BYTES))
      this.#start = position
    }
    return this.#piece.subarray(position - this.#start, position - this.#start + BLOCK_BYTES)
  }

  async checkEmpty(start: number): Promise<void> {
    const { byteLength } = this.#file
    for (let position = start; position < byteLength; position += ZEROS.length)
      if (!isEmpty(new Uint8Array(await this.#file.slice(position, position + ZEROS.length))))
        throw malformed(this.#name, FORMAT, {
          expected: `nothing after the end of the archive at byte ${start}`,
          found: 'further content',
          hint: 'Join archives by their members, not by their bytes.',
        })
  }
}

function isEmpty(bytes: Uint8Array): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
}

function truncated(name: string, expected: string, byteLength: number): ModelSealError {
  return malformed(name, FORMAT, { expected, found: `the end of the file, which has ${byteLength} bytes` })
}
