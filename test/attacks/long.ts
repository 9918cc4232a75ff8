// Attacks that take long however few cases they try: bundles and policies as large as they may be, sparse files of
// gigabytes, processes without descriptors, and files that are swapped under ONNX Runtime. npm run test:attacks runs them, and npm test does not.
export const LONG_ATTACKS = ['unverified-input', 'sparse-files', 'failures', 'hostile-policies', 'swapping-onnx'].map(
  (name) => `test/attacks/${name}.test.ts`,
)
