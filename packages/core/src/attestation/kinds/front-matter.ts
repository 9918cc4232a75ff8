import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter } from 'yaml'
import { isUtf8 } from 'node:buffer'
import { ModelSealError } from '../../errors.ts'
import { cannotMake } from '../input.ts'
import { keyName, type TextFault } from '../../yaml/duplicate-keys.ts'
import { readYaml } from '../../yaml/read-yaml.ts'

/** The largest front matter that is read, in characters. Those on Hugging Face have a few thousand. */
const MAX_FRONT_MATTER = 256 * 1024

/** A Markdown text and the YAML before it. */
interface FrontMatter {
  /** Without prototypes. Numbers, true and false are texts, as they are written. */
  fields: unknown
  /** What follows the front matter. */
  text: string
}

const BEGINNING = /^\ufeff?---[ \t]*\r?\n/
const END = /^---[ \t]*$/m

/**
 * Splits a Markdown file that begins with YAML between two lines `---`, as on Hugging Face.
 *
 * @throws {@link ModelSealError} `ATTESTATION_INPUT`, with the line for faults in the YAML
 */
export function readFrontMatter(bytes: Uint8Array, file: string | undefined): FrontMatter {
  if (!isUtf8(bytes)) throw unreadable('it is not UTF-8 text', { file })
  const source = Buffer.from(bytes).toString()
  const beginning = BEGINNING.exec(source)?.[0]
  if (beginning === undefined) {
    throw unreadable('it has no front matter', {
      file,
      expected: 'a line "---", fields in YAML such as "license: apache-2.0", and a second line "---", before the text',
    })
  }
  const rest = source.slice(beginning.length)
  const end = END.exec(rest.slice(0, MAX_FRONT_MATTER))
  if (!end) throw unreadable('its front matter does not end', { file, expected: 'a second line "---"' })
  const yaml = rest.slice(0, end.index)
  return { fields: fieldsOf(yaml, file), text: rest.slice(end.index + end[0].length).trim() }
}

function fieldsOf(yaml: string, file: string | undefined): unknown {
  const lines = new LineCounter()
  const fault = ({ sentence, offset }: TextFault) => {
    const { line, col } = lines.linePos(offset)
    // After the line that begins the front matter.
    return unreadable(`its front matter is not valid. ${sentence.replace(/\.$/, '')}`, {
      file,
      line: line + 1,
      column: col,
    })
  }
  if (yaml.trim() === '') return Object.create(null)
  const read = readYaml(yaml, lines)
  if ('faults' in read) throw fault(read.faults[0])
  return plainOf(read.document.contents, fault)
}

type Fault = (fault: TextFault) => ModelSealError

/** Recursive: the parser limits the depth. */
function plainOf(node: unknown, fault: Fault): unknown {
  if (!isNode(node)) return undefined
  const refuse = (sentence: string) => fault({ sentence, offset: node.range?.[0] ?? 0 })
  // Both can make a value something other than what is written.
  if (isAlias(node)) throw refuse('It has an alias (*); write the value out')
  if (node.tag !== undefined) throw refuse('It has a tag (!); remove it')
  // The source of a text is what it says, without quotes and escapes.
  if (isScalar(node)) return node.value === null ? null : node.source
  if (isSeq(node)) return node.items.map((item) => plainOf(item, fault))
  const fields = Object.create(null) as Record<string, unknown>
  if (isMap(node)) for (const { key, value } of node.items) fields[keyName(key) ?? ''] = plainOf(value, fault)
  return fields
}

function unreadable(
  reason: string,
  details: { file: string | undefined; line?: number; column?: number; expected?: string },
): ModelSealError {
  return new ModelSealError('ATTESTATION_INPUT', `${cannotMake('a card', details.file)}: ${reason}.`, details)
}
