import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** How long each attack lasts: longer in npm run test:attacks, where more swaps meet a load. */
export const SECONDS = Number(process.env['MODELSEAL_ATTACK_SECONDS'] ?? (process.env['ATTACK_RUNS'] ? 0.7 : 0.4))
/** By then some load must have been accepted, and some refused. */
export const MOST_SECONDS = SECONDS + 30

/** What `swapper.mjs` can do. */
export const KINDS = ['rename', 'write', 'link', 'directory', 'directoryLink', 'parent'] as const
export type Kind = (typeof KINDS)[number]

/** Starts a swapper of the model in a directory; it goes on until the test ends. */
export async function swapping(kind: Kind, directory: string, user?: number): Promise<void> {
  const swapper = fork(join(import.meta.dirname, 'swapper.mjs'), [kind, directory], { uid: user, gid: user })
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
