import { homedir } from 'node:os'
import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isLoopback } from '@modelseal/core/http'

/** Where the hub is and how it is asked, as for the Python library `huggingface_hub`. */
export interface HubSettings {
  /** Without a slash at the end. May have a path, as mirrors do. */
  readonly endpoint: URL
  readonly token: string | undefined
  readonly offline: boolean
  /** Directory of the cache that Python uses. */
  readonly cache: string
  /** False if the cache is neither read nor written, unless `offline`. */
  readonly isCaching: boolean
}

/** What a program sets instead of environment variables. */
export interface HuggingFaceOptions {
  /** URL of the hub. Default: `HF_ENDPOINT`, or `https://huggingface.co`. */
  readonly endpoint?: string | undefined
  /** Access token, or `false` to send none. Default: `HF_TOKEN`, or the file that `hf auth login` writes. */
  readonly token?: string | false | undefined
  /** True to make no request and load from the cache. Default: `HF_HUB_OFFLINE`. */
  readonly offline?: boolean | undefined
  /** `false`: the cache (`HF_HUB_CACHE`) is neither read nor written. */
  readonly cache?: false | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** Tokens have some forty characters. */
const MAX_TOKEN_BYTES = 4_096
/** Of the Python library, of its earlier versions, and of Transformers.js. */
const TOKENS = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_ACCESS_TOKEN'] as const
const TRUE: ReadonlySet<string> = new Set(['1', 'ON', 'YES', 'TRUE'])

/**
 * Reads the settings, for one load.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `FILE_SPECIAL` for the file of
 * the token
 */
export async function hubSettings(options: HuggingFaceOptions, environment: Environment): Promise<HubSettings> {
  const endpoint = checkedEndpoint(options.endpoint ?? (environment.HF_ENDPOINT || 'https://huggingface.co'))
  const home = homeOf(environment)
  const token = await tokenOf(options, environment, home)
  // A token must not cross the network in the clear.
  if (token !== undefined && endpoint.protocol === 'http:' && !isLoopback(endpoint.hostname))
    throw new ModelSealError('INVALID_ARGUMENT', `Cannot send the access token to the hub ${shown(endpoint.origin)}.`, {
      expected: 'an https URL',
      found: 'http',
      hint: 'Use https in HF_ENDPOINT, or set HF_HUB_DISABLE_IMPLICIT_TOKEN=1 and no HF_TOKEN.',
    })
  const cache = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE || join(home, 'hub')
  const offline = options.offline ?? (isTrue(environment.HF_HUB_OFFLINE) || isTrue(environment.TRANSFORMERS_OFFLINE))
  return { endpoint, token, offline, cache: expanded(cache), isCaching: options.cache !== false }
}

/** `HF_HOME`, by default in the cache of the user. */
function homeOf({ HF_HOME, XDG_CACHE_HOME }: Environment): string {
  return expanded(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'))
}

async function tokenOf(
  options: HuggingFaceOptions,
  environment: Environment,
  home: string,
): Promise<string | undefined> {
  if (options.token === false) return undefined
  if (options.token !== undefined) return checkedToken(options.token, 'the option "token"')
  const { HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN } = environment
  const name = TOKENS.find((variable) => environment[variable])
  if (isTrue(HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined
  if (name !== undefined) return checkedToken(environment[name], name)
  const path = expanded(HF_TOKEN_PATH || join(home, 'token'))
  const text = await textOf(path)
  return text === undefined ? undefined : checkedToken(text, shown(path))
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path, { what: 'access token of the hub', maxBytes: MAX_TOKEN_BYTES })).toString('utf8')
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}

/** @returns undefined if there is none, as in Python */
function checkedToken(given: unknown, where: string): string | undefined {
  const token = typeof given === 'string' ? given.replaceAll(/[\r\n]/g, '').trim() : ' '
  if (token === '') return undefined
  if (/^[\x21-\x7e]+$/.test(token)) return token
  // The value is not shown, because it may be part of a secret.
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid access token of the hub in ${where}.`, {
    expected: 'printable ASCII characters without spaces, such as hf_…',
    hint: 'Create a token at https://huggingface.co/settings/tokens, or run "hf auth login".',
  })
}

function checkedEndpoint(given: unknown): URL {
  const url = typeof given === 'string' ? URL.parse(given.replace(/\/+$/, '')) : null
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url && isPlain && /^https?:$/.test(url.protocol)) return url
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid URL of the hub (HF_ENDPOINT).', {
    expected: 'an https URL without credentials and query, such as https://huggingface.co',
    found: url ? shown(url.origin) : 'something else',
  })
}

function expanded(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function isTrue(value: string | undefined): boolean {
  return TRUE.has((value ?? '').toUpperCase())
}
