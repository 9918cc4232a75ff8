// For a guard, which judges the loads of others: the entry `@modelseal/core/judged`.
export { openJudged } from './open-judged.ts'
export type { LoadRequest } from './load.ts'
export type { Judge } from './judging/judging.ts'
export { holds, type HandedOut, type HandOuts } from './files/hand-outs.ts'
