import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Surroundings } from './credentials.ts'

const PACKAGE = '@aws-sdk/credential-provider-node'

interface ChainPackage {
  defaultProvider(init: { profile: string; clientConfig: { region: string } }): () => Promise<unknown>
}

/**
 * The provider chain of AWS; undefined if its package is not installed. Hidden from bundlers.
 *
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE` if the package cannot be loaded, or finds no credentials
 */
export async function providerChain({ profile, region }: Surroundings): Promise<(() => Promise<unknown>) | undefined> {
  const chain = load()
  if (!chain) return undefined
  const ask = chain.defaultProvider({ profile: profile.name, clientConfig: { region } })
  return async () => {
    try {
      return await ask()
    } catch (cause) {
      throw unavailable('found no credentials', cause)
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
