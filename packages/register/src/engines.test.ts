import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const REGISTRY = ['_tf', 'Globals'].join('')
const ENGINE = ['_tf', 'engine'].join('')
const FILE = '/app/node_modules/@tensorflow/tfjs-core/dist/tf-core.node.js'
const MODULE = JSON.stringify(join(import.meta.dirname, 'engines.ts'))

/** Runs a program in a separate process, because a guarded global property stays guarded. */
function outcomeOf(program: string, mode = 'enforce'): { printed: string; stderr: string } {
  const source = `
    const { guardEngines, whileRunning } = await import(${MODULE})
    const attempt = (run) => { try { return String(run()) } catch (error) { return error.code ?? String(error) } }
    ${program}`
  const child = spawnSync(
    process.execPath,
    ['--no-warnings', '--experimental-strip-types', '--input-type=module', '-e', source],
    {
      encoding: 'utf8',
      env: { ...process.env, MODELSEAL_MODE: mode },
    },
  )
  return { printed: child.stdout.trim(), stderr: child.stderr }
}

test('only files of TensorFlow.js packages start an engine, and only while they run', () => {
  const { printed, stderr } = outcomeOf(`
    guardEngines()
    const start = () => { globalThis.${REGISTRY} = 'kernels'; globalThis.${ENGINE} = 'engine'; return globalThis.${REGISTRY} }
    console.log([
      attempt(start),
      attempt(() => globalThis.${REGISTRY}),
      attempt(() => whileRunning('/app/bundle.js', start)),
      attempt(() => whileRunning('${FILE}', () => whileRunning('/app/bundle.js', start))),
      attempt(() => whileRunning('${FILE}', start)),
      attempt(() => whileRunning('/app/bundle.js', () => whileRunning('${FILE}', start))),
      attempt(() => whileRunning('${FILE}', () => { throw new Error('it failed') })),
      attempt(start),
      // Every tensor reads the engine, which must stay possible.
      attempt(() => globalThis.${ENGINE}),
    ].join())`)
  const refused = 'RUNTIME_UNGUARDED'
  const expected = [refused, refused, refused, refused, 'kernels', 'kernels', 'Error: it failed', refused, 'engine']
  expect({ printed, stderr }).toEqual({ printed: expected.join(), stderr: '' })
})

test('a copy that was guarded reads the registry while it computes, and no other file does', () => {
  const { printed } = outcomeOf(`
    const { mkdtempSync, mkdirSync, writeFileSync } = await import('node:fs')
    const { createRequire } = await import('node:module')
    const directory = mkdtempSync((await import('node:os')).tmpdir() + '/modelseal-')
    const write = (folder, text) => {
      mkdirSync(directory + folder, { recursive: true })
      writeFileSync(directory + folder + '/index.cjs', text)
      return directory + folder + '/index.cjs'
    }
    const require = createRequire(directory + '/')
    const code = 'function map() { return globalThis.${REGISTRY} ??= new Map() } module.exports = () => map().size'
    const own = write('/node_modules/@tensorflow/tfjs', code + '; map()')
    const other = write('/app', code)
    const posing = write('/posing', 'module.exports = eval(' + JSON.stringify('(() => { ' + code + '; return module.exports })()//# sourceURL=webpack://x' + own) + ')')
    guardEngines()
    const compute = whileRunning(own, () => require(own))
    console.log([
      attempt(compute),
      attempt(() => whileRunning('/app/program.cjs', compute)),
      attempt(() => require(other)()),
      attempt(() => require(posing)()),
    ].join())`)
  expect(printed).toBe('0,0,RUNTIME_UNGUARDED,RUNTIME_UNGUARDED')
})

test('the guard cannot be replaced', () => {
  const { printed } = outcomeOf(`
    guardEngines()
    for (const name of ['${REGISTRY}', '${ENGINE}'])
      console.log(attempt(() => Object.defineProperty(globalThis, name, { value: 1 })).slice(0, 9), attempt(() => delete globalThis[name]).slice(0, 9))`)
  expect(printed).toBe('TypeError TypeError\nTypeError TypeError')
})

test.each([REGISTRY, ENGINE])('refuses to guard if %s already exists', (name) => {
  expect(outcomeOf(`globalThis.${name} = 1; console.log(attempt(guardEngines))`).printed).toBe('RUNTIME_UNGUARDED')
})

test('an audit reports each copy once and lets it start', () => {
  const { printed, stderr } = outcomeOf(
    `guardEngines()
     const start = () => { globalThis.${REGISTRY} = 1; return globalThis.${REGISTRY} }
     console.log([attempt(() => whileRunning('/app/a.js', start)), attempt(() => whileRunning('/app/b.js', start))].join())`,
    'audit',
  )
  expect(printed).toBe('1,1')
  expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('a.js'), expect.stringContaining('b.js')])
})
