import { expect, test } from 'vitest'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { factsOf, versionOf } from './judged-by.ts'

const names = () => Promise.resolve([])

test('the facts about a local model are its path, and what the program says', () => {
  const facts = factsOf({ path: '/m' }, { url: 'https://hub.example/vad', format: 'onnx' }, names)
  expect(facts).toMatchObject({ path: '/m', url: 'https://hub.example/vad', source: undefined, formats: ['onnx'] })
  expect(factsOf({ path: '/m' }, {}, names)).toMatchObject({ path: '/m', url: undefined, formats: [] })
})

test('the facts about another one are the URL that it is loaded from, whatever the program says', () => {
  const url = 'hf://org/vad'
  const facts = factsOf({ url }, { url: 'hf://other/asr' }, names)
  expect(facts).toMatchObject({ path: undefined, url, source: url })
})

test('what a model claims is read when it is needed', async () => {
  const claimed = [{ name: 'vad' }] as never
  expect(await factsOf({ path: '/m' }, {}, () => Promise.resolve(claimed)).names()).toBe(claimed)
})

test('a version has the number of those that came before it from the same place', () => {
  const [given, first, second] = [{}, {}, {}] as never as CompiledPolicy[]
  expect(versionOf(given!, first!)).toEqual({ given, read: first, number: 1 })
  expect(versionOf(given!, second!)).toEqual({ given, read: second, number: 2 })
})
