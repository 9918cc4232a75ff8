import { causeOf, isError } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { changedFile, pushConflict, pushRefused } from '@modelseal/core/publishing'

/** What was attempted. */
interface Attempt {
  readonly place: string
  readonly what: string
  /** The commit on which it was to be based. */
  readonly parent?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Precondition Failed: the parent is no longer the head of the branch. */
const CONFLICT = 412
const MAX_CAUSES = 10

/** The typed error for a failure of the client of the hub. Its messages contain addresses with signatures, so they are not shown. */
export function typedFailure(error: unknown, { place, what, parent, signal }: Attempt): ModelSealError {
  const causes = chainOf(error)
  const own = causes.find((each) => each instanceof ModelSealError)
  if (own) return own
  if (signal?.aborted) return new ModelSealError('ABORTED', 'The caller aborted the push.', { cause: signal.reason })
  if (causes.some(({ name }) => name === 'NotReadableError')) return changedFile(place, 'another size or time')
  const status = causes.map((each) => statusOf(each)).find((each) => each !== undefined)
  if (status === CONFLICT) return pushConflict(place, parent ?? 'the same commit', undefined)
  const said = causes.map((each) => saidIn(each)).find((each) => each !== undefined)
  const found = [status === undefined ? undefined : `status ${status}`, said && shown(said)].filter((each) => each)
  return pushRefused(place, what, {
    found: found.length > 0 ? found.join(', ') : 'no answer',
    hint:
      status === 401 || status === 403
        ? 'Use a token that may write to the repository (HF_TOKEN).'
        : 'Nothing was committed. Check the network and HF_ENDPOINT, and push again.',
  })
}

function chainOf(error: unknown): Error[] {
  const chain: Error[] = []
  for (let next = error; isError(next) && chain.length < MAX_CAUSES; next = causeOf(next)) chain.push(next)
  return chain
}

function statusOf(error: Error): number | undefined {
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined
}

/** What the hub says, not what the client makes of it. */
function saidIn(error: Error): string | undefined {
  const data: unknown = 'data' in error ? error.data : undefined
  const said: unknown = typeof data === 'object' && data !== null && 'error' in data ? data.error : undefined
  return typeof said === 'string' ? said.slice(0, 300).replaceAll(/https?:\/\/\S+/g, '(address)') : undefined
}
