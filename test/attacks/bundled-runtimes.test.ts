import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { scratchOfSuite } from '../support/models.ts'

// Copies of TensorFlow.js made by bundlers and minifiers, under @modelseal/register.

interface Esbuild {
  buildSync(options: Record<string, unknown>): unknown
}
interface Rolldown {
  build(options: Record<string, unknown>): Promise<unknown>
}
const require = createRequire(import.meta.url)
const esbuild = createRequire(require.resolve('tsup'))('esbuild') as Esbuild
const PROGRAM = `import * as tf from '@tensorflow/tfjs'
tf.setBackend('cpu')
tf.loadGraphModel({ load: () => Promise.resolve({}) }).catch(() => console.log('a loader ran'))
console.log('started')
`
/** As current bundlers write it with short lines. */
const CJS = { format: 'cjs', minify: true, lineLimit: 80 }
const SENTENCES =
  /Cannot proceed with model loading|cannot be null\. Please provide a url|artifacts contains weight data/g

let directory: string

beforeAll(() => {
  directory = scratchOfSuite()
})

/** @returns the file of the bundle */
function bundle(name: string, options: Record<string, unknown>, program = PROGRAM): string {
  const outfile = join(directory, name)
  esbuild.buildSync({
    stdin: { contents: program, resolveDir: import.meta.dirname },
    bundle: true,
    platform: 'node',
    logLevel: 'silent',
    outfile,
    ...options,
  })
  return outfile
}

function written(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

function run(file: string, env: Record<string, string> = {}) {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', '@modelseal/register', file], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
    env: { ...inherited, ...env },
  })
  return { status, stdout, stderr }
}

function expectRefused(file: string): void {
  const { status, stdout, stderr } = run(file)
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toContain('RUNTIME_UNGUARDED')
}

describe('refuses a bundle that contains TensorFlow.js, before any of its code runs, written by', () => {
  test.each<[string, string, Record<string, unknown>]>([
    ['esbuild --minify --line-limit=80', 'lines.cjs', CJS],
    ['esbuild for ES modules', 'lines.mjs', { ...CJS, format: 'esm', charset: 'utf8' }],
    ['esbuild without minification', 'plain.cjs', { format: 'cjs' }],
  ])('%s', (_, name, options) => {
    expectRefused(bundle(name, options))
  })

  test('esbuild, with the core left out', () => {
    const converter = createRequire(require.resolve('@tensorflow/tfjs')).resolve('@tensorflow/tfjs-converter')
    const program = `import { loadGraphModel } from ${JSON.stringify(converter)}\nconsole.log(loadGraphModel)`
    expectRefused(bundle('converter.cjs', { ...CJS, external: ['@tensorflow/tfjs-core'] }, program))
  })

  test('rolldown, which vite uses', async () => {
    const rolldown = (await import(createRequire(require.resolve('vite')).resolve('rolldown'))) as Rolldown
    const input = join(import.meta.dirname, `.bundled-${process.pid}.mjs`)
    const file = join(directory, 'rolldown.mjs')
    writeFileSync(input, PROGRAM)
    try {
      await rolldown.build({ input, platform: 'node', logLevel: 'silent', output: { file, minify: true } })
    } finally {
      rmSync(input)
    }
    expectRefused(file)
  })

  test.each<[string, (char: string) => string]>([
    ['\\x61', (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`],
    ['\\u0061', (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`],
    ['\\u{61}', (char) => `\\u{${char.charCodeAt(0).toString(16)}}`],
    ['line continuations', (char) => `${char}\\\n`],
    ['\\141', (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`],
    ['concatenated strings', (char) => `${char}"+"`],
  ])('an obfuscator, with %s', (_, escape) => {
    const sentence = Array.from('modelUrl in loadGraphModel() cannot be null', escape).join('')
    expectRefused(
      written('escaped.cjs', `console.log("running"); throw new Error("${sentence}" + { modelTopology: 0 })`),
    )
  })
})

describe('a copy of TensorFlow.js without recognizable words does not start', () => {
  /** Its text contains neither the messages of its loaders nor the names of its core. */
  function hidden(text: string): string {
    return text
      .replaceAll(/\\\n/g, '')
      .replaceAll(SENTENCES, 'x')
      .replaceAll(/\b([\w$]+)\._tfGlobals\b/g, '$1["_tfG"+String("lobals")]')
      .replaceAll('kernelRegistry', 'kernels')
  }

  let source: string

  beforeAll(() => {
    source = readFileSync(bundle('source.cjs', CJS), 'utf8')
  })

  test('as CommonJS', () => {
    expectRefused(written('hidden.cjs', hidden(source)))
  })

  test('as an ES module', () => {
    const text = readFileSync(bundle('b.mjs', { ...CJS, format: 'esm' }), 'utf8')
    expectRefused(written('hidden.mjs', hidden(text)))
  })

  test('by eval(), new Function() or vm, or next to a guarded copy', () => {
    const text = JSON.stringify(join(directory, 'source.cjs'))
    for (const [name, how] of [
      ['eval', '(0, eval)(source)'],
      ['function', 'new Function("require", source)(require)'],
      ['vm', 'require("node:vm").runInThisContext("(require) => {" + source + "}")(require)'],
    ] as const) {
      const guarded = `require(${JSON.stringify(require.resolve('@tensorflow/tfjs'))})`
      const program = `${guarded}; const source = require('node:fs').readFileSync(${text}, 'utf8'); ${how}`
      expectRefused(written(`${name}.cjs`, program))
    }
  })

  test('but is reported once in an audit', () => {
    const file = written('audited.cjs', hidden(source))
    const { status, stdout, stderr } = run(file, { MODELSEAL_MODE: 'audit' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'started\na loader ran\n' })
    expect(stderr.match(/audit: would refuse a copy of TensorFlow\.js/g)).toHaveLength(1)
  })
})

describe('a program that only mentions TensorFlow.js is not affected', () => {
  test.each<[string, string, string]>([
    [
      'a linter',
      'linter.cjs',
      `const words = { loadGraphModel: 'tf.loadGraphModel', modelTopology: 1, weightsManifest: 2 }; console.log('ran')`,
    ],
    [
      'a program that checks whether it is loaded',
      'asks.cjs',
      `console.log('_tfengine' in globalThis ? 'ran' : 'ran')`,
    ],
    [
      'a text with many escapes',
      'escapes.mjs',
      String.raw`console.log('\x72\x61\x6e' + '\u{1f600}\u{1f600}'.slice(4))`,
    ],
    ['a program that writes a model.json', 'writes.mjs', `console.log(JSON.stringify({ modelTopology: {} }) && 'ran')`],
    [
      'the package itself',
      'itself.cjs',
      `require(${JSON.stringify(require.resolve('@tensorflow/tfjs'))}); console.log('ran')`,
    ],
  ])('%s', (_, name, text) => {
    expect(run(written(name, text))).toMatchObject({ status: 0, stdout: 'ran\n' })
  })
})
