import * as s from '../../schema/define.ts'
import {
  readSigstoreTrust,
  trustRootPath,
  type SigstoreTrust,
  type TrustRootSource,
} from '../../verification/sigstore/trust.ts'
import { TRUST_CONFIG_FILE } from '../../verification/sigstore/trust-config.ts'
import { fileSchema } from '../schema/text.ts'
import type { CompiledRootOf, RootKind } from './root.ts'
import type { RootFiles } from './root-files.ts'

export interface SigstoreRoot extends CompiledRootOf<'sigstore'> {
  /** True if a file of the policy describes it; false if the user's cache or this package does. */
  isFile: boolean
  /**
   * The trusted root; absent if its file could not be read.
   *
   * @throws {@link ModelSealError} as `readSigstoreTrust`, with the position in the policy
   */
  trust?: () => Promise<SigstoreTrust>
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

/** For a root that is in the user's cache or in this package. */
const NO_FILE = Buffer.alloc(0)

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
    const at = ['sigstore', ...(typeof sigstore === 'string' ? [] : ['file' in sigstore ? 'file' : 'tufRoot'])]
    const file = typeof source === 'string' || 'tufUrl' in source ? undefined : source.file
    const content = await files.one(at, trustRootPath(source), async (readFile) =>
      file === undefined ? NO_FILE : readFile(file, TRUST_CONFIG_FILE),
    )
    if (!content) return { kind: 'sigstore', name, isFile: true }
    const read = content === NO_FILE ? files.read : () => Promise.resolve(content)
    const trust = await files.whenNeeded(at, () => readSigstoreTrust(source, read))
    return { kind: 'sigstore', name, isFile: file !== undefined, trust }
  },
  certificates: () => [],
  dangers: () => [],
} as const satisfies RootKind<Written, SigstoreRoot>

function sourceOf(written: Written['sigstore'], files: RootFiles): TrustRootSource {
  if (typeof written === 'string') return written
  if ('file' in written) return { file: files.path(written.file) }
  return { tufUrl: written.tufUrl, tufRoot: files.path(written.tufRoot) }
}
