import { isUtf8 } from 'node:buffer'
import { LineCounter, parseDocument, visit, type Document } from 'yaml'
import type { z } from 'zod'
import { shown, type ModelSealError } from '../errors.ts'
import { invalidPolicy, PolicyText, type ValuePath } from './policy-text.ts'
import { policySchema, type PolicyFile } from './schema.ts'

/** Room for some 30,000 rules or 100,000 revocations. */
export const MAX_POLICY_BYTES = 8 * 1024 * 1024

/** What a text says, or what is wrong with it. */
export type Parsed<T> =
  { text: PolicyText; file: T; problems: readonly [] } | { problems: readonly [ModelSealError, ...ModelSealError[]] }

/**
 * Parses one policy file: YAML 1.2, or JSON where the name ends in `.json`. Every problem is a
 * `POLICY_INVALID` with file, line, column and what was expected.
 */
export function parsePolicy(bytes: Uint8Array, path: string): Parsed<PolicyFile> {
  return parseChecked(bytes, path, policySchema)
}

/** As {@link parsePolicy}, for what stands beside a policy. */
export function parseChecked<S extends z.ZodType>(bytes: Uint8Array, path: string, schema: S): Parsed<z.output<S>> {
  if (!isUtf8(bytes)) return { problems: [invalidPolicy(path, 'It is not UTF-8 text.')] }
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const lines = new LineCounter()
  const document = parsedDocument(source, lines)
  if (document === undefined) return { problems: [invalidPolicy(path, 'It is nested too deeply.')] }

  const text = new PolicyText(path, document, lines)
  const [first, ...more] = syntaxProblems(document, source, path, lines)
  if (first) return { problems: [first, ...more] }
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 0 }), { reportInput: true })
  if (parsed.success) return { text, file: parsed.data, problems: [] }
  const [issue, ...others] = parsed.error.issues.flatMap((issue) => schemaProblems(issue, [], text))
  return { problems: [issue ?? invalidPolicy(path, 'It is not a trust policy.'), ...others] }
}

/** Undefined where the parser, which descends by calls, ran out of stack. */
function parsedDocument(source: string, lines: LineCounter): Document | undefined {
  try {
    return parseDocument(source, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function syntaxProblems(document: Document, source: string, path: string, lines: LineCounter): ModelSealError[] {
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const problems = [...document.errors, ...document.warnings].map((problem) =>
    invalidPolicy(path, problem.message.replace(/\.?$/, '.'), at(problem.pos[0])),
  )
  if (problems.length > 0) return problems
  if (path.endsWith('.json') && !isJson(source)) return [invalidPolicy(path, 'It is named .json, and is not JSON.')]

  // Either stands at the beginning of a value; walking a large document takes longer than looking.
  if (!/(?:^|[\s,:[{])[*!]/.test(source)) return problems
  visit(document, {
    // A few aliases of aliases make a huge value of a small text, and hide what a rule says.
    Alias: (_, { source: name, range }) => {
      const sentence = `It uses the YAML alias ${shown(`*${name}`)}; aliases are not supported.`
      const hint = 'Write the value out where it is used.'
      problems.push(invalidPolicy(path, sentence, range ? at(range[0]) : undefined, { hint }))
      return visit.BREAK
    },
    // What a tag makes of a value is not what stands there.
    Node: (_, { tag, range }) => {
      if (tag === undefined) return undefined
      const sentence = `It uses the YAML tag ${shown(tag)}; tags are not supported.`
      problems.push(invalidPolicy(path, sentence, range ? at(range[0]) : undefined))
      return visit.BREAK
    },
  })
  return problems
}

function isJson(source: string): boolean {
  try {
    JSON.parse(source)
    return true
  } catch {
    return false
  }
}

type Issue = z.core.$ZodIssue

function schemaProblems(issue: Issue, above: ValuePath, text: PolicyText): ModelSealError[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const sentence = `${shown(key)} is not a known field${path.length > 0 ? ` of ${field(path)}` : ''}.`
      return invalidPolicy(text.path, sentence, text.position(path, key))
    })
  }
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue.errors)
    if (meant) return meant.flatMap((inner) => schemaProblems(inner, path, text))
    return [text.fault(path, `${field(path)}: ${alternatives(issue.errors)}.`)]
  }
  const found = issue.message.includes('received') ? '' : foundText(issue.input)
  return [text.fault(path, `${field(path)}: ${issue.message}${found}.`)]
}

/** Of a union, the one branch whose field the author wrote: it says what is wrong inside of it. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const inside = branches.filter((issues) => issues.every(({ path, code }) => path.length > 0 || code === 'custom'))
  if (inside.length === 1) return inside[0]
  // An object with one field too many is still that object.
  const close = branches.filter((issues) =>
    issues.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  const complete = close.filter(
    (issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.input === undefined),
  )
  return complete.length === 1 ? complete[0] : inside.length === 0 && branches.length === 1 ? branches[0] : undefined
}

function alternatives(branches: readonly (readonly Issue[])[]): string {
  const expected = branches.map((issues) => {
    const missing = issues.filter(({ path, input }) => path.length === 1 && input === undefined)
    if (missing.length > 0) return missing.map(({ path }) => shown(String(path[0]))).join(' and ')
    const [issue] = issues
    if (issue?.code === 'invalid_type') return `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`
    return issue?.message.replace(/^.*?expected /, '') ?? ''
  })
  return `expected ${[...new Set(expected)].filter(Boolean).join(', or ')}`
}

function foundText(input: unknown): string {
  if (typeof input === 'string') return `; found ${shown(input)}`
  return typeof input === 'number' || typeof input === 'boolean' ? `; found ${input}` : ''
}

function field(path: ValuePath): string {
  return shown(path.map(String).join('.') || 'the policy')
}
