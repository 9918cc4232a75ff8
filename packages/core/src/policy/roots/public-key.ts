import { createHash } from 'node:crypto'
import * as s from '../../schema/define.ts'
import { shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { parsePublicKey, PUBLIC_KEY_FILE, type PublicKey } from '../../x509/public-key.ts'
import { lapse } from '../checking/lapse.ts'
import { timeSchema } from '../../schema/time.ts'
import { faultyEnd, fileSchema } from '../schema/text.ts'
import type { Validity } from '../signature-time.ts'
import type { CompiledRootOf, RootKind } from './root.ts'
import type { RootFiles } from './root-files.ts'

/** A key of a trust root, and when it is valid. */
export interface AcceptedKey extends Validity {
  publicKey: PublicKey
  /** Absolute path of the PEM. */
  path: string
}

export interface PublicKeyRoot extends CompiledRootOf<'publicKey'> {
  keys: readonly AcceptedKey[]
}

const keyFileSchema = s
  .strictObject({
    file: fileSchema,
    notBefore: timeSchema.optional().describe('Signatures made before this time are not accepted.'),
    notAfter: timeSchema.optional().describe('Signatures made at this time or later are not accepted.'),
  })
  .withCheck(({ notBefore, notAfter }, report) => {
    const fault = faultyEnd(notBefore, notAfter)
    if (fault) report({ ...fault, path: ['notAfter'] })
  })

const schema = s.strictObject({
  publicKey: s
    .union([fileSchema, keyFileSchema, s.array(s.union([fileSchema, keyFileSchema])).min(1)])
    .describe('PEM files (SPKI) of one signer: the current key, and its predecessors and successors.'),
})

export const publicKeyRoot = {
  kind: 'publicKey',
  what: 'public keys',
  schema,
  isNamed: true,
  certifies: false,
  async read({ publicKey }, name, files) {
    const keys: AcceptedKey[] = []
    for (const [index, entry] of [publicKey].flat().entries()) {
      const key = await readKey(
        ['publicKey', index],
        typeof entry === 'string' ? withoutPrototype({ file: entry }) : entry,
        files,
      )
      if (key) keys.push(key)
    }
    return { kind: 'publicKey', name, keys }
  },
  certificates: () => [],
  /** Warns only if the last key of a signer ends. */
  dangers({ name, keys }, now) {
    const last = Math.max(...keys.map(({ notAfter }) => notAfter))
    return lapse('KEY_LAPSES', `The trust root ${shown(name)} has no valid key`, last, now)
  },
} satisfies RootKind<s.Infer<typeof schema>, PublicKeyRoot>

/** Adds `KEY_INVALID`, and what `readPolicyFile` throws, to the problems. */
async function readKey(
  at: (string | number)[],
  { file, notBefore, notAfter }: Partial<s.Infer<typeof keyFileSchema>> & { file: string },
  files: RootFiles,
): Promise<AcceptedKey | undefined> {
  const path = files.path(file)
  const publicKey = await files.one(at, path, async (readFile) => {
    const pem = await readFile(path, PUBLIC_KEY_FILE)
    const parsed = parsePublicKey(pem.toString('latin1'), path)
    files.revocations.know(parsed.key, createHash('sha256').update(pem).digest('hex'))
    return parsed
  })
  return (
    publicKey && {
      publicKey,
      path,
      notBefore: notBefore === undefined ? -Infinity : Date.parse(notBefore),
      notAfter: notAfter === undefined ? Infinity : Date.parse(notAfter),
    }
  )
}
