import type * as FileSystem from 'node:fs'
import { lstatSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { inspectModel } from './inspect-model.ts'

vi.mock('node:fs', { spy: true })

let site: TestSite
beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())

test('others get their turn, and can abandon it, after every 500 files', async () => {
  await site.model('many', Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`${at}.bin`, ''])))
  await site.sign('many', 'a')
  const controller = new AbortController()
  const real = await vi.importActual<typeof FileSystem>('node:fs')
  let sizes = 0
  vi.mocked(lstatSync).mockImplementation((path, options) => {
    if (!String(path).endsWith('.bin')) return real.lstatSync(path, options)
    sizes++
    controller.abort()
    return real.lstatSync(path)
  })
  await expect(inspectModel(site.file('many'), { signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
  expect(sizes).toBe(499)
})
