import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { documents, ROOT } from './support/documents.ts'

// Programs compile against the built declarations, which TypeScript resolves in three ways.

const { ModuleKind, ModuleResolutionKind } = ts
const RESOLUTIONS = {
  node16: { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 },
  nodenext: { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext },
  bundler: { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler },
}

/** Declarations that the code of a document assumes. */
const GIVEN: Record<string, string> = {
  'packages/cli/README.md': `import type { ReceiptInfo, Verdict, VerifiedIdentity } from '@modelseal/core'
    import type { WeighedAttestations } from '@modelseal/core/attestation'
    import type { JournalReport, PrunedJournal } from '@modelseal/core/journal'
    import type { Incident, PushReport, WitnessedCheckpoint } from '@modelseal/journal'
    import type { SerializedError } from '@modelseal/core/errors'
    import type { FoundEntry } from '@modelseal/core/monitor'
    import type { ExpectationResult, PolicyDigests, PolicyFinding } from '@modelseal/core/policy'
    import type { LoggedAt, SignedAt, SignedBy, SigningWarning } from '@modelseal/core/signing'
    import type { InspectedModel, SignatureTime, TrustRootInfo } from '@modelseal/core/verification'`,
  'packages/onnxruntime/README.md': `declare const feeds: import('onnxruntime-node').InferenceSession.FeedsType`,
  'packages/tfjs/README.md': `declare const presigned: (name: string) => Promise<string>
    declare const loadGraphModel: typeof import('@tensorflow/tfjs').loadGraphModel`,
  'docs/reference/policy.md': `import { openVerifiedModel, watchPolicy } from '@modelseal/core'
    declare const log: { error(message: string): void }`,
}

/** Where the code of a document is compiled if it needs the dependencies of one package. */
const PLACES: Record<string, string> = { 'docs/explanation/performance.md': 'packages/core' }

/** Untyped code, which adapter-example.test.ts runs. */
const RUN = ['docs/how-to/adapters.md']

/** A block of code, unless it is CommonJS. */
const FENCED = /^```(?:ts|js)(?:(?!.*\.cjs) .*)?\n(.*?)^```$/gms

/** Code that imports another file of its page runs there (test/documents). */
const IMPORTS_FILE = /import\('\./

/** A source file whose example is complete. */
const COMMENTED = 'packages/core/src/source/model-source.ts'

const compiled = [...documents(), COMMENTED].filter((document) => !RUN.includes(document))
const blocks = new Map(
  compiled.flatMap((document) => {
    const read = readFileSync(join(ROOT, document), 'utf8')
    const text = document.endsWith('.ts') ? read.replaceAll(/^ \* ?/gm, '') : read
    return [...text.matchAll(FENCED)]
      .filter(([, code = '']) => !IMPORTS_FILE.test(code))
      .map(([, code = '']): [string, string] => {
        const line = text.slice(0, text.indexOf(code)).split('\n').length
        // Omits the names that the block declares itself.
        const given = (GIVEN[document] ?? '')
          .split(/\n\s*(?=declare|import)/)
          .filter((each) => !new RegExp(`\\b${/declare const (\w+)/.exec(each)?.[1] ?? 'import'}\\b.*=`).test(code))
        return [
          join(ROOT, PLACES[document] ?? 'test', `${document.replaceAll('/', '_')}-line-${line}.mts`),
          `${given.join('\n')}\n${code}\nexport {}`,
        ]
      })
  }),
)

test('code is found in the documents', () => {
  expect([...blocks.keys()]).toContainEqual(expect.stringContaining(COMMENTED.replaceAll('/', '_')))
  expect(blocks.size).toBeGreaterThan(16)
  expect(new Set([...blocks.keys()].map((file) => file.replace(/-line-\d+\.mts$/, ''))).size).toBeGreaterThan(7)
})

/** Parsed once for all resolutions: the declarations of TensorFlow.js are large. */
const parsed = new Map<string, ts.SourceFile | undefined>()

describe.each(Object.entries(RESOLUTIONS))('with the module resolution %s', (_, resolution) => {
  test('the types are as promised, and the code of the documents compiles', () => {
    const options: ts.CompilerOptions = {
      ...resolution,
      target: ts.ScriptTarget.ES2024,
      lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
    }
    const host = ts.createCompilerHost(options)
    const { fileExists, readFile, getSourceFile } = host
    host.getSourceFile = (file, language, ...rest) => {
      if (!/\.d\.[cm]?ts$/.test(file)) return getSourceFile(file, language, ...rest)
      const key = `${file} ${typeof language === 'object' ? language.impliedNodeFormat : ''}`
      if (!parsed.has(key)) parsed.set(key, getSourceFile(file, language, ...rest))
      return parsed.get(key)
    }
    host.fileExists = (file) => blocks.has(file) || fileExists(file)
    host.readFile = (file) => blocks.get(file) ?? readFile(file)
    const roots = [...blocks.keys(), join(import.meta.dirname, 'public-types.ts')]
    const program = ts.createProgram(roots, options, host)
    expect(program.getOptionsDiagnostics()).toEqual([])
    const diagnostics = roots.flatMap((root) => ts.getPreEmitDiagnostics(program, program.getSourceFile(root)))
    const faults = diagnostics.map(({ file, start = 0, messageText }) => {
      const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0
      return `${file?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    expect(faults).toEqual([])
  })
})
