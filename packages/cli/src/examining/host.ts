import type { SerializedError } from '@modelseal/core/errors'
import type { DirectoryFacts, HostFacts, IsolationFacts } from '@modelseal/core/policy'
import { byteCount, counted } from '../output.ts'
import type { Finding } from './findings.ts'

/** What loads find on this machine: the policy, the directories that they write to, and isolation. */

const FROM = { option: '--policy', environment: 'MODELSEAL_POLICY', search: 'found from the working directory' }

export async function policyFindings({ policy }: HostFacts): Promise<Finding[]> {
  if ('problem' in policy) return [problem('policy', policy.problem)]
  const { checkPolicy } = await import('@modelseal/core/policy')
  const { shown } = await import('@modelseal/core/errors')
  const found = `${shown(policy.path)} (${FROM[policy.from]})`
  try {
    const findings = await checkPolicy(policy.path)
    const [error] = findings.filter(({ severity }) => severity === 'error')
    if (error)
      return [{ status: 'problem', subject: 'policy', found: `${found}: ${error.message}`, action: CHECK(policy.path) }]
    const warnings = findings.filter(({ severity }) => severity === 'warning').length
    if (warnings === 0) return [{ status: 'ok', subject: 'policy', found }]
    const risks = `${found}, with ${counted(warnings, 'warning')}`
    return [{ status: 'advice', subject: 'policy', found: risks, action: CHECK(policy.path) }]
  } catch (error) {
    return [await thrown('policy', error)]
  }
}

const CHECK = (path: string) => `Run "modelseal policy check ${path}".`

export async function placeFindings({ cache, temporary }: HostFacts): Promise<Finding[]> {
  const { shown } = await import('@modelseal/core/errors')
  return [
    cache.path === undefined
      ? {
          status: 'advice',
          subject: 'cache directory',
          found: 'none, because this user has no home directory: no trusted root, receipt or feed is kept',
          action: SET_CACHE,
        }
      : directory('cache directory', cache, shown),
    temporary.exists
      ? directory('TMPDIR', temporary, shown)
      : {
          status: 'advice',
          subject: 'TMPDIR',
          found: `${shown(temporary.path ?? '')} does not exist`,
          action: SET_TMPDIR,
        },
  ]
}

const SET_CACHE = 'Set MODELSEAL_CACHE to a directory that this user can create.'

const SET_TMPDIR =
  'Set TMPDIR to a directory with enough room that belongs to this user and that others cannot write to.'

const KEEP_LOCAL = 'Put large models on a file system of this machine if copies take too long or too much room.'

/** Models of this size are common. */
const LITTLE_ROOM = 2_000_000_000

function directory(
  subject: string,
  { path = '', exists, writable, owner, mode, room, problem: fault }: DirectoryFacts,
  shown: (text: string) => string,
): Finding {
  if (fault) return problem(subject, fault)
  if (!writable) {
    const found = `${shown(path)} cannot be ${exists ? 'written to' : 'created'} by this user`
    return { status: 'advice', subject, found, action: subject === 'TMPDIR' ? SET_TMPDIR : SET_CACHE }
  }
  const free = room === undefined ? '' : `, ${byteCount(room)} free`
  const found = exists
    ? `${shown(path)} (user ${owner ?? '?'}, mode ${mode ?? '?'})${free}`
    : `${shown(path)}, created when needed${free}`
  if (room === undefined || room >= LITTLE_ROOM) return { status: 'ok', subject, found }
  return { status: 'advice', subject, found, action: 'Free some space: copies of models and downloads may not fit.' }
}

export function isolationFindings({ isolation: { copy, inPlace } }: HostFacts): Finding[] {
  const memory = `possible, for models of up to ${byteCount(process.availableMemory())}`
  return [
    { status: 'ok', subject: 'isolation memory', found: memory },
    ofLevel('isolation in-place', inPlace, 'advice'),
    ofLevel('isolation copy', copy, 'problem'),
  ]
}

/** @param without what it means if the level is not possible: models can be copied instead of used in place */
function ofLevel(
  subject: string,
  { place = '', notes, problem: fault }: IsolationFacts,
  without: 'advice' | 'problem',
): Finding {
  if (fault) return { ...problem(subject, fault), status: without }
  const found = `possible, through private directories in "${place}"`
  if (notes.length === 0) return { status: 'ok', subject, found }
  const action = notes.some((note) => note.startsWith('Cannot use')) ? SET_TMPDIR : KEEP_LOCAL
  return { status: 'advice', subject, found: `${found}. ${notes.join(' ')}`, action }
}

/** The message of an error may already contain the hint. */
function problem(
  subject: string,
  { code, message, hint = 'See the page of the error code in the documentation.' }: SerializedError,
): Finding {
  return { status: 'problem', subject, found: `${code}: ${message.replace(` ${hint}`, '')}`, action: hint }
}

export async function thrown(subject: string, error: unknown): Promise<Finding> {
  const { ModelSealError } = await import('@modelseal/core/errors')
  if (error instanceof ModelSealError) return problem(subject, error.toJSON())
  throw error
}
