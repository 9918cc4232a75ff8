import type { AdvisoryText } from '../advisories/schema.ts'
import { methodOf } from '../methods/methods.ts'
import type { CompiledPolicy } from '../policy.ts'
import type { PolicySource } from '../reading/include.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import type { Danger } from './finding.ts'

/** A danger, and the location of what it is about. */
interface PlacedDanger {
  source: PolicySource
  at: ValuePath
  danger: Danger
}

/** Finds feeds that the people against whom they protect could sign or keep away, and signers of feeds that accept nearly anybody. */
export function advisoryDangers(
  { advisories }: Pick<CompiledPolicy, 'advisories'>,
  sources: readonly PolicySource[],
): PlacedDanger[] {
  const ofModels = new Set(
    sources.flatMap(({ file }) => (file.rules ?? []).flatMap(({ signers = [] }) => signers.map(writtenAs))),
  )
  const placed = sources.flatMap((source) =>
    (source.file.advisories ?? []).map((written, index) => ({ source, written, at: ['advisories', index] })),
  )
  return placed.flatMap(({ source, written, at }, index) => [
    ...shared(written, ofModels).map((danger) => ({ source, at: [...at, 'signers'], danger })),
    ...(written.ifStale === 'warn' ? [{ source, at: [...at, 'ifStale'], danger: NOT_REQUIRED }] : []),
    ...(advisories[index]?.signers ?? []).flatMap((signer, position) =>
      methodOf(signer.method)
        .dangers(signer)
        .map((danger) => ({ source, at: [...at, 'signers', position], danger })),
    ),
  ])
}

function shared({ signers, threshold = 1 }: AdvisoryText, ofModels: ReadonlySet<string>): Danger[] {
  if (signers.filter((signer) => ofModels.has(writtenAs(signer))).length < threshold) return []
  const message =
    'Signers of models are enough to sign this feed. Whoever steals their keys can sign a version that denies nothing. Use other keys for the feed.'
  return [{ severity: 'warning', code: 'ADVISORY_SIGNER_SHARED', message }]
}

const NOT_REQUIRED: Danger = {
  severity: 'note',
  code: 'ADVISORY_NOT_REQUIRED',
  message: 'Models are loaded even if this feed is too old, so whoever keeps it away keeps all further denials away.',
}

/** Trust roots of all files of a policy have different names. */
function writtenAs(signer: unknown): string {
  return JSON.stringify(signer)
}
