import { expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import type { HubClient } from './hub-client.ts'
import { listFolder } from './hub-listing.ts'

const TREE = new URL('https://hub.example/api/models/org/vad/tree/x')
const AT = { tree: TREE, folder: '', place: 'hf://org/vad' }

/** A hub whose listing has pages with these entries, without end. */
function hubWith(page: (index: number) => readonly object[]) {
  let asked = 0
  const json = () => {
    const link = `<${TREE.href}?cursor=${(asked += 1)}>; rel="next"`
    return Promise.resolve({ json: page(asked), headers: new Headers({ link }) })
  }
  return { client: { json } as unknown as HubClient, asked: () => asked }
}

test('a listing of more than a million files is refused', async () => {
  const { client, asked } = hubWith((page) =>
    Array.from({ length: 100_000 }, (_, index) => ({ type: 'file', path: `${page}/${index}` })),
  )
  await expect(listFolder(client, AT)).rejects.toEqual(refusal('SOURCE_LISTING', { file: 'hf://org/vad' }))
  expect(asked()).toBe(11)
})
