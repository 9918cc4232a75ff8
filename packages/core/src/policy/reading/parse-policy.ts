import { isUtf8 } from 'node:buffer'
import { isCollection, isNode, isScalar, LineCounter, visit, type Document, type Node } from 'yaml'
import type { Schema } from '../../schema/schema.ts'
import { messageOf } from '../../any-realm.ts'
import { shown, type ModelSealError } from '../../errors.ts'
import { standIn } from '../../manifest/plain-content.ts'
import { parsedWithoutPrototypes, withoutPrototype } from '../../snapshot.ts'
import { invalidPolicy, type TextFile } from './invalid-policy.ts'
import { PolicyText } from './policy-text.ts'
import type { TextFault } from '../../yaml/duplicate-keys.ts'
import { readYaml } from '../../yaml/read-yaml.ts'
import { withLibraries } from '../when-needed.ts'
import { policySchema, type PolicyFile } from '../schema/schema.ts'
import { schemaProblems } from '../schema/problems.ts'

/** Room for some 30,000 rules or 100,000 revocations. */
export const MAX_POLICY_BYTES = 8 * 1024 * 1024

/** A parsed text, or its problems. */
type Parsed<T> =
  { text: PolicyText; file: T; problems: readonly [] } | { problems: readonly [ModelSealError, ...ModelSealError[]] }

/**
 * Parses one policy file: YAML 1.2, or JSON if the name ends in `.json`. Every problem is a
 * `POLICY_INVALID` with file, line, column and what was expected; at most 100 are reported.
 */
export function parsePolicy(bytes: Uint8Array, path: string): Promise<Parsed<PolicyFile>> {
  return parseChecked(bytes, { path, what: 'policy' }, policySchema)
}

/**
 * Like {@link parsePolicy}, for a file with another schema. The result has no prototype, so that "in" tells whether the
 * file was accepted whatever is on Object.prototype.
 */
export async function parseChecked<Value>(
  bytes: Uint8Array,
  file: TextFile,
  schema: Schema<Value>,
): Promise<Parsed<Value>> {
  return withoutPrototype(await parse(bytes, file, schema))
}

async function parse<Value>(bytes: Uint8Array, file: TextFile, schema: Schema<Value>): Promise<Parsed<Value>> {
  // UTF-16 without a byte order mark is valid UTF-8 if it is ASCII.
  if (bytes.subarray(0, 2).includes(0))
    return { problems: [invalidPolicy(file, 'It is not UTF-8 text, but probably UTF-16. Save it as UTF-8.')] }
  const other = bytes.length === 0 ? undefined : standIn(bytes)
  if (other) return { problems: [invalidPolicy(file, `It ${other.clause}. ${other.fix}`)] }
  if (!isUtf8(bytes)) return { problems: [invalidPolicy(file, 'It is not UTF-8 text.')] }
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const lines = new LineCounter()
  const key = source.search(PRIVATE_KEY)
  if (key >= 0) return { problems: [holdsPrivateKey(file, source.slice(0, key))] }
  const read = readYaml(source, lines)
  if ('faults' in read) {
    const [{ offset }] = read.faults
    const fault = file.path.endsWith('.json') ? jsonFault(source, () => offset) : undefined
    return { problems: placed(fault ? [fault] : read.faults, file, lines) }
  }
  const { document } = read

  const text = new PolicyText(file, document, lines)
  const [first, ...more] = syntaxProblems(document, source, file, lines)
  if (first) return { problems: [first, ...more] }
  const value = parsedWithoutPrototypes<unknown>(document.toJS({ maxAliasCount: 0 }))
  const checked = await withLibraries(() => schema.check(value))
  if ('value' in checked) return { text, file: checked.value, problems: [] }
  const [problem, ...others] = schemaProblems(checked.issues, { text, schema })
  return { problems: [problem ?? text.fault([], 'It has an invalid structure.'), ...others] }
}

