import { lineage, type Ancestor, type Provenance } from '../../attestation/kinds/provenance.ts'
import type { ModelSealError } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { Verdict } from '../../results.ts'
import type { JournalSettings } from '../writing/settings/settings.ts'
import type { ToRecord } from '../writing/records/waiting-records.ts'
import { writersFor } from '../writing/writers.ts'
import { followChanges } from './changes.ts'
import { loadRecord } from './load-record.ts'
import { modelRecords } from './model-records.ts'
import { policyRecords } from './policy-versions.ts'
import { RecordedLoad, type RecordedIn } from './recorded-load.ts'

/** A verdict, and what belongs to its record. */
export interface JudgedVerdict {
  verdict: Verdict
  /** At least one. */
  journals: readonly JournalSettings[]
  /** The files of the model, if they are verified. */
  manifest?: Manifest | undefined
  /** What believed provenance says of it, by the digest of the statement. */
  provenance?: ReadonlyMap<string, Provenance>
}

/**
 * Records the verdicts of a load whose model is about to be handed out.
 *
 * @returns the load, whose end must be reported
 * @throws {@link ModelSealError} `JOURNAL_FAILED`, `JOURNAL_INVALID` if a journal that is required cannot be written
 */
export async function recordLoaded(judged: readonly JudgedVerdict[]): Promise<RecordedLoad> {
  const { places, failure } = await record(judged, true)
  const load = new RecordedLoad(places)
  if (failure === undefined) return load
  load.ended('closed')
  throw failure
}

/** Records verdicts by which nothing was handed out. What cannot be written now is written later. */
export async function recordRefused(judged: readonly JudgedVerdict[]): Promise<void> {
  await record(judged, false)
}

async function record(
  judged: readonly JudgedVerdict[],
  isHandedOut: boolean,
): Promise<{ places: RecordedIn[]; failure: ModelSealError | undefined }> {
  followChanges()
  const places: RecordedIn[] = []
  const waiting: Promise<ModelSealError | undefined>[] = []
  for (const one of judged) {
    const isRequiring = ({ required }: JournalSettings) => isHandedOut && required
    for (const [writer, settings] of await writersFor(one.journals, one.journals.some(isRequiring))) {
      const requiring = settings.filter(isRequiring)
      const [contradiction] = requiring.flatMap((one) => writer.contradictionOf(one) ?? [])
      if (contradiction) {
        waiting.push(Promise.resolve(contradiction))
        continue
      }
      const isRequired = requiring.length > 0
      const isSynced = writer.settings.durability === 'each'
      const at: RecordedIn['at'] = {}
      const ended = new Promise<ModelSealError | undefined>((resolve) =>
        writer.add({ ...makerOf(one, { writer, at }), isRequired, isSynced, ended: resolve, at }),
      )
      places.push({ writer, at })
      if (isRequired || isSynced) waiting.push(ended)
    }
  }
  const failures = await Promise.all(waiting)
  return { places, failure: failures.find((failure) => failure !== undefined) }
}

/** The verdict as it is now: the program may change it later. */
function makerOf(
  { verdict, manifest, provenance = new Map() }: JudgedVerdict,
  { writer, at }: RecordedIn,
): Pick<ToRecord, 'make' | 'describes'> {
  const inputs = [...provenance].map(([digest, made]) => [digest, unique(lineage(made))] as const)
  const load = loadRecord(verdict, new Map(inputs), writer.settings.paths)
  const { policy: path, policyDigests: { file: digest, includes } = {} } = verdict
  const time = new Date().toISOString()
  const policy = path === undefined || digest === undefined ? undefined : { path, digest, includes, time }
  return {
    make: ({ isDescribed }) => [
      ...(policy ? policyRecords(writer, policy, at) : []),
      ...(manifest && !isDescribed(manifest.rootDigest) ? modelRecords(manifest) : []),
      load,
    ],
    describes: manifest?.rootDigest,
  }
}

function unique(ancestors: readonly Ancestor[]): string[] {
  return [...new Set(ancestors.map(({ sha256 }) => sha256))]
}
