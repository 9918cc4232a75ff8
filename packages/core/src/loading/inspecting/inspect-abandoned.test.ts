import { describe, expect, test } from 'vitest'
import type { ModelSource } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { inspectModel } from './inspect-model.ts'
import { readAttestations } from './read-attestations.ts'

describe.each([
  ['inspecting a model', inspectModel],
  ['reading attestations', readAttestations],
])('%s', (_, read) => {
  /** Abandons it once a function of the source is called, which never answers. */
  async function abandoned(sourceOf: (hang: () => Promise<never>) => ModelSource): Promise<unknown> {
    const controller = new AbortController()
    const hang = () => {
      controller.abort()
      return new Promise<never>(() => {})
    }
    return read(sourceOf(hang), { signal: controller.signal })
  }

  test('can be abandoned while the source is silent', async () => {
    const url = 'store://m'
    const content = new Map<string, Uint8Array>()
    const aborted = refusal('ABORTED')
    await expect(abandoned((open) => ({ place: { url }, open }))).rejects.toEqual(aborted)
    const bundlesOf = (next: () => Promise<never>) => () => ({ [Symbol.asyncIterator]: () => ({ next }) })
    const searched = abandoned((hang) => memorySource(url, content, { session: { bundles: bundlesOf(hang) } }))
    await expect(searched).rejects.toEqual(aborted)
  })

  test('can be abandoned before a bundle is looked for on the disk', async () => {
    const controller = new AbortController()
    const bundleAt = () => {
      controller.abort()
      return undefined
    }
    const options = { signature: `${scratch()}/no.sig`, signal: controller.signal }
    const reading = read(memorySource('store://m', new Map(), { session: { bundleAt } }), options)
    await expect(reading).rejects.toEqual(refusal('ABORTED'))
  })

  test('closes the source', async () => {
    let closed = 0
    const session = {
      close: () => {
        closed++
      },
    }
    await expect(read(memorySource('store://m', new Map(), { session }))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    expect(closed).toBe(1)
  })
})
