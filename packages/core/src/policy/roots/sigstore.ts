import * as s from '../../schema/define.ts'
import {
  readSigstoreTrust,
  trustRootPath,
  type SigstoreTrust,
  type TrustRootSource,
} from '../../verification/sigstore/trust.ts'
import { TUF_ROOT_FILE } from '../../verification/tuf/repository.ts'
import type { SmallFile } from '../../source/read-small-file.ts'
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
      s.strictObject({ file: fileSchema.describe('A trusted_root.json, relative to the policy file.') }),
      s.strictObject({
        tufUrl: s
          .string()
          .regex(/^[^?#@]*$/, A_URL)
          .refine(isHttpUrl, A_URL)
          .inJson({ pattern: '^[hH][tT][tT][pP][sS]?://[^\\s?#@]+$' })
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
    const at = ['sigstore', ...(typeof sigstore === 'string' ? [] : ['file' in sigstore ? 'file' : 'tufRoot'])]
    const named = namedFile(source)
    const content = named && (await files.one(at, named.path, (readFile) => readFile(named.path, named.file)))
    const isFile = typeof source !== 'string' && 'file' in source
    if (named && !content) return { kind: 'sigstore', name, isFile }
    // An updated trusted root is a change of the policy, like that of any of its files.
    const cached = isFile ? undefined : trustRootPath(source)
    if (cached !== undefined) await files.track(cached)
    const read = content ? () => Promise.resolve(content) : files.read
    const trust = await files.whenNeeded(at, () => readSigstoreTrust(source, read))
    return { kind: 'sigstore', name, isFile, trust }
  },
  certificates: () => [],
  dangers: () => [],
} satisfies RootKind<Written, SigstoreRoot>

/** The file that the policy names. A root can also be in the user's cache, or in this package. */
function namedFile(source: TrustRootSource): { path: string; file: SmallFile } | undefined {
  if (typeof source === 'string') return undefined
  return 'tufUrl' in source
    ? { path: source.tufRoot, file: TUF_ROOT_FILE }
    : { path: source.file, file: TRUST_CONFIG_FILE }
}

function sourceOf(written: Written['sigstore'], files: RootFiles): TrustRootSource {
  if (typeof written === 'string') return written
  if ('file' in written) return { file: files.path(written.file) }
  return { tufUrl: written.tufUrl, tufRoot: files.path(written.tufRoot) }
}
