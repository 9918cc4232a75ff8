import { lstatSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { environment, type Environment } from '../environment.ts'
import { workingDirectoryMissing } from '../absolute-path.ts'
import { ModelSealError, shown } from '../errors.ts'
import { localPath } from '../kinds.ts'
import { errno, unreadable } from '../source/file-errors.ts'

const NAMES = ['modelseal.policy.yaml', 'modelseal.policy.yml', 'modelseal.policy.json']

/**
 * Finds the policy file: the given one, else `MODELSEAL_POLICY`, else the nearest
 * `modelseal.policy.{yaml,yml,json}` from the working directory upward, as far as the home directory, the root of a
 * git repository or that of a file system. Whatever has one of these names is the policy: if it cannot be read, or another
 * user put it there, reading it fails; the search never skips it. The environment and the working directory are those at
 * the time of the call, unless they were fixed: see {@link environment}.
 *
 * @returns an absolute path
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`; `FILE_UNREADABLE` if a directory cannot be
 * searched; `POLICY_INVALID` if a directory has two policies
 */
// eslint-disable-next-line @typescript-eslint/require-await -- the working directory may change as soon as this returns
export async function findPolicy(given: string | URL | undefined): Promise<string> {
  // An empty path is a mistake; an empty variable is an unset one.
  if (given !== undefined) return localPath(given, 'policy') as string
  const current = environment()
  const { variables, policy } = current
  if (variables.MODELSEAL_POLICY !== undefined) return variables.MODELSEAL_POLICY
  if (typeof policy === 'string') return policy
  const found = search(current)
  // A file that appeared since then is not trusted: the program itself may have written it.
  if (policy === null) throw foundTooLate(found)
  return found
}

/**
 * The search for a process that fixes its environment: files that appear in the directories later are not used.
 *
 * @returns undefined if `MODELSEAL_POLICY` names the policy; null if there is no usable policy: loads then fail and say why
 */
export function policyAtStart(environment: Environment): string | null | undefined {
  if (environment.variables.MODELSEAL_POLICY !== undefined) return undefined
  try {
    return search(environment)
  } catch (error) {
    if (error instanceof ModelSealError) return null
    throw error
  }
}

function search({ directory, home, incomplete }: Environment): string {
  if (incomplete) throw variablesUnknown()
  if (directory === undefined) throw workingDirectoryMissing('the trust policy')
  return nearestPolicy(directory, home)
}

function nearestPolicy(start: string, homeDirectory: string | undefined): string {
  const home = homeDirectory === undefined ? undefined : placeOf(homeDirectory)
  for (let directory = start; ; directory = dirname(directory)) {
    const found = NAMES.filter((name) => exists(join(directory, name)))
    if (found.length > 1) {
      throw new ModelSealError('POLICY_INVALID', `The directory ${shown(directory)} has more than one trust policy.`, {
        file: directory,
        found: found.join(' and '),
        hint: 'Keep one of them, or name the one to use.',
      })
    }
    if (found[0] !== undefined) return join(directory, found[0])
    const end = endOfSearch(directory, home)
    if (end !== undefined) throw notFound(start, directory, end)
  }
}

/** Why the search stops at this directory, as a phrase; undefined if it continues. */
function endOfSearch(directory: string, home: Place | undefined): string | undefined {
  const above = dirname(directory)
  if (above === directory) return 'the root'
  const { dev, ino } = placeAt(directory)
  if (dev === home?.dev && ino === home.ino) return 'the home directory'
  // In a worktree or submodule, it is a file.
  if (exists(join(directory, '.git'))) return 'the root of a git repository'
  return placeAt(above).dev === dev ? undefined : 'the root of a file system'
}

/** Only ENOENT proves that a file does not exist. */
function exists(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch (error) {
    if (errno(error) === 'ENOENT') return false
    throw unreadable(path, 'trust policy', error)
  }
}

interface Place {
  dev: bigint
  ino: bigint
}

function placeAt(directory: string): Place {
  try {
    return lstatSync(directory, { bigint: true })
  } catch (error) {
    throw unreadable(directory, 'directory', error)
  }
}

/** Undefined if it does not exist or cannot be examined. */
function placeOf(path: string): Place | undefined {
  try {
    return statSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

function notFound(start: string, end: string, why: string): ModelSealError {
  const hint = `Use the option "policy" (on the command line, --policy), set MODELSEAL_POLICY, or put ${NAMES[0]} in the working directory or one above it.`
  return new ModelSealError('POLICY_NOT_FOUND', 'No trust policy was found, so no model is accepted.', {
    found: start === end ? `none in ${shown(end)}, ${why}` : `none from ${shown(start)} up to ${shown(end)}, ${why}`,
    hint,
  })
}

function variablesUnknown(): ModelSealError {
  return new ModelSealError('POLICY_NOT_FOUND', 'Cannot search for a trust policy in this worker thread.', {
    expected: 'MODELSEAL_POLICY in the environment of the thread',
    found: 'a thread with its own environment, which cannot see that of the process',
    hint: 'Import "@modelseal/core" in the main thread before it starts the worker, or set the option "policy".',
  })
}

function foundTooLate(file: string): ModelSealError {
  return new ModelSealError('POLICY_NOT_FOUND', 'No trust policy was found when the process started.', {
    file,
    expected: 'a policy that exists before the process starts',
    found: `${shown(file)}, which appeared later`,
    hint: 'If the file is meant to be the policy, restart the process.',
  })
}
