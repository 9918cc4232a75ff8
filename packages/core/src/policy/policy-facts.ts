import type { Revocations } from './revocations/revocations.ts'
import type { CompiledRoot } from './roots/roots.ts'

/** The parts of a policy that decide about signatures. */
export interface PolicyFacts {
  readonly roots: ReadonlyMap<string, CompiledRoot>
  /** Root certificates (DER) of all trusted timestamp authorities. */
  readonly timestampAuthorities: readonly Buffer[]
  readonly revocations: Revocations
}
