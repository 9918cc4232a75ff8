import type * as Core from '@modelseal/core'
import type { ModelReader, ModelSource, OpenedModel, OpenOptions, WatchedPolicy } from '@modelseal/core'
import type { keepRevocable, ModelFormat } from '@modelseal/core/adapter'
import { codeOf } from '@modelseal/core/any-realm'
import type { Judge } from '@modelseal/core/judged'
import { HandedOutLoad } from './handed-out.ts'
import { BY, mode } from './mode.ts'

/** How to judge a model, in addition to the policy of this process. */
interface OpeningOptions {
  /** Options of the program if it verifies the model itself. */
  program?: OpenOptions
  /** Whether other code gets the files before a runtime does. */
  throughOthers?: boolean
}

/**
 * Opens a model that the policy of this process accepts. If the program verifies the model itself, its own policy must also
 * accept it, within the same load.
 */
export function opening({ program, throughOthers = false }: OpeningOptions = {}) {
  return async <T>(
    source: string | ModelSource,
    options: OpenOptions,
    gather: (reader: ModelReader) => Promise<T>,
  ): Promise<OpenedModel<T>> => {
    const [{ openOptions }, { openJudged }] = await Promise.all([
      import('@modelseal/core/adapter'),
      import('@modelseal/core/judged'),
    ])
    // Checked again by this package's own copy, because the caller may have passed anything.
    const load = { source, options: openOptions(options), gather }
    const own: Judge = { by: BY, ...(await judging()) }
    const handOuts = throughOthers ? new HandedOutLoad() : undefined
    const model = await openJudged(load, program ? [openOptions(program), own] : [own], handOuts)
    handOuts?.accept(model)
    return model
  }
}

/** The options that a load is judged by. */
type PolicyOptions = Pick<OpenOptions, 'policy' | 'audit'>

export async function judging(): Promise<PolicyOptions> {
  return { policy: await currentPolicy(await import('@modelseal/core')), audit: mode() === 'audit' }
}

/**
 * Judges a model that the program loads without verification. In an audit, a refused model is loaded as the program asked.
 *
 * @param model name of the model in messages and verdicts
 * @param plainly loads the model as the program asked
 * @throws {@link ModelSealError} what judging throws; in an audit, only revocations, and failures of a journal that is required
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
    const { tolerate } = await import('@modelseal/core/adapter')
    const tolerated = () => tolerate(error, { ...model, by: BY })
    if (codeOf(error) !== 'RUNTIME_FAILED') return keptOf(await tolerated(), plainly)
    // The policy accepted the model, and the runtime did not. That matters only if the runtime loads it without the check.
    const loaded = await plainly()
    try {
      return await keptOf(await tolerated(), () => loaded)
    } catch (refusal) {
      await released(loaded)
      throw refusal
    }
  }
}

/**
 * Loads a model that nobody verified. Journals record its end when the program releases what was created, or nobody has it any more.
 *
 * @param load creates it
 */
export async function keptOf<T>(model: Parameters<typeof keepRevocable>[0], load: () => T | Promise<T>): Promise<T> {
  let created: T
  try {
    created = await load()
  } catch (error) {
    await model.close()
    throw error
  }
  // Of something else, it is not known how long it is in use.
  if (typeof created !== 'object' || created === null) return created
  const { keepRevocable } = await import('@modelseal/core/adapter')
  keepRevocable(model, created, { ends: ENDS, release: released })
  await model.close()
  return created
}

/** The methods with which programs release a session, or a model of TensorFlow.js. */
const ENDS = ['release', 'dispose'] as const

async function released(created: unknown): Promise<void> {
  if (typeof created !== 'object' || created === null) return
  for (const name of ENDS) {
    const end: unknown = Reflect.get(created, name)
    if (typeof end === 'function') await Reflect.apply(end, created, [])
  }
}

let watched: Promise<WatchedPolicy> | undefined

/** The policy, read by the first load and watched from then on. Undefined if there is none; the load will report this. */
async function currentPolicy({ watchPolicy }: typeof Core): Promise<WatchedPolicy | undefined> {
  watched ??= watchPolicy(undefined, {
    onError: ({ message }) =>
      process.stderr.write(`modelseal: cannot use the changed policy, so the previous one stays in use. ${message}\n`),
  })
  try {
    return await watched
  } catch {
    watched = undefined
    return undefined
  }
}
