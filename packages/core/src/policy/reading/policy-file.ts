import { variable } from '../../environment.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { SmallFile } from '../../source/read-small-file.ts'
import { readTrustedFile } from '../../source/trusted/trusted-file.ts'

/** The environment variable that names, by its user id, one further user whose policies count. */
const OWNER_VARIABLE = 'MODELSEAL_POLICY_OWNER'

/**
 * Reads a file of a policy: the policy itself, and whatever it names. Nobody but root, this user and the one that
 * `MODELSEAL_POLICY_OWNER` names can have written it, or can put another in its place.
 *
 * @param path absolute
 * @throws {@link ModelSealError} `POLICY_UNTRUSTED`, `INVALID_ARGUMENT`, and as `readSmallFile`
 */
export async function readPolicyFile(path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> {
  const trust = { code: 'POLICY_UNTRUSTED', furtherOwner: furtherOwner(), ownerVariable: OWNER_VARIABLE } as const
  return readTrustedFile(path, file, trust)
}

/** The largest user id; -1 stands for none. */
const MAX_UID = 4_294_967_294

function furtherOwner(): bigint | undefined {
  const text = variable(OWNER_VARIABLE)
  if (text === undefined) return undefined
  if (/^(0|[1-9]\d{0,9})$/.test(text) && Number(text) <= MAX_UID) return BigInt(text)
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for the environment variable ${OWNER_VARIABLE}.`, {
    expected: 'a user id, such as 1000',
    found: shown(text),
    hint: 'Run "id -u NAME" to get the id of a user.',
  })
}
