import { ModelSealError, shown } from '../../errors.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { allOf } from './entered-files.ts'
import { httpModel } from './http-model.ts'
import type { OpenOptions } from '../open-options.ts'
import { hashTypesOf, revokedBy, RevokedFiles } from './revoked-files.ts'
import { UnverifiedHttpFiles } from './unverified-http-files.ts'

/**
 * As `openUnverified`, for a model behind HTTP. Its files are not known without a signature, so its
 * root digest is not: a policy that revokes root digests loads none of this kind.
 *
 * @throws {@link ModelSealError} `MODEL_UNIDENTIFIED`; `INVALID_ARGUMENT` where the files would come from elsewhere than the URL
 * by which the rule was chosen
 */
export function openUnverifiedHttp(
  url: string,
  revocations: readonly Revocations[],
  options: OpenOptions,
): UnverifiedHttpFiles {
  const { urlFor, fetch } = options.http ?? {}
  if (urlFor ?? fetch) throw notFromElsewhere(url, urlFor ? 'http.urlFor' : 'http.fetch')
  const concerned = revocations.find(({ concernsModels }) => concernsModels)
  if (concerned) throw revokedBy(concerned, unidentified(url))
  const revoked = allOf(revocations.map((each) => new RevokedFiles(each, hashTypesOf(each))))
  return new UnverifiedHttpFiles(httpModel(url, options), revoked)
}

function notFromElsewhere(url: string, option: string): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    `The option "${option}" cannot be used for ${shown(url.replace(/[?#].*$/s, ''))}, which would be loaded unverified.`,
    { hint: 'Leave the option out, or have the model verified, so that signed digests decide what its files are.' },
  )
}

export function unidentified(url: string): ModelSealError {
  return new ModelSealError(
    'MODEL_UNIDENTIFIED',
    `The policy revokes models by their root digests, and that of ${shown(url.replace(/[?#].*$/s, ''))} cannot be computed.`,
    { hint: 'Load it verified, or fetch it first and load it by its path.' },
  )
}
