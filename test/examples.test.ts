import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

function run(example: string): string {
  const path = join(import.meta.dirname, '../examples', example)
  return execFileSync(process.execPath, [path], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
}

test.each([
  ['onnx.mjs', /^Signed by release-team.*\nProbability of speech in silence: 0\.0\d\d\n$/],
  ['onnx.cjs', /^Signed by release-team.*\nProbability of speech in silence: 0\.0\d\d\n$/],
  [
    'register.mjs',
    /^As signed: Probability of speech in silence: 0\.0\d\d\nTampered: exit code 1, FILE_MISMATCH\nTampered, in an audit: modelseal: audit: would refuse … FILE_MISMATCH: .*\n$/,
  ],
  ['tfjs.mjs', /^accepted: release-team\nBlazeFace gives .*1×512×1.*\n$/],
  [
    'training/main.mjs',
    /^Read 150 flowers, signed by data-team\nThe loaded model names 9\d % of these flowers correctly\nLineage.*\n.*\(this model\)\n +"iris" sha256:[0-9a-f]{64} \(dataset, believed\)\nNo training: FILE_MISMATCH, iris\.csv\n$/,
  ],
])('examples/%s runs the real model', (example, output) => {
  expect(run(example)).toMatch(output)
})

test('the demo runs both models, requires an evaluation, revokes one in memory, refuses both after one byte was changed, and trains from a dataset', () => {
  const output = run('demo.mjs')
  expect(output).toMatch(/speech in 32 ms of silence: \d\.\d %/)
  expect(output).toMatch(/faces in a grey picture: 0, of 896/)
  expect(output).toMatch(
    /not evaluated: refused\n.*ATTESTATION_MISSING\n.*0\.88: refused\n.*ATTESTATION_CONDITION\n.*\n.*0\.95: accepted\n/,
  )
  expect(output).toMatch(/in use: revoked\n.*MODEL_REVOKED\n.*the reason "trained on poisoned data"\n/)
  expect(output).toMatch(/captions on .*\n.*1, the last at .*; loaded now: no\n.*release-team\n/)
  expect(output).toMatch(/\(this model\)\n +"iris" sha256:[0-9a-f]{64} \(dataset, believed\)\n.*not trained again/)
  expect(output.match(/FILE_MISMATCH/g)).toHaveLength(3)
})

const minilm = existsSync(join(import.meta.dirname, '../.cache/transformers/made-from.txt'))
if (!minilm) console.warn('Skipped: examples/transformers.mjs, whose model `npm run setup:transformers` makes.')

test.skipIf(!minilm)('examples/transformers.mjs ranks the similar sentence above the different one', () => {
  const [decision, near, far] = run('transformers.mjs').split('\n')
  expect(decision).toBe('accepted: release-team')
  expect(Number.parseFloat(near ?? '')).toBeGreaterThan(Number.parseFloat(far ?? '') + 0.3)
})
