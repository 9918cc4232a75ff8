/**
 * Answers from journals of verdicts: which services loaded a model, what a signer signed, and what was made from it.
 *
 * @packageDocumentation
 */
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
