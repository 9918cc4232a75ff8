import { homedir } from 'node:os'
import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError } from '@modelseal/core/errors'
import { parse } from 'ini'
import type { Credentials } from './credentials.ts'

/** A profile of the shared files of AWS: `~/.aws/config` and `~/.aws/credentials`. */
export interface Profile {
  readonly name: string
  readonly values: Readonly<Record<string, string | undefined>>
  /** Those that it states. */
  readonly credentials: Credentials | undefined
  /** It was named, and no file has it. */
  readonly isMissing: boolean
  /** It states only one of key and secret. */
  readonly isPartial: boolean
  /** What only the provider chain of AWS can do for it, for messages. */
  readonly needsChain: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const MAX_BYTES = 1024 * 1024
/** Ways to get credentials that the package leaves to the clients of AWS. */
const CHAIN: Readonly<Record<string, string>> = {
  role_arn: 'a role ("role_arn")',
  sso_session: 'single sign-on ("sso_session")',
  sso_start_url: 'single sign-on ("sso_start_url")',
  credential_process: 'a process ("credential_process")',
}

/**
 * The profile that `AWS_PROFILE` names, by default `default`.
 *
 * @throws {@link ModelSealError} `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `FILE_SPECIAL`
 */
export async function profileOf(environment: Environment): Promise<Profile> {
  const named = environment.AWS_PROFILE || environment.AWS_DEFAULT_PROFILE
  const name = named || 'default'
  const directory = join(homedir(), '.aws')
  const config = await fileOf(environment.AWS_CONFIG_FILE || join(directory, 'config'))
  const secrets = await fileOf(environment.AWS_SHARED_CREDENTIALS_FILE || join(directory, 'credentials'))
  const settings = section(config, `profile ${name}`) ?? (name === 'default' ? section(config, name) : undefined)
  const stated = section(secrets, name)
  const values = { ...settings, ...stated }
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey, aws_session_token } = values
  const needs = Object.keys(CHAIN).find((key) => values[key])
  return {
    name,
    values,
    credentials:
      accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken: aws_session_token } : undefined,
    isMissing: Boolean(named) && settings === undefined && stated === undefined,
    isPartial: Boolean(accessKeyId) !== Boolean(secretAccessKey),
    needsChain: needs === undefined ? undefined : CHAIN[needs],
  }
}

async function fileOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const bytes = await readSmallFile(path, { what: 'shared configuration of AWS', maxBytes: MAX_BYTES })
    return parse(bytes.toString('utf8'))
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return {}
    throw error
  }
}

/** The parser takes a dot in the name of a section for a section in a section. */
function section(
  file: Readonly<Record<string, unknown>>,
  name: string,
): Readonly<Record<string, string | undefined>> | undefined {
  const found = name
    .split('.')
    .reduce<unknown>(
      (within, part) => (isRecord(within) && Object.hasOwn(within, part) ? within[part] : undefined),
      file,
    )
  if (!isRecord(found)) return undefined
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
