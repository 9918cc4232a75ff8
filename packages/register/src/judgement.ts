import type * as Core from '@modelseal/core'
import type { ModelFormat, ModelReader, ModelSource, OpenedModel, OpenOptions, WatchedPolicy } from '@modelseal/core'
import type { Judge } from '@modelseal/core/judged'
import { HandedOutLoad } from './handed-out.ts'
import { BY, mode } from './mode.ts'

/** Whose policies a model is judged by, beside the one of this process. */
export interface OpeningOptions {
  /** Of the program, where it verifies the model itself. */
  program?: OpenOptions
  /** Whether other code gets what is handed out, before a runtime does. */
  throughOthers?: boolean
}

/**
 * Opens a model that the policy of this process lets pass. Where the program verifies the model itself, its own policy has to
 * as well, within the same load.
 */
export function opening({ program, throughOthers = false }: OpeningOptions = {}) {
  return async <T>(
    source: string | ModelSource,
    options: OpenOptions,
    gather: (reader: ModelReader) => Promise<T>,
  ): Promise<OpenedModel<T>> => {
    const [{ openOptions }, { openJudged }] = await Promise.all([
      import('@modelseal/core'),
      import('@modelseal/core/judged'),
    ])
    // Read once more, by this package's own copy: whoever calls may have given anything.
    const load = { source, options: openOptions(options), gather }
    const own: Judge = { by: BY, ...(await judging()) }
    const handOuts = throughOthers ? new HandedOutLoad() : undefined
    const model = await openJudged(load, program ? [openOptions(program), own] : [own], handOuts)
    handOuts?.accept()
    return model
  }
}

/** What a load is judged by. */
export type Judging = Pick<OpenOptions, 'policy' | 'audit'>

export async function judging(): Promise<Judging> {
  return { policy: await currentPolicy(await import('@modelseal/core')), audit: mode() === 'audit' }
}

/**
 * Loads a model that the program wants to load by itself. In an audit, what is refused is loaded as the program asked for.
 *
 * @param model as messages and verdicts name it
 * @param plainly how the program would have loaded it
 * @throws {@link ModelSealError} what judging throws; in an audit revocations only
 */
export async function judged<T>(
  model: { path: string; format?: ModelFormat },
  verified: () => Promise<T>,
  plainly: () => T | Promise<T>,
): Promise<T> {
  try {
    return await verified()
  } catch (error) {
    if (mode() === 'enforce') throw error
    const { tolerate } = await import('@modelseal/core')
    tolerate(error, { ...model, by: BY })
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
