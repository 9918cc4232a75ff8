/**
 * For people who write adapters, which load verified models into a runtime: reading hostile input within limits, gathering what the
 * runtime needs, and reporting the outcome of a load. docs/how-to/adapters.md builds an adapter, step by step.
 *
 * @example
 * ```ts
 * import { openVerifiedModel, type OpenOptions } from '@modelseal/core'
 * import { loadOptions, onlyModel, outcomeOf } from '@modelseal/core/adapter'
 *
 * export async function loadWeights(model: string, given?: OpenOptions) {
 *   const opened = await openVerifiedModel(model, loadOptions(given, []), (reader) =>
 *     reader.read(reader.entry ?? onlyModel(reader.files, ['.safetensors'])),
 *   )
 *   await opened.close()
 *   return { weights: opened.gathered, ...outcomeOf(opened) }
 * }
 * ```
 *
 * @packageDocumentation
 */
export { parseJsonInTurns, parseStrictJson, type JsonBounds } from '../bundle/json.ts'
export { shown, withHint } from '../errors.ts'
export { onlyModel } from '../loading/adapting/only-model.ts'
export {
  outcomeOf,
  runtimeFailed,
  withVerdict,
  type LoadOutcome,
  type RuntimeFailure,
} from '../loading/adapting/outcome.ts'
export { keepRevocable, type Revocable } from '../loading/adapting/revocable.ts'
export { noAttestations } from '../loading/attestations/attestation.ts'
export { installedGuard, type Guard, type Opening } from '../loading/guard.ts'
export type { Gather, ModelReader } from '../loading/model-reader.ts'
export { loadOptions, openOptions } from '../loading/open-options.ts'
export { judgeMemory } from '../loading/operations/judge-memory.ts'
export type { JudgedMemory } from '../loading/operations/judged-memory.ts'
export { tolerate } from '../loading/operations/tolerate.ts'
export type { ToleratedModel } from '../loading/operations/tolerated-model.ts'
export type { IsolationLevel } from '../loading/placing/isolation.ts'
export type { PlacedFiles, PlaceOptions } from '../loading/placing/placed-files.ts'
export { referencedName } from '../manifest/references.ts'
export type { PossibleFormats } from '../policy/matching/match.ts'
export type { ModelFormat } from '../results.ts'
export { isModelSource, modelLocation } from '../source/model-location.ts'
export { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
export type { FileRequest } from '../source/size-limit.ts'
