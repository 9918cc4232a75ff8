// Tests that take long even with few cases: bundles, statements and policies as large as they may be, files of
// gigabytes, processes without descriptors, threads that are kept busy, files that are swapped during a load, every byte
// of a bundle changed, hundreds of loads in a row, many processes, threads and kinds of values, and the command line and the
// adapters with every method and server.
// npm run test:attacks runs them, and npm test does not.
export const LONG_TESTS = [
  'test/attacks/unverified-input.test.ts',
  'test/attacks/sparse-files.test.ts',
  'test/attacks/failures.test.ts',
  'test/attacks/hostile-policies.test.ts',
  'test/attacks/swapping.test.ts',
  'test/attacks/swapping-onnx.test.ts',
  'test/attacks/flipped-mapping.test.ts',
  'test/attacks/bundled-runtimes.test.ts',
  'test/attacks/environment.test.ts',
  'test/attacks/kinds.test.ts',
  'test/attacks/certificate-cost.test.ts',
  'test/attacks/starved-pool.test.ts',
  'test/large-models.test.ts',
  'test/memory.test.ts',
  'test/hostile.test.ts',
  'test/mutations.test.ts',
  'test/cli/certificates.test.ts',
  'test/cli/keyless.test.ts',
  'test/cli/policy.test.ts',
  'test/cli/program.test.ts',
  'test/cli/pull.test.ts',
  'test/cli/receipts.test.ts',
  'test/attacks/places.test.ts',
  'test/onnx-isolation.test.ts',
  'test/realms.test.ts',
  'test/cli/hashing.test.ts',
  'test/load-tfjs-http.test.ts',
  'test/register-adapters.test.ts',
]
