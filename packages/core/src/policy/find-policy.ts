import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { absolutePath, environment, workingDirectoryMissing } from '../environment.ts'
import { ModelSealError, shown } from '../errors.ts'

const NAMES = ['modelseal.policy.yaml', 'modelseal.policy.yml', 'modelseal.policy.json']

/**
 * Finds the policy file: the given one, else `MODELSEAL_POLICY`, else the nearest
 * `modelseal.policy.{yaml,yml,json}` from the working directory upward. The environment and the working directory
 * count as they are at the call, or as they were fixed: see {@link environment}.
 *
 * @returns an absolute path
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`; `POLICY_INVALID` where one directory has two
 */
export async function findPolicy(given: string | undefined): Promise<string> {
  // An empty path is a mistake; an empty variable is an unset one.
  if (given !== undefined) return absolutePath(given)
  const { variables, directory: start } = environment()
  if (variables.MODELSEAL_POLICY !== undefined) return variables.MODELSEAL_POLICY
  if (start === undefined) throw workingDirectoryMissing('the trust policy')
  for (let directory = start; ; directory = dirname(directory)) {
    const found = await policiesIn(directory)
    if (found.length > 1) {
      throw new ModelSealError('POLICY_INVALID', `The directory ${shown(directory)} has more than one trust policy.`, {
        file: directory,
        found: found.join(' and '),
        hint: 'Keep one of them, or name the one that counts.',
      })
    }
    if (found[0] !== undefined) return join(directory, found[0])
    if (dirname(directory) === directory) break
  }
  throw new ModelSealError('POLICY_NOT_FOUND', 'No trust policy was found, so no model is accepted.', {
    hint: `Give the option "policy", set MODELSEAL_POLICY, or put ${NAMES[0]} into the working directory or one above it.`,
  })
}

async function policiesIn(directory: string): Promise<string[]> {
  const found = await Promise.all(
    NAMES.map((name) =>
      access(join(directory, name)).then(
        () => [name],
        () => [],
      ),
    ),
  )
  return found.flat()
}
