/**
 * Watches transparency logs for signatures in the name of an identity.
 *
 * @example
 * ```ts
 * import { monitorLog, saveCheckpoint } from '@modelseal/core/monitor'
 *
 * const result = await monitorLog({ identities: ['release@models.example'], checkpoint: 'log.checkpoint' })
 * for (const { index, identity, certificate } of result.found) console.log(index, identity, certificate.notBefore)
 * await saveCheckpoint('log.checkpoint', result.checkpoint)
 * ```
 *
 * @packageDocumentation
 */
export type { LogCheckpoint } from '../monitoring/log-checkpoint.ts'
export { monitorLog, type FoundEntry, type MonitorOptions, type MonitorResult } from '../monitoring/monitor-log.ts'
export { saveCheckpoint } from '../monitoring/saved-checkpoint.ts'
export type { TrustRootSource } from '../verification/sigstore/trust.ts'
export type { TufInstance, TufSource } from '../verification/tuf/repository.ts'
