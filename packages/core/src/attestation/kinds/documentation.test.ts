import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { KINDS } from './kinds.ts'

const text = await readFile(new URL('../../../../../docs/reference/attestation-kinds.md', import.meta.url), 'utf8')

test('docs/reference/attestation-kinds.md has every kind with the type that is written', () => {
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (?:`(https:[^`]+)`|as for `model-card`)/gm)]
  const types = rows.map(([, name, type = 'https://cyclonedx.org/bom']) => [name, type])
  expect(types).toEqual(KINDS.map(({ name, types: [type] }) => [name, type]))
})

test('docs/reference/attestation-kinds.md has every field of every kind, in order', () => {
  const rows = [...text.matchAll(/^\| `([a-z-]+)` \| `([a-z-]+)` \| \S.* \|$/gm)].map(([, kind, field]) => [
    kind,
    field,
  ])
  expect(rows).toEqual(KINDS.flatMap(({ name, fields }) => Object.keys(fields).map((field) => [name, field])))
})
