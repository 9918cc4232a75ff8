// For a guard, which judges the loads of others: the entry `@modelseal/core/judged`.
export { openJudged, type Load } from './open-judged.ts'
export type { Judge } from './judging/judging.ts'
export { holds, type HandedOut, type HandOuts } from './files/hand-outs.ts'
