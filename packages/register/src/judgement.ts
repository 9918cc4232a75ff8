import type * as Core from '@modelseal/core'
import type { ModelFormat, OpenOptions, WatchedPolicy } from '@modelseal/core'
import { mode } from './mode.ts'

/** What a load is judged by. */
export type Judging = Pick<OpenOptions, 'policy' | 'audit'>

/**
 * Loads a model by way of an adapter. In an audit, what the adapter refuses is loaded as the program asked for.
 *
 * @param model as messages and verdicts name it
 * @param plainly how the program would have loaded it
 * @throws {@link ModelSealError} what the adapter throws; in an audit revocations only
 */
export async function judged<T>(
  model: { path: string; format?: ModelFormat },
  verified: (judging: Judging) => Promise<T>,
  plainly: () => T | Promise<T>,
): Promise<T> {
  const core = await import('@modelseal/core')
  try {
    return await verified({ policy: await currentPolicy(core), audit: mode() === 'audit' })
  } catch (error) {
    if (mode() === 'enforce') throw error
    core.tolerate(error, model)
    return await plainly()
  }
}

let watched: Promise<WatchedPolicy> | undefined

/** Read by the first load, and followed from then on. Undefined where there is none: the load will say so. */
async function currentPolicy({ watchPolicy }: typeof Core): Promise<WatchedPolicy | undefined> {
  watched ??= watchPolicy(undefined, {
    onError: ({ message }) =>
      process.stderr.write(`modelseal: the changed policy is not used, but the one before it. ${message}\n`),
  })
  try {
    return await watched
  } catch {
    watched = undefined
    return undefined
  }
}
