import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SOURCE = join(ROOT, 'packages/core/src')

/** Top to bottom: a file may import from its own floor and those below it (ARCHITECTURE.md). */
const FLOORS = [
  'index',
  'entries',
  'telemetry',
  'loading',
  'monitoring',
  'policy',
  'journal',
  'attestation',
  'verification',
  'signing',
  'receipts',
  'bundle',
  'x509',
  'manifest',
  'hashing',
  'source',
  'merkle',
  'schema',
  'yaml',
  'events',
  'snapshot',
  'nearest',
  'kinds',
  'environment',
  'absolute-path',
  'errors',
  'secrets',
  'results',
  'error-details',
  'error-codes',
  'any-realm',
  'real-time',
  'at',
]

/** A longer file has more than one responsibility. */
const MOST_LINES = 300

/** A folder this large should be split. */
const MOST_FILES = 20

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  // Shared test code is exempt.
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('testing/'))

function textOf(file: string): string {
  return readFileSync(join(SOURCE, file), 'utf8')
}

/** The files of the core that a file imports, relative to the source folder. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(textOf(file), true, true)
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.join(posix.dirname(file), name))
}

function floorOf(file: string): number {
  return FLOORS.indexOf(file.split('/')[0]!.replace(/\.ts$/, ''))
}

test('every file of the core belongs to a floor', () => {
  expect(files.filter((file) => floorOf(file) < 0)).toEqual([])
  expect(files.length).toBeGreaterThan(30)
})

test('no import in the core points upward', () => {
  const upward = files.flatMap((file) =>
    importsOf(file)
      .filter((imported) => floorOf(imported) < floorOf(file))
      .map((imported) => `${file} -> ${imported}`),
  )
  expect(upward).toEqual([])
  expect(files.flatMap((file) => importsOf(file)).length).toBeGreaterThan(80)
})

test('no imports in the core form a cycle, type imports included', () => {
  const imports = new Map(files.map((file) => [file, importsOf(file)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const follow = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(' -> '))
    if (way.includes(file) || done.has(file)) return
    for (const imported of imports.get(file) ?? []) follow(imported, [...way, file])
    done.add(file)
  }
  for (const file of files) follow(file, [])
  expect(cycles).toEqual([])
})

test('no production file of the core imports test support', () => {
  expect(files.filter((file) => importsOf(file).some((imported) => imported.startsWith('testing/')))).toEqual([])
})

test('no production file is longer than 300 lines', () => {
  const packages = join(SOURCE, '../..')
  const all = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
      join(packages, name, 'src', file),
    ),
  )
  const others = ['build', 'actions/src'].flatMap((name) =>
    readdirSync(join(ROOT, name)).map((file) => join(ROOT, name, file)),
  )
  const production = [...all, ...others, join(ROOT, 'tsup.config.ts')].filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  )
  expect(production.filter((file) => readFileSync(file, 'utf8').split('\n').length - 1 > MOST_LINES)).toEqual([])
  expect(production.length).toBeGreaterThan(files.length)
})

test('no folder of the core has more than 20 files', () => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(posix.dirname(file), (counts.get(posix.dirname(file)) ?? 0) + 1)
  expect([...counts].filter(([, count]) => count > MOST_FILES)).toEqual([])
})

describe.each(readdirSync(join(SOURCE, '../..')))('the package %s', (name) => {
  const directory = join(SOURCE, '../..', name, 'src')
  const all = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
  const parsed = new Map(
    all.map((file) => [
      file,
      ts.createSourceFile(file, readFileSync(join(directory, file), 'utf8'), ts.ScriptTarget.Latest),
    ]),
  )
  const exported = all
    .filter((file) => !file.endsWith('.test.ts') && !file.startsWith('testing/'))
    .flatMap((file) => [...new Set(exportsIn(parsed.get(file)!))].map((of) => ({ of, file })))

  test('gives no two exports one name', () => {
    const files = new Map<string, string[]>()
    for (const { of, file } of exported) files.set(of, [...(files.get(of) ?? []), file])
    expect([...files].filter(([, places]) => places.length > 1)).toEqual([])
    expect(files.size).toBeGreaterThan(5)
  })

  test('exports nothing that only its own file uses', () => {
    const used = new Set([...parsed].flatMap(([file, source]) => usesIn(source, posix.dirname(file))))
    const unused = exported.filter(
      ({ of, file }) => !ENTRIES.has(file) && !used.has(`${file} ${of}`) && !used.has(`${file} *`),
    )
    expect(unused.filter(({ of }) => !USED_OTHERWISE.has(of))).toEqual([])
  })
})

/** Files that packages publish as they are. */
const ENTRIES = new Set(
  ['tsup.config.ts', 'build/threads.ts'].flatMap((name) =>
    Array.from(readFileSync(join(ROOT, name), 'utf8').matchAll(/'src\/([\w/-]+\.ts)'/g), ([, file]) => file!),
  ),
)

/** Used by the tests in test/ and by scripts, or parts of types that declaration files must be able to name. */
const USED_OTHERWISE = new Set([
  'verifyKeyless',
  'policyJsonSchema',
  'AcceptedCertificateSigner',
  'AcceptedKeySigner',
  'AcceptedSigstoreSigner',
  'CertificatesRoot',
  'SigstoreRoot',
  'TimestampRoot',
])

/** The names that a file declares and exports. */
function exportsIn({ statements }: ts.SourceFile): string[] {
  return statements
    .filter((each) => ts.canHaveModifiers(each) && ts.getModifiers(each)?.some(({ kind }) => kind === EXPORT))
    .flatMap((each): ts.Node[] => (ts.isVariableStatement(each) ? [...each.declarationList.declarations] : [each]))
    .map((each) => (each as ts.NamedDeclaration).name)
    .flatMap((name) => (name && ts.isIdentifier(name) ? [name.text] : []))
}

const EXPORT = ts.SyntaxKind.ExportKeyword

/** The names that a file imports from files of its package or re-exports, each after its file; `*` for all. */
function usesIn(source: ts.SourceFile, directory: string): string[] {
  const uses: string[] = []
  const use = (from: ts.Node | undefined, names: readonly string[]): void => {
    if (!from || !ts.isStringLiteral(from) || !from.text.startsWith('.')) return
    uses.push(...names.map((of) => `${posix.join(directory, from.text)} ${of}`))
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const names = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause
      const listed = names && (ts.isNamedImports(names) || ts.isNamedExports(names)) ? names.elements : undefined
      use(node.moduleSpecifier, listed?.map(({ propertyName, name }) => (propertyName ?? name).text) ?? ['*'])
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      use(node.arguments[0], ['*'])
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      use(node.argument.literal, ['*'])
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return uses
}
