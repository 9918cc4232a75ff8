import * as s from '../../schema/define.ts'
import {
  readSigstoreTrust,
  trustRootPath,
  type SigstoreTrust,
  type TrustRootSource,
} from '../../verification/sigstore/trust.ts'
import { fileSchema } from '../schema/text.ts'
import type { CompiledRootOf, RootKind } from './root.ts'
import type { RootFiles } from './root-files.ts'

export interface SigstoreRoot extends CompiledRootOf<'sigstore'> {
  /** Absent if it could not be read. */
  trust?: SigstoreTrust | undefined
}

const A_URL = 'expected an http or https URL without user, query and fragment'
const isHttpUrl = (text: string) => /^https?:\/\/\S+$/i.test(text) && URL.canParse(text)

const schema = s.strictObject({
  sigstore: s
    .union([
      s.oneOf(['public-good', 'staging']),
      s.strictObject({ file: fileSchema }),
      s.strictObject({
        tufUrl: s
          .string()
          .regex(/^[^?#@]*$/, A_URL)
          .refine(isHttpUrl, A_URL)
          .describe('URL of the TUF repository.'),
        tufRoot: fileSchema.describe('Its root.json, against which everything fetched is verified.'),
      }),
    ])
    .describe('A Sigstore instance, the file of its trusted root, or the TUF repository that distributes it.'),
})

type Written = s.Infer<typeof schema>

export const sigstoreRoot = {
  kind: 'sigstore',
  what: 'sigstore',
  schema,
  isNamed: true,
  certifies: true,
  async read({ sigstore }, name, files) {
    const source = sourceOf(sigstore, files)
    if (typeof source !== 'string' && 'tufRoot' in source) await files.track(source.tufRoot)
    // An updated trusted root is a change of the policy, like that of any of its files.
    const at = typeof sigstore === 'string' ? [] : ['file' in sigstore ? 'file' : 'tufRoot']
    const trust = await files.one(['sigstore', ...at], trustRootPath(source), (readFile) =>
      readSigstoreTrust(source, readFile),
    )
    return { kind: 'sigstore', name, trust }
  },
  certificates: () => [],
  dangers: () => [],
} as const satisfies RootKind<Written, SigstoreRoot>

function sourceOf(written: Written['sigstore'], files: RootFiles): TrustRootSource {
  if (typeof written === 'string') return written
  if ('file' in written) return { file: files.path(written.file) }
  return { tufUrl: written.tufUrl, tufRoot: files.path(written.tufRoot) }
}
