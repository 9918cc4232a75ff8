/**
 * For a guard, which judges the loads of other code by a policy of its own, as `@modelseal/register` does.
 *
 * @example
 * ```ts
 * import { openOptions } from '@modelseal/core/adapter'
 * import { openJudged, type LoadRequest } from '@modelseal/core/judged'
 *
 * // Both policies must accept the model: that of the program and that of the guard.
 * const open = <T>(load: LoadRequest<T>) => openJudged(load, [load.options, { ...openOptions(own), by: 'guard' }])
 * ```
 *
 * @packageDocumentation
 */
export type { HandedOut, HandOuts } from '../loading/files/hand-outs.ts'
export { holds } from '../loading/files/hand-outs.ts'
export type { Judge } from '../loading/judging/judging.ts'
export type { LoadRequest } from '../loading/load.ts'
export { openJudged } from '../loading/open-judged.ts'
