// Attacks that take long however few cases they try: bundles as large as they may be, sparse files of gigabytes, and
// processes without descriptors. npm run test:attacks runs them, and npm test does not.
export const LONG_ATTACKS = ['unverified-input', 'sparse-files', 'failures'].map(
  (name) => `test/attacks/${name}.test.ts`,
)
