import { createRequire } from 'node:module'
import { expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../../../core/src/testing/scratch.ts'
import { queuePackages } from './packages.ts'

test('the packages of the queue are found', () => {
  expect(queuePackages()).toMatchObject({ bullmq: { Queue: {} } })
})

test.each(['bullmq', 'ioredis'])('without %s, it says what to install', (missing) => {
  const spy = vi.spyOn(process, 'getBuiltinModule') as unknown as { mockReturnValue: (value: object) => void }
  onTestFinished(() => void vi.restoreAllMocks())
  const require = createRequire(import.meta.url)
  const load = (name: string): unknown => {
    if (name === missing) throw new Error(`Cannot find module '${name}'`)
    return require(name)
  }
  spy.mockReturnValue({ createRequire: () => load })
  const hint = 'Install it: npm install bullmq ioredis'
  expect(queuePackages).toThrow(refusal('FLEET_PACKAGES', { hint }))
})
