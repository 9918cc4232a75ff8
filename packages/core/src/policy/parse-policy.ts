import { isUtf8 } from 'node:buffer'
import { isMap, isPair, LineCounter, parseDocument, type Document, type YAMLParseError } from 'yaml'
import type { z } from 'zod'
import { ModelSealError, shown } from '../errors.ts'
import { policySchema, type PolicyFile } from './schema.ts'

/** Room for tens of thousands of rules and revocations. */
export const MAX_POLICY_BYTES = 16 * 1024 * 1024

/**
 * Parses a trust policy: YAML 1.2, or JSON as a part of it.
 *
 * @throws {@link ModelSealError} `POLICY_INVALID` with file, line and column
 */
export function parsePolicy(bytes: Uint8Array, path: string): PolicyFile {
  if (!isUtf8(bytes)) throw invalid(path, 'The policy is not UTF-8 text.')
  const lines = new LineCounter()
  const document = parseDocument(Buffer.from(bytes).toString('utf8'), {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
  })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) throw syntaxError(path, problem, lines)

  const parsed = policySchema.safeParse(plainValue(document, path), { reportInput: true })
  if (parsed.success) return parsed.data
  const issue = deepest(parsed.error.issues)
  throw invalid(path, sentence(issue), position(document, issue, lines))
}

/** Aliases are refused: they are how a small YAML text becomes a huge value. */
function plainValue(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new ModelSealError(
      'POLICY_INVALID',
      `The policy ${shown(path)} uses YAML aliases, which are not supported.`,
      {
        file: path,
        hint: 'Write the value out where it is used.',
        cause,
      },
    )
  }
}

function syntaxError(
  path: string,
  problem: Pick<YAMLParseError, 'message' | 'pos'>,
  lines: LineCounter,
): ModelSealError {
  return invalid(path, problem.message.replace(/\.?$/, '.'), lines.linePos(problem.pos[0]))
}

interface Position {
  line: number
  col: number
}

function invalid(path: string, what: string, at?: Position): ModelSealError {
  const where = at ? `, line ${at.line}, column ${at.col}` : ''
  return new ModelSealError('POLICY_INVALID', `The policy ${shown(path)} is not valid${where}: ${what}`, {
    file: path,
    hint: 'A policy that is not understood accepts nothing.',
  })
}

type Issue = z.core.$ZodIssue

/** A union fails with the issues of each branch: the one that got furthest says what was meant. */
function deepest(issues: readonly Issue[]): Issue {
  const [first] = issues as [Issue, ...Issue[]]
  return first
}

function sentence(issue: Issue): string {
  const field = shown(issue.path.map(String).join('.') || 'the policy')
  if (issue.code === 'unrecognized_keys') {
    return `${issue.keys.map(shown).join(', ')} is not a known field${issue.path.length ? ` of ${field}` : ''}.`
  }
  return `${field}: ${issue.message}.`
}

function position(document: Document, issue: Issue, lines: LineCounter): Position | undefined {
  for (let path = [...issue.path]; ; path = path.slice(0, -1)) {
    const node = document.getIn(path, true)
    if (issue.code === 'unrecognized_keys' && isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && issue.keys.includes(String(item.key)))
      const start = rangeStart(pair?.key)
      if (start !== undefined) return lines.linePos(start)
    }
    const start = rangeStart(node)
    if (start !== undefined) return lines.linePos(start)
    if (path.length === 0) return undefined
  }
}

function rangeStart(node: unknown): number | undefined {
  const range =
    typeof node === 'object' && node !== null && 'range' in node ? (node.range as [number] | undefined) : undefined
  return range?.[0]
}
