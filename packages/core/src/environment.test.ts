import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { encodeEnvironment, environment, variable } from './environment.ts'
import { absolutePath } from './absolute-path.ts'
import { givenPath, localPath } from './kinds.ts'
import { refusal } from './testing/scratch.ts'

const MODULE = pathToFileURL(join(import.meta.dirname, 'environment.ts')).href

afterEach(() => vi.unstubAllEnvs())

/** The value that the code assigns to `result` in a thread with the given environment. */
async function inThread(code: string, env?: NodeJS.ProcessEnv): Promise<unknown> {
  const source = `import { parentPort } from 'node:worker_threads'
import { environment, fixEnvironment, variable } from ${JSON.stringify(MODULE)}
let result
${code}
parentPort.postMessage(result)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), env ? { env } : {})
  const [result] = (await once(worker, 'message')) as unknown[]
  await worker.terminate()
  return result
}

describe('the environment', () => {
  test('has absolute paths, and only variables that are set', () => {
    vi.stubEnv('MODELSEAL_POLICY', 'policy.yaml')
    vi.stubEnv('MODELSEAL_MODE', '')
    expect(variable('MODELSEAL_POLICY')).toBe(join(process.cwd(), 'policy.yaml'))
    expect(variable('MODELSEAL_MODE')).toBeUndefined()
    expect(environment().directory).toBe(process.cwd())
  })

  test.each(['file:///policies/a%20b.yaml', 'file:/policies/a%20b.yaml', 'FILE:///policies/a%20b.yaml'])(
    'has the path of %s, as an option has',
    (url) => {
      vi.stubEnv('MODELSEAL_POLICY', url)
      expect(variable('MODELSEAL_POLICY')).toBe('/policies/a b.yaml')
      expect(absolutePath(url)).toBe('/policies/a b.yaml')
      expect(givenPath(url, 'signature')).toBe('/policies/a b.yaml')
      expect(localPath(url, 'policy')).toBe('/policies/a b.yaml')
    },
  )

  test.each(['file:policies/a.yaml', 'file:///a?b'])('refuses %s, which is not a complete path', (url) => {
    expect(() => absolutePath(url)).toThrow(refusal('INVALID_ARGUMENT'))
    vi.stubEnv('MODELSEAL_POLICY', url)
    expect(() => variable('MODELSEAL_POLICY')).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('a policy behind HTTP is refused with its whole place, but without secrets', () => {
    expect(() => localPath('https://me:pass@a/b.yaml?token=1', 'policy')).toThrow(
      refusal('INVALID_ARGUMENT', { found: '"https://a/b.yaml"' }),
    )
  })

  test('cannot be changed, and is not read from prototypes', () => {
    const polluted = Object.prototype as Record<string, unknown>
    polluted['MODELSEAL_MODE'] = 'audit'
    try {
      vi.stubEnv('MODELSEAL_MODE', undefined)
      expect(variable('MODELSEAL_MODE')).toBeUndefined()
      expect(environment().variables.MODELSEAL_MODE).toBeUndefined()
    } finally {
      delete polluted['MODELSEAL_MODE']
    }
    expect(Object.isFrozen(environment())).toBe(true)
    expect(Object.isFrozen(environment().variables)).toBe(true)
  })

  test('is inherited by a thread with its own variables', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/policies/parent.yaml')
    expect(await inThread(`result = variable('MODELSEAL_POLICY')`, { LOG: '1' })).toBe('/policies/parent.yaml')
    vi.stubEnv('MODELSEAL_POLICY', '/policies/later.yaml')
    expect(await inThread(`result = variable('MODELSEAL_POLICY')`, {})).toBe('/policies/later.yaml')
  })

  test('uses the variables of the thread if they differ', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/policies/parent.yaml')
    const env = { MODELSEAL_POLICY: '/policies/own.yaml' }
    expect(await inThread(`result = variable('MODELSEAL_POLICY')`, env)).toBe('/policies/own.yaml')
  })

  test('is inherited from a thread that inherited it', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/policies/parent.yaml')
    const inner = `import { parentPort } from 'node:worker_threads'
import { variable } from ${JSON.stringify(MODULE)}
parentPort.postMessage(variable('MODELSEAL_POLICY'))`
    const code = `import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
const inner = new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(inner)}`)}), { env: {} })
result = (await once(inner, 'message'))[0]`
    expect(await inThread(code, {})).toBe('/policies/parent.yaml')
  })

  test('does not change once it is fixed, not even in threads and processes started later', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/policies/parent.yaml')
    vi.stubEnv('MODELSEAL_MODE', undefined)
    const code = `fixEnvironment()
process.env.MODELSEAL_POLICY = '/policies/later.yaml'
process.env.MODELSEAL_MODE = 'audit'
fixEnvironment('{"fixed":true,"variables":{"MODELSEAL_MODE":"audit"}}')
result = { ...environment().variables, fixed: environment().fixed }`
    expect(await inThread(code)).toMatchObject({ MODELSEAL_POLICY: '/policies/parent.yaml', fixed: true })
    expect(await inThread(code)).not.toHaveProperty('MODELSEAL_MODE')
  })

  test('can be handed to another process', async () => {
    vi.stubEnv('MODELSEAL_POLICY', '/policies/parent.yaml')
    vi.stubEnv('MODELSEAL_MODE', undefined)
    const handed = JSON.stringify(encodeEnvironment())
    const code = `fixEnvironment(${handed}); result = { ...environment().variables }`
    const variables = await inThread(code, { MODELSEAL_POLICY: '/policies/own.yaml', MODELSEAL_MODE: 'audit' })
    expect(variables).toMatchObject({ MODELSEAL_POLICY: '/policies/parent.yaml' })
    expect(variables).not.toHaveProperty('MODELSEAL_MODE')
  })
})
