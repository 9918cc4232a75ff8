import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { withTimerCount } from '../../../core/src/testing/timers.ts'
import { CredentialProvider } from './credential-provider.ts'

const NEVER = new AbortController().signal

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 0 })
  onTestFinished(() => void vi.useRealTimers())
})

/** Valid from now on for some seconds. */
const credentials = (accessKeyId: string, seconds: number) => ({
  accessKeyId,
  secretAccessKey: 's',
  expiration: new Date(Date.now() + seconds * 1_000),
})

test('requests that need credentials at the same time ask for them once, and all learn of a failure', async () => {
  let asked = 0
  const provider = new CredentialProvider(async () => {
    await sleep(1)
    if (++asked === 1) throw new Error('no')
    return credentials(`key${asked}`, 3_600)
  })
  const get = () => Promise.allSettled([1, 2, 3].map(() => provider.get(NEVER)))
  expect((await get()).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect((await get()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  expect(asked).toBe(2)
})

test('credentials that are valid for a short time are not asked for with every request', async () => {
  let asked = 0
  const provider = new CredentialProvider(() => Promise.resolve(credentials(`key${++asked}`, 60)))
  const at = async (seconds: number) => {
    vi.setSystemTime(seconds * 1_000)
    return (await provider.get(NEVER))?.accessKeyId
  }
  expect([await at(0), await at(29), await at(30)]).toEqual(['key1', 'key1', 'key2'])
})

test('credentials are used until they expire if they cannot be renewed', async () => {
  let asked = 0
  const provider = new CredentialProvider(() =>
    ++asked === 1 ? Promise.resolve(credentials('key', 3_600)) : Promise.reject(new Error('no')),
  )
  await provider.get(NEVER)
  vi.setSystemTime(3_500_000)
  expect((await provider.get(NEVER))?.accessKeyId).toBe('key')
  vi.setSystemTime(3_600_000)
  await expect(provider.get(NEVER)).rejects.toThrow('no')
})

test('where there are none, they are not looked for with every request', async () => {
  let asked = 0
  const provider = new CredentialProvider(() => {
    asked += 1
    return Promise.resolve(undefined)
  })
  expect([await provider.get(NEVER), await provider.get(NEVER)]).toEqual([undefined, undefined])
  expect(asked).toBe(1)
})

test('requests are signed to the end: credentials that are gone are refused', async () => {
  let asked = 0
  const provider = new CredentialProvider(() => Promise.resolve(++asked === 1 ? credentials('key', 3_600) : undefined))
  provider.forget(await provider.get(NEVER))
  await expect(provider.get(NEVER)).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
})

test('an abort ends the look-up, unless another request waits for it', async () => {
  const signals: AbortSignal[] = []
  const provider = new CredentialProvider(async (signal) => {
    signals.push(signal)
    await sleep(20)
    return signal.aborted ? undefined : credentials('key', 3_600)
  })
  const abort = new AbortController()
  const [first, second] = [provider.get(abort.signal), provider.get(NEVER)]
  abort.abort()
  await expect(first).rejects.toEqual(refusal('ABORTED'))
  expect((await second)?.accessKeyId).toBe('key')
  provider.forget(await second)
  await expect(provider.get(abort.signal)).rejects.toEqual(refusal('ABORTED'))
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
  expect((await provider.get(NEVER))?.accessKeyId).toBe('key')
})

test('a function that never answers is given up', async () => {
  const provider = new CredentialProvider(() => new Promise(() => {}), 10)
  await expect(provider.get(NEVER)).rejects.toEqual(refusal('CREDENTIALS_UNAVAILABLE'))
})

test('waiting for credentials keeps the process alive, unless nobody waits for what they are for', () =>
  withTimerCount(async (timers) => {
    const asked: boolean[] = []
    const provider = new CredentialProvider((_, detached) => {
      asked.push(detached)
      return new Promise(() => {})
    })
    const abort = new AbortController()
    const detached = provider.get(abort.signal, true)
    expect(timers()).toBe(0)
    const awaited = provider.get(abort.signal)
    expect(timers()).toBe(1)
    abort.abort()
    await expect(detached).rejects.toEqual(refusal('ABORTED'))
    await expect(awaited).rejects.toEqual(refusal('ABORTED'))
    expect(asked).toEqual([true])
  }))
