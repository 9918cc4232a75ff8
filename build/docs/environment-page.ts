import ts from 'typescript'
import { VARIABLE_DESCRIPTIONS } from './descriptions/variables.ts'
import { code, page, table } from './markdown.ts'
import type { Pages } from './pages.ts'
import { parsedSources, visit } from './source-text.ts'

/** How names begin that only programs give to environment variables. */
const FAMILY =
  '(?:MODELSEAL|MODEL_SIGNING|HF|HUGGINGFACE|TRANSFORMERS|AWS|GITHUB|GITLAB|CI|BUILDKITE|ACTIONS|RUNNER|GCE|XDG)_'
const FAMILIES = new RegExp(`^${FAMILY}[A-Z0-9_]+$`)

/** What a file has that reads an environment variable: such a name, or an object and a name in capitals. */
const MENTIONS = new RegExp(
  `\\b(?:env|environment|variables)\\b(?:\\.|\\[')[A-Z]|= (?:process\\.)?env(?:ironment)?\\b|\\b${FAMILY}`,
)

/** Codes of warnings, which have the form of such names. */
const WARNINGS = /^MODELSEAL_(NO_THREADS|SOURCE_CLOSE|ADVISORY_\w+)$/

/** Variables whose names the source does not contain: `tmpdir()` of Node.js reads one, and the audience of a token gives the other its name. */
const READ_INDIRECTLY = ['TMPDIR', 'SIGSTORE_ID_TOKEN']

/** Objects that have the environment variables. */
const ENVIRONMENTS = new Set(['env', 'environment', 'variables'])

/** The page of all environment variables. */
export function environmentPage(): Pages {
  const { undescribed } = compareVariables()
  if (undescribed.length > 0) throw new Error(`Environment variables without a description: ${undescribed.join(', ')}.`)
  const groups = Object.entries(VARIABLE_DESCRIPTIONS).flatMap(([title, variables]) => [
    `## ${title}`,
    table(
      ['variable', 'meaning'],
      Object.entries(variables).map(([name, meaning]) => [code(name), meaning]),
    ),
  ])
  const text = page(
    'Environment variables',
    'Every variable that modelseal reads. Variables that decide what is trusted are read once when a guarded process starts, and its threads and ' +
      'child processes inherit them ([the environment](../../packages/register/README.md#the-environment)).',
    ...groups,
  )
  return new Map([['docs/reference/environment.md', text]])
}

/** What the source reads and nobody described, and what is described and no longer read. */
export function compareVariables(): { undescribed: string[]; unread: string[] } {
  const described = Object.values(VARIABLE_DESCRIPTIONS).flatMap((group) => Object.keys(group))
  const read = readVariables()
  return {
    undescribed: [...read].filter((name) => !described.includes(name)),
    unread: described.filter((name) => !read.has(name)),
  }
}

/** The names of the environment variables that the packages read. */
function readVariables(): Set<string> {
  const names = new Set(READ_INDIRECTLY)
  for (const file of parsedSources(['packages/*/src/**/*.ts', 'packages/cli/bin/*.cjs'], MENTIONS))
    visit(file, (node) => {
      for (const name of namesIn(node)) if (!WARNINGS.test(name)) names.add(name)
    })
  return names
}

function namesIn(node: ts.Node): string[] {
  if (ts.isPropertyAccessExpression(node) && isEnvironment(node.expression)) return uppercase(node.name.text)
  if (
    ts.isElementAccessExpression(node) &&
    isEnvironment(node.expression) &&
    ts.isStringLiteral(node.argumentExpression)
  )
    return uppercase(node.argumentExpression.text)
  if (ts.isBindingElement(node)) return ofFamily(textOf(node.propertyName ?? node.name)).concat(ofEnvironment(node))
  if (ts.isStringLiteralLike(node) || ts.isPropertyAssignment(node))
    return ofFamily(textOf(ts.isPropertyAssignment(node) ? node.name : node))
  return []
}

/** `const { HOME } = process.env` */
function ofEnvironment(node: ts.BindingElement): string[] {
  const declared = node.parent.parent
  const from = ts.isVariableDeclaration(declared) ? declared.initializer : undefined
  return from && isEnvironment(from) ? uppercase(textOf(node.propertyName ?? node.name)) : []
}

function isEnvironment(node: ts.Expression): boolean {
  return ENVIRONMENTS.has(ts.isPropertyAccessExpression(node) ? node.name.text : ts.isIdentifier(node) ? node.text : '')
}

function textOf(node: ts.Node): string {
  return ts.isIdentifier(node) || ts.isStringLiteralLike(node) ? node.text : ''
}

function uppercase(name: string): string[] {
  return /^[A-Z][A-Z0-9_]+$/.test(name) ? [name] : []
}

function ofFamily(name: string): string[] {
  return FAMILIES.test(name) ? [name] : []
}
