import { flag } from '../../../kinds.ts'
import { snapshot, withoutPrototype, type Shape } from '../../../snapshot.ts'

export interface AdvisoryOptions {
  /**
   * Before a version that is known is used, look for a newer one, for 3 seconds at most. For programs that end soon: otherwise, a newer
   * version is looked for in the background. Default: false.
   */
  refreshFirst?: boolean | undefined
}

const OPTIONS: Shape<AdvisoryOptions> = { refreshFirst: flag }

/** Those of this process. */
export const advisorySettings: { refreshFirst: boolean } = withoutPrototype({ refreshFirst: false })

/**
 * Sets how this process follows the advisory feeds of policies.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * configureAdvisories({ refreshFirst: true }) // a job that loads one model and ends
 * ```
 */
export function configureAdvisories(options?: AdvisoryOptions): void {
  advisorySettings.refreshFirst = snapshot(options, OPTIONS, 'configureAdvisories').refreshFirst ?? false
}
