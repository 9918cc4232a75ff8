/**
 * Collects journals of verdicts, has them witnessed, and answers from them: which services loaded a model, what a signer signed, and what was made from it. Exports and follows them.
 *
 * @packageDocumentation
 */
export { exportJournals, type ExportedJournals, type ExportOptions } from './export/export-journals.ts'
export type { ExportedRecord } from './export/exported-record.ts'
export type { ExportFormat } from './export/formats.ts'
export { followJournals, type FollowOptions } from './following/follow-journals.ts'
export type { Followed } from './following/followed-journal.ts'
export { findIncident, type IncidentOptions } from './incident/find-incident.ts'
export type {
  AffectedModel,
  AffectedService,
  AffectedSigner,
  AskedJournal,
  DerivedModel,
  Incident,
  IncidentQuery,
  Limited,
  LoadCount,
  LoadedNow,
  Refusals,
  Timeline,
} from './incident/incident.ts'
export type { CollectorEvent } from './collecting/serving/events.ts'
export { createCollector, type Collector, type CollectorOptions } from './collecting/serving/collector.ts'
export { pushJournal, type PushEvent, type PushOptions } from './collecting/sending/push-journal.ts'
export type { PushReport } from './collecting/sending/shipment.ts'
export { verifyJournals, type UnreadableJournal, type VerifyJournalsOptions } from './verifying/verify-journals.ts'
export type { WitnessedCheckpoint } from './witnessing/submitting.ts'
export { witnessJournal, type WitnessEvent, type WitnessOptions } from './witnessing/witness-journal.ts'
