import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { ModelSource } from '@modelseal/core'
import { claimedFormat } from './claimed-format.ts'

const directory = mkdtempSync(join(tmpdir(), 'modelseal-test-'))
const inDirectory = (...names: string[]) => join(directory, ...names)
const layersModel = '{"format":"layers-model","modelTopology":{}}'
const graphModel = '{"format":"graph-model","modelTopology":{"node":[]}}'
const LARGEST = 4 * 1024 * 1024

beforeAll(() => {
  mkdirSync(inDirectory('model'))
  mkdirSync(inDirectory('other'))
  writeFileSync(inDirectory('model', 'model.json'), layersModel)
  writeFileSync(inDirectory('graph.json'), graphModel)
  writeFileSync(inDirectory('invalid.json'), '{"format":"pickle","modelTopology":{}}')
  writeFileSync(inDirectory('largest.json'), graphModel.padEnd(LARGEST))
  writeFileSync(inDirectory('larger.json'), graphModel.padEnd(LARGEST + 1))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test.each([
  ['of a directory is that of its model.json', 'model', 'layers-model'],
  ['of a file is its own', 'graph.json', 'graph-model'],
  ['of a file of 4 MiB is its own', 'largest.json', 'graph-model'],
  ['of a larger file is not read', 'larger.json', undefined],
  ['of a directory without a model.json is unknown', 'other', undefined],
  ['of nothing is unknown', 'none', undefined],
  ['of a file that states another one is unknown', 'invalid.json', undefined],
])('the claimed format %s', async (_, name, format) => {
  expect(await claimedFormat(inDirectory(name))).toBe(format)
})

test('asks neither a source nor a server', async () => {
  const open = vi.fn()
  const source = { open, place: { name: 'm', path: inDirectory('model'), href: inDirectory('model') } } as unknown
  expect(await claimedFormat(source as ModelSource)).toBeUndefined()
  expect(open).not.toHaveBeenCalled()
  // As a path, it names a model that is there.
  const previous = process.cwd()
  mkdirSync(inDirectory('https:', 'models.example'), { recursive: true })
  writeFileSync(inDirectory('https:', 'models.example', 'model.json'), graphModel)
  process.chdir(directory)
  try {
    expect(await claimedFormat('https://models.example')).toBeUndefined()
  } finally {
    process.chdir(previous)
  }
})
