import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFailed, onTestFinished } from 'vitest'
import { firstSeed, reproducing } from './random.ts'

/** How long each attack lasts: longer in npm run test:attacks, where more swaps meet a load. */
export const SECONDS = Number(process.env['MODELSEAL_ATTACK_SECONDS'] ?? (process.env['ATTACK_RUNS'] ? 0.7 : 0.4))
/** By then some load must have been accepted, and some refused. */
export const MOST_SECONDS = SECONDS + 30

/** The pauses between swaps and loads follow from it. What the operating system does in between does not. */
export const SEED = firstSeed()

/** Has a test that fails say with which seed it ran. */
export function tellSeed(): void {
  onTestFailed(() => console.log(reproducing(SEED)))
}

/** What `swapper.mjs` can do. */
export const KINDS = ['rename', 'write', 'link', 'directory', 'directoryLink', 'parent'] as const
export type Kind = (typeof KINDS)[number]

/** Starts a swapper of the model in a directory; it goes on until the test ends. */
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

/** How a load may be refused while files are swapped. */
export const REFUSALS: ReadonlySet<string> = new Set([
  'FILE_CHANGED',
  'FILE_MISMATCH',
  'FILE_MISSING',
  'FILE_SPECIAL', // a link that was a directory before
  'FILE_UNREADABLE',
  'ISOLATION_REFUSED', // what a stranger brings is not loaded in place
  'MODEL_NOT_FOUND', // while the directory above is exchanged
  'SYMLINK_REFUSED',
])
