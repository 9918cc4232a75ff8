/**
 * Signs and verifies catalogues of models. Other machines hash the files: what they report is believed if one of the known workers has authenticated
 * it. Signing, and comparing digests with what is signed, stay with the coordinator.
 *
 * @packageDocumentation
 */
export type { ModelOutcome, FleetOptions, FleetRun } from './coordinator/fleet.ts'
export type { FleetCounts, RejectedResult } from './coordinator/fleet-hashing.ts'
export { signCatalogue, type CatalogueSigning, type SignCatalogueOptions } from './coordinator/sign-catalogue.ts'
export { verifyCatalogue, type CatalogueVerdict, type VerifyCatalogueOptions } from './coordinator/verify-catalogue.ts'
export { planCatalogue, type ModelPlan, type PlanOptions } from './coordinator/plan-catalogue.ts'
export { newWorkerKey } from './results/worker-secrets.ts'
export { fleetStatus, type FleetStatus } from './queue/redis/fleet-status.ts'
export type { ModelProgress, RunProgress } from './queue/work-queue.ts'
export { runWorker, type WorkerOptions } from './queue/redis/run-worker.ts'
export { serveFleetMetrics, type ServedMetrics } from './telemetry/serve-metrics.ts'
