/** Pages whose commands are not run yet. Their JavaScript is compiled. */
export const UNCHECKED = [
  'docs/how-to/adapters.md',
  'docs/how-to/advisories.md',
  'docs/how-to/attestations.md',
  'docs/how-to/bundlers.md',
  'docs/how-to/datasets.md',
  'docs/how-to/hubs.md',
  'docs/how-to/journal.md',
  'docs/how-to/monitor.md',
  'docs/how-to/publishing.md',
  'docs/reference/attestation-kinds.md',
  'docs/reference/errors.md',
  'docs/reference/policy.md',
  'docs/explanation/fuzzing.md',
  'docs/explanation/mutation.md',
  'docs/explanation/performance.md',
]
