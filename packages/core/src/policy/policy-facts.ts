import type { Revocations } from './revocations/revocations.ts'
import type { CompiledRoot } from './roots/roots.ts'

/** What of a policy decides about signatures. */
export interface PolicyFacts {
  readonly roots: ReadonlyMap<string, CompiledRoot>
  /** Whose time is trusted: DER of roots, of all trust roots that are timestamp authorities. */
  readonly timestampAuthorities: readonly Buffer[]
  readonly revocations: Revocations
}
