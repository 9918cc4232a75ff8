import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { LibraryNeeded, withLibraries } from '../when-needed.ts'
import { packageName } from './package-url.ts'
import type { Revocations } from './revocations.ts'

/**
 * Looks up a model by the package URL that its source states.
 *
 * @throws {@link ModelSealError} `SOURCE_FAILED` if the source states something else
 */
export function revokedPackage(packageUrl: string, revocations: Revocations): Promise<ModelSealError | undefined> {
  return withLibraries(() => {
    try {
      return revocations.package(packageUrl, packageName(packageUrl))
    } catch (error) {
      if (error instanceof LibraryNeeded) throw error
      throw new ModelSealError('SOURCE_FAILED', 'Cannot tell whether the model is revoked: its source failed.', {
        expected: 'a package URL, such as pkg:huggingface/acme/vad@COMMIT',
        found: `${shown(packageUrl)} (${messageOf(error)})`,
        hint: 'Check the package that reads from the source.',
      })
    }
  })
}
