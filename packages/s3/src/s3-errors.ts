import { ModelSealError, shown } from '@modelseal/core/errors'
import type { HttpAnswer } from '@modelseal/core/http'
import type { StatedError } from './s3-answer.ts'

/** What was requested, for messages. */
interface Requested {
  /** `file "weights.bin"`, for example. */
  readonly what: string
  /** `s3://…`. */
  readonly place: string
  readonly isSending: boolean
  /** Whether requests are signed. */
  readonly isSigned: boolean
}

/** The refusal of an object that is another one than before. */
export function changedObject(what: string, place: string, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'FILE_CHANGED',
    `Cannot fetch the ${what}: the object changed while the model was loaded.`,
    {
      file: place,
      expected: shown(expected),
      found: shown(found),
      hint: 'Load the model again once it has been uploaded completely. Upload new versions of a model under another prefix.',
    },
  )
}

/** The refusal to replace what somebody else has written meanwhile. */
function overtaken(what: string, place: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `Cannot send the ${what}: somebody else has written it meanwhile.`, {
    file: place,
    hint: 'See who else writes to this prefix, and try again.',
  })
}

/** The refusal of what the store sent in place of what was requested. */
export function otherContent(what: string, expected: string, found: string, verb = 'fetch'): ModelSealError {
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot ${verb} the ${what}: the object store sent an unexpected response.`,
    {
      expected,
      found,
      hint: 'Try again. If it fails again, ask the operator of the object store.',
    },
  )
}

/** The error for an answer that is no success. */
export function refusedBy({ status }: HttpAnswer, { code }: StatedError, requested: Requested): ModelSealError {
  const { what, place, isSending } = requested
  if (code === 'NoSuchBucket') return notFound(place, 'the object store has no such bucket')
  if (status === 412 && isSending) return overtaken(what, place)
  if (status === 412) return changedObject(what, place, 'the object that was listed', 'another one')
  const [why, hint] = (code === undefined ? undefined : WHYS[code]) ?? byStatus(status, requested)
  return new ModelSealError('HTTP_RESPONSE', `Cannot ${isSending ? 'send' : 'fetch'} the ${what}: ${why}.`, {
    file: place,
    found: `status ${status}${code === undefined ? '' : ` (${code})`}`,
    hint,
  })
}

export function notFound(place: string, why: string): ModelSealError {
  return new ModelSealError('MODEL_NOT_FOUND', `Cannot find ${shown(place)}: ${why}.`, {
    file: place,
    hint: 'Check the URL, and AWS_ENDPOINT_URL_S3 if it is set. Keys are case-sensitive.',
  })
}

type Why = readonly [why: string, hint: string]

const CHECK_KEYS = 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in AWS_PROFILE.'
const WHYS: Readonly<Record<string, Why | undefined>> = {
  InvalidAccessKeyId: ['the object store does not know the access key', CHECK_KEYS],
  SignatureDoesNotMatch: ['the object store refuses the signature of the request', CHECK_KEYS],
  ExpiredToken: ['the credentials have expired', 'Log in again.'],
  RequestTimeTooSkewed: ['the clock of this machine is wrong', 'Set the clock.'],
  InvalidObjectState: ['the object is in an archive', 'Restore it first.'],
  SlowDown: ['the object store asks for fewer requests', 'Try again later.'],
}

function byStatus(status: number, { isSigned, isSending }: Requested): Why {
  if (status !== 403 && status !== 401)
    return [
      'unexpected response from the object store',
      'Check the URL of the model, and AWS_ENDPOINT_URL_S3 if it is set.',
    ]
  const rights = isSending ? 's3:PutObject, s3:GetObject and s3:ListBucket' : 's3:ListBucket and s3:GetObject'
  const hint = isSigned
    ? `Use credentials with the permissions ${rights}.`
    : `No credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to credentials with the permissions ${rights}.`
  return ['the object store denies access', hint]
}
