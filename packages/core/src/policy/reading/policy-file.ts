import { variable } from '../../environment.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { SmallFile } from '../../source/read-small-file.ts'
import type { Trust } from '../../source/trusted/untrusted.ts'
import { readTrustedFile, trustedState, type FileRead } from '../../source/trusted/trusted-file.ts'

/** The environment variable with the user id of one further user whose policies are trusted. */
const OWNER_VARIABLE = 'MODELSEAL_POLICY_OWNER'

/**
 * Reads a policy or a file that it names. Refuses one that anybody other than root, this user and the one in
 * `MODELSEAL_POLICY_OWNER` could have written or could replace.
 *
 * @param path absolute
 * @param read receives the state of the file
 * @throws {@link ModelSealError} `POLICY_UNTRUSTED`, `INVALID_ARGUMENT`, and as `readSmallFile`
 */
export async function readPolicyFile(
  path: string,
  file: SmallFile,
  read?: (state: FileRead) => void,
): Promise<Buffer<ArrayBuffer>> {
  return readTrustedFile(path, file, policyTrust(), read)
}

/**
 * Checks again that nobody else could have written a file of a policy or could replace it.
 *
 * @returns its state, see `trustedState`; undefined if reading it would fail
 */
export function policyFileState(path: string): string | undefined {
  try {
    return trustedState(path, { what: 'file of the trust policy', maxBytes: 0 }, policyTrust())
  } catch {
    return undefined
  }
}

function policyTrust(): Trust {
  return { code: 'POLICY_UNTRUSTED', furtherOwner: furtherOwner(), ownerVariable: OWNER_VARIABLE }
}

/** The largest user id; the next one, -1, means none. */
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
