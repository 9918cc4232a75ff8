import { ModelSealError, shown } from '../../errors.ts'
import type { Rule } from '../../policy/rule.ts'
import type { ModelPlace } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'

/** @throws {@link ModelSealError} `REVISION_NOT_PINNED` if the model was named by something that can change */
export function checkPinned(
  rule: Rule,
  place: ModelPlace,
  { revision, requested }: Pick<OpenedSource, 'revision' | 'requested'>,
): void {
  if (revision !== undefined && (requested ?? revision) === revision) return
  const named = place.url ?? place.path
  throw new ModelSealError(
    'REVISION_NOT_PINNED',
    `Cannot load the model ${shown(named)}: it is not pinned to a commit or digest.`,
    {
      file: named,
      expected: 'a commit or a digest',
      found:
        revision === undefined
          ? 'a location without revisions'
          : `${shown(requested ?? '')}, which is currently ${shown(revision)}`,
      hint:
        (revision === undefined ? '' : `To load exactly that, write ${shown(revision)} after "@", or as "revision". `) +
        `The rule ${shown(rule.name)} requires it ("require.pinned").`,
    },
  )
}
