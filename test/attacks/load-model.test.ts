import { closeHashPool } from '@modelseal/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attackRuns, numberFrom } from '../../packages/core/src/testing/runs.ts'
import { scratchOfSuite } from '../support/models.ts'
import { COMMANDS, FIRST_FILES, begin } from './load-model/commands.ts'
import { COUNTS } from './load-model/load-command.ts'
import { Site } from './load-model/site.ts'
import { System } from './load-model/system.ts'
import { OtherUser, SECOND, ThisUser } from './load-model/user.ts'

// A model of loads: two users sign, change files, rules and keys, and load, in random order. What a runtime gets is what a
// signer whom the policy then accepts has signed, and nothing is left behind.

const ROOT = process.geteuid?.() === 0
/** Sequences of commands. Each takes about a second. */
const RUNS = Math.max(6, Math.ceil(attackRuns(0) / 20))
/** From this many runs on, everything that can happen has happened. */
const MANY_RUNS = 400
const EVERYTHING = [
  'accepted',
  'accepted by a receipt',
  'interrupted',
  'read again',
  'BUNDLE_NOT_FOUND',
  'FILE_CHANGED',
  'FILE_MISMATCH',
  'FILE_MISSING',
  'FILE_REVOKED',
  'FILE_UNREADABLE',
  'FILE_UNSIGNED',
  'ISOLATION_REFUSED',
  'JSON_INVALID',
  'KEY_REVOKED',
  'MODEL_NAME_REFUSED',
  'MODEL_REVOKED',
  'POLICY_INVALID',
  'POLICY_UNTRUSTED',
  'SIGNATURE_INVALID',
  'SIGNATURE_THRESHOLD',
  'SIGNER_NOT_TRUSTED',
  'SYMLINK_REFUSED',
  'open model revoked',
]

/** Repeats a run, which ATTACK_RUNS must have as many sequences. */
const SEED = numberFrom('ATTACK_SEED') ?? Math.floor(Math.random() * 2 ** 31)

const root = scratchOfSuite()
let system: System

beforeAll(() => {
  if (!ROOT) console.log('Only one user takes part: another one needs root.')
  system = new System(root, new ThisUser(), ROOT ? new OtherUser(SECOND) : undefined)
})
afterAll(async () => {
  await system.end()
  await closeHashPool()
})

test.skipIf(process.platform === 'win32')(
  'a runtime gets what an accepted signer signed, whatever is done to it',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands([...COMMANDS], { maxCommands: 40, size: 'max' }), async (commands) => {
        const site = new Site(system.first.id)
        for (const [name, content] of Object.entries(FIRST_FILES))
          site.entries.set(name, { inode: { content, mode: 0o644, owner: site.first } })
        await system.reset(site)
        await begin(site, system)
        await fc
          .asyncModelRun(() => ({ model: site, real: system }), commands)
          .catch(async (error: unknown) => {
            await system.abandon()
            throw error
          })
        system.check(site)
        await system.expectNothingLeft()
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: process.env['MODELSEAL_NO_SHRINK'] !== undefined },
    )
    const counts = Object.fromEntries([...COUNTS].sort())
    if (process.env['ATTACK_RUNS']) console.log(`${RUNS} sequences, ATTACK_SEED=${SEED}:`, counts)
    // Refusing everything would be no achievement.
    const accepted = (counts['accepted'] ?? 0) + (counts['accepted by a receipt'] ?? 0)
    expect(accepted / (counts['loads'] ?? 0)).toBeGreaterThan(0.1)
    if (RUNS >= MANY_RUNS) expect(Object.keys(counts)).toEqual(expect.arrayContaining(EVERYTHING))
  },
)
