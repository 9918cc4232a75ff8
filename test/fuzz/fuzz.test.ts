import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { runTarget } from './run-target.ts'
import { removeScratch } from './scratch.ts'
import type { Target } from './target.ts'
import { TARGETS } from './targets.ts'

const HERE = import.meta.dirname
const corpus = mkdtempSync(join(tmpdir(), 'modelseal-fuzz-'))
const options = { seconds: 60, seed: 1, hangMs: 5000 }

afterAll(() => {
  rmSync(corpus, { recursive: true })
  removeScratch()
})

describe('fuzzing', () => {
  test('finds a fault that only coverage leads to, and shortens its input', async () => {
    const { finding } = await runTarget(join(HERE, 'fixtures/faulty.ts'), {
      ...options,
      corpus: join(corpus, 'faulty'),
    })
    expect(finding?.error).toMatch(/^Error: The planted fault\./)
    expect(Buffer.from(finding?.input ?? []).toString('latin1')).toMatch(/^magic(?=.*nested-word).{12}$/s)
  })

  test('finds an input that hangs', async () => {
    const { finding } = await runTarget(join(HERE, 'fixtures/endless.ts'), {
      ...options,
      corpus: join(corpus, 'endless'),
    })
    expect(finding?.error).toBe('No answer within 5 s.')
    expect(Buffer.from(finding?.input ?? []).toString('latin1')).not.toBe('ok')
  })
})

describe.each([...TARGETS])('%s', (name, file) => {
  test('keeps its promises for its seeds and for what was found', async () => {
    const { default: target } = (await import(file)) as { default: Target }
    const found = join(HERE, 'found', name)
    const inputs = existsSync(found) ? readdirSync(found).map((each) => readFileSync(join(found, each))) : []
    const seeds = await target.seeds()
    expect(seeds.length).toBeGreaterThan(0)
    for (const input of [...seeds, ...inputs]) await target.check(Uint8Array.from(input))
  })
})
