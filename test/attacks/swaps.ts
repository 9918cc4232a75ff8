import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFailed, onTestFinished } from 'vitest'
import { firstSeed, reproducing } from './random.ts'

/** How long each attack lasts: longer in npm run test:attacks, so that more swaps coincide with a load. */
export const SECONDS = Number(process.env['MODELSEAL_ATTACK_SECONDS'] ?? (process.env['ATTACK_RUNS'] ? 0.7 : 0.4))
/** Within this time, at least one load must have been accepted and one refused. */
export const MOST_SECONDS = SECONDS + 30

/** Determines the pauses between swaps and loads, but not the scheduling of the operating system. */
export const SEED = firstSeed()

/** Makes a failed test report its seed. */
export function tellSeed(): void {
  onTestFailed(() => console.log(reproducing(SEED)))
}

/** The kinds of swaps of `swapper.mjs`. */
export const KINDS = ['rename', 'write', 'link', 'directory', 'directoryLink', 'parent'] as const
export type Kind = (typeof KINDS)[number]

/** Starts a swapper for the model in a directory, which runs until the test ends. */
export async function swapping(kind: Kind, directory: string, user?: number): Promise<void> {
  tellSeed()
  const script = join(import.meta.dirname, 'swapper.mjs')
  const swapper = fork(script, [kind, directory, String(SEED)], { uid: user, gid: user })
  onTestFinished(async () => {
    swapper.kill('SIGKILL')
    if (swapper.exitCode === null && swapper.signalCode === null) await once(swapper, 'exit')
  })
  await once(swapper, 'message')
}

/** Codes with which a load may be refused while files are swapped. */
export const REFUSALS: ReadonlySet<string> = new Set([
  'FILE_CHANGED',
  'FILE_MISMATCH',
  'FILE_MISSING',
  'FILE_SPECIAL', // a link that used to be a directory
  'FILE_UNREADABLE',
  'ISOLATION_REFUSED', // another user's files are not loaded in place
  'MODEL_NOT_FOUND', // while the parent directory is replaced
  'SYMLINK_REFUSED',
])
