import { setTimeout as pause } from 'node:timers/promises'
import { vi } from 'vitest'
import { BlobStore } from '../cache/blob-store.ts'

/** Longer than a load takes to refuse a model. */
const SLOW_MS = 300

/** Makes the cache slow to add a file, until mocks are restored. */
export class SlowCache {
  /** Files that are being added now. */
  adding = 0
  /** Settles when the first file is being added. */
  readonly begun: Promise<unknown>

  constructor() {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on a cache below
    const place = BlobStore.prototype.placeBlob
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.begun = promise
    const add = async (store: BlobStore, ...args: Parameters<typeof place>) => {
      this.adding++
      resolve(undefined)
      await pause(SLOW_MS)
      await place.apply(store, args)
      this.adding--
    }
    vi.spyOn(BlobStore.prototype, 'placeBlob').mockImplementation(function (this: BlobStore, ...args) {
      return add(this, ...args)
    })
  }
}
