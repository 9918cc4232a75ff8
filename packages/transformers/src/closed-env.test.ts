import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ClosedLoad, divideEnv, withClosedEnv, type ClosedSettings } from './closed-env.ts'

const OUTSIDE = {
  fetch: 'own fetch',
  customCache: null,
  useCustomCache: false,
  allowLocalModels: true,
  allowRemoteModels: true,
  localModelPath: '/models/',
  remoteHost: 'https://huggingface.co/',
  remotePathTemplate: '{model}/resolve/{revision}/',
  useFS: true,
  cacheDir: '/cache',
}

function closed(name: string): ClosedSettings {
  return {
    fetch: `${name} fetch`,
    customCache: `${name} cache`,
    useCustomCache: true,
    allowLocalModels: false,
    allowRemoteModels: true,
    localModelPath: '',
    remoteHost: `https://${name}.invalid/`,
    remotePathTemplate: '{model}/',
    useFS: false,
  }
}

function dividedEnv(): typeof OUTSIDE {
  const env = { ...OUTSIDE }
  divideEnv(env)
  return env
}

test('every load sees its own settings across asynchronous calls, and the program sees its own', async () => {
  const env = dividedEnv()
  const seen = (name: string) =>
    withClosedEnv(env, new ClosedLoad(closed(name)), async () => {
      await sleep(1)
      return { ...env }
    })
  const [one, other] = await Promise.all([seen('one'), seen('other'), Promise.resolve({ ...env })])
  expect(one).toEqual({ ...OUTSIDE, ...closed('one') })
  expect(other).toEqual({ ...OUTSIDE, ...closed('other') })
  expect({ ...env }).toEqual(OUTSIDE)
  expect(Object.keys(env)).toEqual(Object.keys(OUTSIDE))
})

test('writes take effect outside of loads, even when made during a load', async () => {
  const env = dividedEnv()
  await withClosedEnv(env, new ClosedLoad(closed('one')), () => {
    env.fetch = 'another fetch'
    expect(env.fetch).toBe('one fetch')
    return Promise.resolve()
  })
  expect(env.fetch).toBe('another fetch')
  env.fetch = 'a third'
  expect(env.fetch).toBe('a third')
})

test('an env that is divided twice, as by two copies of this package, works for both', async () => {
  const env = dividedEnv()
  // Simulates another copy that divided the env before this one.
  const nested = Object.defineProperties({}, Object.getOwnPropertyDescriptors(env)) as typeof OUTSIDE
  divideEnv(nested)
  const fetch = await withClosedEnv(nested, new ClosedLoad(closed('one')), () => Promise.resolve(nested.fetch))
  expect(fetch).toBe('one fetch')
  expect({ ...nested }).toEqual(OUTSIDE)
})

test('refuses to load if a setting was redefined and would have no effect', () => {
  const env = dividedEnv()
  Object.defineProperty(env, 'fetch', { value: 'another' })
  const code = expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error
  expect(() => withClosedEnv(env, new ClosedLoad(closed('one')), () => Promise.resolve())).toThrow(code)
})

test.each([
  ['lacks a setting', { fetch: 'own fetch' }],
  ['is frozen', Object.freeze({ ...OUTSIDE })],
])('refuses an env that %s', (_, env) => {
  expect(() => divideEnv(env)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
})

test('promises that outlive a load see other settings, but never those of the program', async () => {
  const env = dividedEnv()
  const load = new ClosedLoad(closed('one'))
  const { promise: over, resolve: end } = Promise.withResolvers<undefined>()
  const seen: unknown[] = []
  const straggler = withClosedEnv(env, load, async () => {
    seen.push(env.fetch)
    await over
    seen.push(env.fetch, env.remoteHost, env.allowLocalModels)
  })
  load.end(closed('over'))
  end(undefined)
  await straggler
  expect(seen).toEqual(['one fetch', 'over fetch', 'https://over.invalid/', false])
})
