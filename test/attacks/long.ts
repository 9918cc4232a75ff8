// Attacks that take long however few cases they try: bundles, statements and policies as large as they may be, sparse
// files of gigabytes, processes without descriptors, files that are swapped under ONNX Runtime, and every byte of a
// bundle changed. npm run test:attacks runs them, and npm test does not.
export const LONG_ATTACKS = [
  'test/attacks/unverified-input.test.ts',
  'test/attacks/sparse-files.test.ts',
  'test/attacks/failures.test.ts',
  'test/attacks/hostile-policies.test.ts',
  'test/attacks/swapping-onnx.test.ts',
  'test/hostile.test.ts',
  'test/mutations.test.ts',
]
