import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERROR_CODES } from '@modelseal/core/errors'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SOURCES = ['packages/*/src/**/*.ts', 'test/**/*.ts']

/** The files of a kind, parsed. */
function parsed(kind: (path: string) => boolean): ts.SourceFile[] {
  return globSync(SOURCES, { cwd: ROOT, exclude: ['**/node_modules/**', '**/dist/**'] })
    .filter(kind)
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8')
      return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
    })
}

/** The string literals of a file that are values, not types, with the node they stand in. */
function* literalsOf(node: ts.Node): Generator<ts.StringLiteralLike> {
  if (ts.isTypeNode(node)) return
  if (ts.isStringLiteralLike(node)) yield node
  const children: ts.Node[] = []
  node.forEachChild((child) => void children.push(child))
  for (const child of children) yield* literalsOf(child)
}

const CODES = Object.keys(ERROR_CODES)

/** Whether a code stands where an error gets it: not in a comparison, and not in a list of codes. */
function isGiven({ parent }: ts.Node): boolean {
  if (ts.isBinaryExpression(parent)) return parent.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken
  return !ts.isCaseClause(parent) && !isListOfCodes(parent)
}

function isListOfCodes(node: ts.Node): boolean {
  const isCode = (element: ts.Expression) => ts.isStringLiteralLike(element) && CODES.includes(element.text)
  return ts.isArrayLiteralExpression(node) && node.elements.every(isCode)
}

describe('every error code', () => {
  test('is given to an error somewhere', () => {
    const given = new Set<string>()
    for (const file of parsed((path) => path.startsWith('packages/') && !path.endsWith('.test.ts'))) {
      for (const literal of literalsOf(file)) if (isGiven(literal)) given.add(literal.text)
    }
    expect(CODES.filter((code) => !given.has(code))).toEqual([])
  })

  test('is expected by a test', () => {
    const expected = new Set<string>()
    for (const file of parsed((path) => path.endsWith('.test.ts') && !path.endsWith('error-codes.test.ts'))) {
      for (const { text } of literalsOf(file))
        for (const [word] of text.matchAll(/[A-Z][A-Z0-9_]+/g)) expected.add(word)
    }
    expect(CODES.filter((code) => !expected.has(code))).toEqual([])
  })
})
