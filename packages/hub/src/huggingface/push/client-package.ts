import type * as Client from '@huggingface/hub'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'

const PACKAGE = '@huggingface/hub'

/**
 * Loads the package that uploads to Hugging Face, which only publishers need. Hidden from bundlers.
 *
 * @throws {@link ModelSealError} `PUSH_UNAVAILABLE`
 */
export function clientPackage(): typeof Client {
  try {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)(PACKAGE) as typeof Client
  } catch (cause) {
    const message = messageOf(cause)
    const isMissing = message.includes(`'${PACKAGE}'`) && codeOf(cause) === 'MODULE_NOT_FOUND'
    throw new ModelSealError(
      'PUSH_UNAVAILABLE',
      `Cannot push to Hugging Face: the optional package ${PACKAGE} ${isMissing ? 'is not installed' : 'cannot be loaded'}.`,
      {
        found: isMissing ? undefined : shown(message),
        hint: `Run "npm install ${PACKAGE}@2", beside @modelseal/hub or, for the command line, beside modelseal.`,
        cause,
      },
    )
  }
}
