import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const directory = mkdtempSync(join(tmpdir(), 'modelseal-readme-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe.each([
  ['README.md', 6],
  ['packages/core/README.md', 1],
  ['packages/onnxruntime/README.md', 6],
  ['packages/tfjs/README.md', 4],
  ['packages/transformers/README.md', 3],
  ['packages/hub/README.md', 5],
  ['packages/fleet/README.md', 1],
  ['packages/s3/README.md', 4],
  ['packages/journal/README.md', 4],
])('the JavaScript of %s', (readme, count) => {
  const text = readFileSync(join(ROOT, readme), 'utf8')
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code)

  test('is found', () => expect(blocks).toHaveLength(count))

  test.each(blocks.map((code, index) => [index + 1, code] as const))(
    'block %i is valid syntax in this version of Node.js',
    (index, code) => {
      const file = join(directory, `${readme.replaceAll('/', '-')}-${index}.mjs`)
      writeFileSync(file, code)
      execFileSync(process.execPath, ['--check', file], { stdio: 'pipe' })
    },
  )

  test('imports only what the packages export', async () => {
    for (const code of blocks) {
      for (const [, names = '', name = ''] of code.matchAll(/^import \{ (.+) \} from '(@modelseal\/.+)'$/gm)) {
        expect(Object.keys((await import(name)) as object)).toEqual(expect.arrayContaining(names.split(', ')))
      }
    }
  })
})
