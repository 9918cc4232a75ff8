import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Surroundings } from './credentials.ts'

const PACKAGE = '@aws-sdk/credential-provider-node'

interface ChainPackage {
  defaultProvider(init: { profile: string; clientConfig: { region: string } }): () => Promise<unknown>
}

/** Variables each of which says that there are credentials. */
const NAMING = [
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
] as const
/** What the chain says if nothing provides credentials. */
const NONE = 'Could not load credentials from any providers'

/**
 * The provider chain of AWS; undefined if its package is not installed. Hidden from bundlers.
 *
 * @returns a function that returns credentials, or undefined if there are none, and throws `CREDENTIALS_UNAVAILABLE`
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE` if the package cannot be loaded
 */
export function providerChain({ environment, profile, region }: Surroundings): (() => Promise<unknown>) | undefined {
  const chain = load()
  if (!chain) return undefined
  const ask = chain.defaultProvider({ profile: profile.name, clientConfig: { region } })
  return async () => {
    try {
      return await ask()
    } catch (cause) {
      // It says the same if the way that the environment or profile names does not work.
      const isNamed = profile.needsChain !== undefined || NAMING.some((name) => environment[name])
      if (messageOf(cause) === NONE && !isNamed) return undefined
      throw unavailable('cannot get credentials', cause)
    }
  }
}

function load(): ChainPackage | undefined {
  try {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)(PACKAGE) as ChainPackage
  } catch (cause) {
    if (codeOf(cause) === 'MODULE_NOT_FOUND' && messageOf(cause).includes(`'${PACKAGE}'`)) return undefined
    throw unavailable('cannot be loaded', cause)
  }
}

function unavailable(what: string, cause: unknown): ModelSealError {
  return new ModelSealError('CREDENTIALS_UNAVAILABLE', `Cannot get credentials for S3: ${PACKAGE} ${what}.`, {
    found: shown(messageOf(cause)),
    hint: 'Log in, or set AWS_PROFILE. For a public bucket, use the option "credentials: false".',
    cause,
  })
}