/** With line breaks, or as they are written in a string. */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\+[nr]|[>|#])*[A-Za-z0-9+/]{16}/

/** Messages about faults show parts of lines, and this file is read by many. */
function holdsPrivateKey(file: TextFile, before: string): ModelSealError {
  const lines = before.split('\n')
  const place = { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
  return invalidPolicy(file, 'It contains a private key.', place, {
    expected: 'the path of a file with the public key',
    hint: 'Remove the key. If others could read this file, replace the key, and revoke it under "revoked".',
  })
}

function placed(
  [first, ...more]: readonly [TextFault, ...TextFault[]],
  file: TextFile,
  lines: LineCounter,
): [ModelSealError, ...ModelSealError[]] {
  const problem = ({ sentence, offset }: TextFault) => {
    const { line, col } = lines.linePos(offset)
    return invalidPolicy(file, sentence, { line, column: col })
  }
  return [problem(first), ...more.map(problem)]
}

function syntaxProblems(document: Document, source: string, file: TextFile, lines: LineCounter): ModelSealError[] {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const fault = file.path.endsWith('.json') ? jsonFault(source, () => firstYamlOnly(document)) : undefined
  if (fault) return placed([fault], file, lines)

  const problems: ModelSealError[] = []
  // Aliases and tags begin a value. Walking a large document is slower than searching its text.
  if (!/(?:^|[\s,:[{])[*!]/.test(source)) return problems
  const anchors = new Set(Array.from(source.matchAll(/&([^\s,[\]{}]+)/g), ([, name]) => name))
  visit(document, {
    // Nested aliases can expand a small text to a huge value, and hide what a rule says.
    Alias: (_, { source: name, range }) => {
      const alias = shown(`*${name}`)
      const hint = anchors.has(name) ? 'Write the value out where it is used.' : `Put it in quotes: ${alias}.`
      const sentence = anchors.has(name)
        ? `It uses the YAML alias ${alias}; aliases are not supported.`
        : `A value that begins with * must be in quotes; YAML reads ${alias} as an alias.`
      problems.push(invalidPolicy(file, sentence, range ? at(range[0]) : undefined, { hint }))
      return visit.BREAK
    },
    // A tag can turn a value into something other than what is written.
    Node: (_, { tag, range }) => {
      if (tag === undefined) return undefined
      const sentence = `It uses the YAML tag ${shown(tag)}; tags are not supported.`
      problems.push(invalidPolicy(file, sentence, range ? at(range[0]) : undefined))
      return visit.BREAK
    },
  })
  return problems
}

/**
 * Undefined for JSON; otherwise where the first text is that is not JSON, and why.
 *
 * @param otherwise the offset if `JSON.parse` does not say it
 */
function jsonFault(source: string, otherwise: () => number | undefined): TextFault | undefined {
  try {
    JSON.parse(source)
    return undefined
  } catch (error) {
    const message = messageOf(error)
    const position = /^[^"]* at position (\d+)/.exec(message)?.[1]
    // What follows is a part of the text.
    const reason =
      /^((?:Expected|Bad|Unterminated|Unexpected (?:end|non-whitespace)) [^"]*?)(?: in JSON)?(?: at position .*)?$/.exec(
        message,
      )?.[1]
    const sentence = `The file is named .json, but this is not JSON${reason === undefined ? '' : `: ${lowerFirst(reason)}`}.`
    return { sentence, offset: position === undefined ? (otherwise() ?? 0) : Number(position) }
  }
}

function lowerFirst(text: string): string {
  return text.replace(/./, (letter) => letter.toLowerCase())
}

/** The offset of the first value in a notation that JSON does not have. */
function firstYamlOnly(document: Document): number | undefined {
  let offset: number | undefined
  visit(document, (_, node) => {
    if (!isNode(node) || isJsonStyle(node)) return undefined
    offset = node.range?.[0]
    return visit.BREAK
  })
  return offset
}

function isJsonStyle(node: Node): boolean {
  if (isCollection(node)) return node.flow === true
  if (!isScalar(node)) return false
  return node.type === 'QUOTE_DOUBLE' || typeof node.value !== 'string'
}
