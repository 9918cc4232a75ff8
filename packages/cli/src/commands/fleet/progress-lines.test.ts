import { expect, test } from 'vitest'
import { progressLines } from './progress-lines.ts'

const models = (...names: string[]) =>
  names.map((model, index) => ({ model, done: index * 1_000_000, total: 4_000_000 }))
const run = { models: 1_200, failed: 3, others: 0, bytes: 7_000_000_000, bytesPerSecond: 410_000_000 }

test('each model has its share, and all have a line together', () => {
  const current = [...models('models/a', 'models/long'), { model: 'models/b', done: 0, total: 0 }]
  expect(progressLines({ ...run, current }, { columns: 80, rows: 24 })).toEqual([
    'models/a      0 % 0 bytes of 4.0 MB',
    'models/long  25 % 1.0 MB of 4.0 MB',
    'models/b',
    '1,200 models done, 3 failed; 7.0 GB hashed, 410.0 MB/s',
  ])
})

test('there are never more lines than a terminal has, nor longer ones', () => {
  const current = models(...Array.from({ length: 8 }, (_, index) => `${'x'.repeat(200)}/${index}`))
  const lines = progressLines({ ...run, current, others: 9 }, { columns: 80, rows: 10 })
  expect(lines).toHaveLength(5)
  expect(lines[0]).toMatch(/^…x+\/0 {3}0 % 0 bytes of 4\.0 MB$/)
  expect(lines[3]).toBe('and 14 more models')
  for (const line of lines) expect(line.length).toBeLessThan(80)
})

test('a name that could control the terminal is escaped', () => {
  const [line] = progressLines({ ...run, current: models('a\u001b[2J') }, { columns: 80, rows: 24 })
  expect(line).toBe('a\\u{1b}[2J   0 % 0 bytes of 4.0 MB')
})
