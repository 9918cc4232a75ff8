import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'

/** What `docker login` stored for a registry. */
export type Credentials =
  | { readonly username: string; readonly password: string; readonly identityToken?: undefined }
  /** A refresh token in place of a password. */
  | { readonly identityToken: string }

/** The result of a search for credentials. */
export interface FoundCredentials {
  readonly credentials?: Credentials | undefined
  /** Why there are none although the configuration names a place, for the hint of a refusal. */
  readonly trouble?: string | undefined
}

/** Real ones have a few kilobytes. */
const MAX_CONFIG_BYTES = 1024 * 1024
/** A helper may have to wait for the user to unlock a keychain. */
const HELPER_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024
/** Docker Hub's key is older than the rules for keys. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'
/** A helper answers with this name of a user if the secret is an identity token. */
const IDENTITY_TOKEN_USER = '<token>'

/**
 * Finds the credentials that `docker login`, `oras login` or `cosign login` stored for a registry: `credHelpers`, else
 * `credsStore`, else `auths` of docker's `config.json` (`DOCKER_CONFIG`, or `~/.docker`). A helper that fails is no
 * error, because many artifacts are public.
 *
 * @param host with its port
 * @throws {@link ModelSealError} `JSON_INVALID`, `FILE_UNREADABLE`, `FILE_TOO_LARGE` for the configuration
 */
export async function dockerCredentials(host: string, signal: AbortSignal): Promise<FoundCredentials> {
  const config = await dockerConfig()
  const key = host === 'docker.io' ? DOCKER_HUB_KEY : host
  const helper = text(field(field(config, 'credHelpers'), host)) ?? text(field(config, 'credsStore'))
  const fromHelper = helper === undefined ? {} : await askHelper(helper, key, signal)
  if (fromHelper.credentials) return fromHelper
  const stored = storedCredentials(field(config, 'auths'), host, key)
  return stored ? { credentials: stored } : fromHelper
}

async function dockerConfig(): Promise<unknown> {
  const directory = process.env.DOCKER_CONFIG
  const path = join(directory === undefined || directory === '' ? join(homedir(), '.docker') : directory, 'config.json')
  try {
    const content = await readSmallFile(path, { what: WHAT, maxBytes: MAX_CONFIG_BYTES, hint: HINT })
    return parsedConfig(content.toString('utf8'), path)
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}

const WHAT = 'configuration of docker'
const HINT = 'Repair or remove the file, or set DOCKER_CONFIG to a directory with another config.json.'

function parsedConfig(content: string, file: string): unknown {
  try {
    return JSON.parse(content) as unknown
  } catch {
    // The cause would repeat the text, which contains secrets.
    throw new ModelSealError('JSON_INVALID', `Cannot read the ${WHAT} ${shown(file)}: it is not JSON.`, {
      file,
      hint: HINT,
    })
  }
}

/** Docker compares keys without scheme and path, so `https://host/v1/` is the same as `host`. */
function storedCredentials(auths: unknown, host: string, key: string): Credentials | undefined {
  const plain = (name: string) => name.replace(/^https?:\/\//, '').replace(/\/.*$/s, '')
  const names = typeof auths === 'object' && auths !== null ? Object.keys(auths) : []
  const name = [key, host].find((each) => names.includes(each)) ?? names.find((each) => plain(each) === plain(key))
  const entry = name === undefined ? undefined : field(auths, name)
  const identityToken = text(field(entry, 'identitytoken'))
  if (identityToken !== undefined) return { identityToken }
  const [, username, password] =
    /^([^:]+):(.*)$/s.exec(Buffer.from(text(field(entry, 'auth')) ?? '', 'base64').toString('utf8')) ?? []
  const plainUser = text(field(entry, 'username'))
  if (username !== undefined && password !== undefined) return { username, password: password.replace(/\0+$/, '') }
  return plainUser === undefined ? undefined : { username: plainUser, password: text(field(entry, 'password')) ?? '' }
}

/** Runs `docker-credential-NAME get`, without a shell. Its output and its errors may contain secrets and are never shown. */
async function askHelper(name: string, key: string, signal: AbortSignal): Promise<FoundCredentials> {
  // Also keeps the name from leading to a program outside PATH.
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name))
    return { trouble: `docker's configuration names the helper ${shown(name)}, which is not a valid name.` }
  const program = `docker-credential-${name}`
  const answer = await output(program, key, signal)
  if (typeof answer === 'object') return answer
  const [username, secret] = helperAnswer(answer)
  if (username === undefined || secret === undefined) return { trouble: `${program} returned an unusable answer.` }
  return {
    credentials: username === IDENTITY_TOKEN_USER ? { identityToken: secret } : { username, password: secret },
  }
}

function output(program: string, key: string, signal: AbortSignal): Promise<string | FoundCredentials> {
  const options = {
    signal,
    timeout: HELPER_MS,
    maxBuffer: MAX_ANSWER_BYTES,
    windowsHide: true,
    killSignal: 'SIGKILL',
  } as const
  return new Promise((resolve) => {
    const child = execFile(program, ['get'], options, (error, stdout) => {
      if (!error) resolve(stdout)
      // The protocol of docker-credential-helpers: an exit status, and this sentence on the standard output.
      else if (/credentials not found/i.test(stdout)) resolve({})
      else if (error.code === 'ENOENT')
        resolve({ trouble: `${program}, which docker's configuration names, is not installed.` })
      else resolve({ trouble: `${program} failed.` })
    })
    // It may end before it has read the key.
    child.stdin?.on('error', () => {}).end(key)
  })
}

function helperAnswer(answer: string): [username: string | undefined, secret: string | undefined] {
  try {
    const parsed: unknown = JSON.parse(answer)
    return [text(field(parsed, 'Username')), text(field(parsed, 'Secret'))]
  } catch {
    return [undefined, undefined]
  }
}

/** An own property. */
function field(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && Object.hasOwn(of, name)
    ? (of as Record<string, unknown>)[name]
    : undefined
}

function text(given: unknown): string | undefined {
  return typeof given === 'string' && given !== '' ? given : undefined
}
