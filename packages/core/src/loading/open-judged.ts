import { ModelSealError, withHint } from '../errors.ts'
import { publishVerdict, traceLoad, type LoadTrace } from '../events.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { isMismatch } from '../manifest/mismatch.ts'
import type { ModelFormat } from '../results.ts'
import type { Rule } from '../policy/rule.ts'
import { strictest } from '../policy/requirements/strictest.ts'
import { throwIfAborted } from '../source/aborted.ts'
import type { SignedParts } from './files/signed-parts.ts'
import { saveModel } from './downloading/saved-model.ts'
import { acceptedModel } from './files/accepted-model.ts'
import { costNotes, hashedNotes, ONLY_LOADED, rangeNotes, unsignedNotes } from './files/file-notes.ts'
import { WatchedFiles, type HandOuts } from './files/hand-outs.ts'
import { openContents, withoutCache, type AcceptedModel, type OpenedContents } from './files/open-contents.ts'
import { openUnverified } from './files/open-unverified.ts'
import type { ServedFiles } from './files/served-files.ts'
import { unrevokedClaims } from './files/unrevoked-claims.ts'
import type { VerifiedFiles } from './files/verified-files.ts'
import type { AcceptedJudging, Judge, Judging } from './judging/judging.ts'
import { LoadedFormat, saidFormats } from './judging/loaded-format.ts'
import { checking, checkingEach, noteIsolation, timedEach } from './judging/verdict-steps.ts'
import { Load, type LoadRequest } from './load.ts'
import { readerOf, type ModelReader, type SavingReader } from './model-reader.ts'
import { checkChoices } from './open-options.ts'
import { AllowedIsolation } from './placing/isolation.ts'
import { recordOpened, recordRefusal } from './recording/record-load.ts'
import { judgedLoads } from './standing/remember.ts'
import { follow } from './standing/live-models.ts'
import { UnverifiedModel, VerifiedModel, type OpenedModel } from './verified-model.ts'

/**
 * Opens a model that every judge accepts. They all see the same bundles, and the files are hashed once, as the
 * strictest of their rules requires.
 *
 * Each judgement has its own verdict. If the model is loaded, all of them are published; if it is refused, only those
 * of the policies that refuse it.
 *
 * @param judges at least one; the verdict of the first is that of the load
 * @param handOuts is notified of everything that is handed out
 * @throws {@link ModelSealError} like `openVerifiedModel`; `POLICIES_DISAGREE`
 */
export async function openJudged<T>(
  request: LoadRequest<T>,
  judges: readonly [Judge, ...Judge[]],
  handOuts?: HandOuts,
): Promise<OpenedModel<T>> {
  const load = new Load(request, judges, handOuts)
  const [{ verdict: first }] = load.judgings
  const trace: LoadTrace = { model: first.model.path }
  return traceLoad(trace, async () => {
    try {
      const model = await open(load)
      for (const judging of load.judgings) judging.decide()
      await (load.isUnrecorded ? model.close() : recordOpened(load, model))
      load.handOver()
      trace.verdict = first
      for (const { verdict } of load.judgings) publishVerdict(verdict)
      follow(load.standing)
      return model
    } catch (error) {
      await load.close()
      const refusing = load.responsibility.for(error)
      const refusal = load.responsibility.refused(error)
      if (!load.isUnrecorded) await recordRefusal(refusing)
      trace.verdict = refusal.verdict
      for (const { verdict } of refusing) publishVerdict(verdict)
      throw refusal
    }
  })
}

async function open<T>(load: Load<T>): Promise<OpenedModel<T>> {
  const { options, judgings, responsibility } = load
  checkChoices(options)
  const now = Date.now()
  for (const judging of judgings) await responsibility.of([judging], () => judging.judge(now))
  for (;;) {
    const [first, ...others] = judgings.filter((judging): judging is AcceptedJudging => judging.accepted !== undefined)
    try {
      return first ? await openAccepted(load, [first, ...others]) : await openAnyway(load)
    } catch (error) {
      if (!isTolerated(error, responsibility.for(error))) throw error
    }
  }
}

/** Whether the load goes on without the policies that refuse it. */
function isTolerated(error: unknown, responsible: readonly Judging[]): boolean {
  // Two rules may have no isolation in common. Then the enforced one decides.
  const isBetweenThem = error instanceof ModelSealError && error.code === 'ISOLATION_REFUSED'
  return isBetweenThem
    ? responsible.filter((judging) => judging.tolerates(error)).length > 0
    : responsible.every((judging) => judging.tolerates(error))
}

async function openAccepted<T>(
  load: Load<T>,
  accepted: readonly [AcceptedJudging, ...AcceptedJudging[]],
): Promise<OpenedModel<T>> {
  const verdicts = accepted.map(({ verdict }) => verdict)
  const rule = strictest(accepted.map((judging) => judging.accepted.rule) as [Rule, ...Rule[]])
  return timedEach(verdicts, 'hashing', async () => {
    const allowed = await isolationOf(load, accepted, rule)
    return checkingEach(verdicts, 'files', async (tell) => {
      const { responsibility } = load
      const model = await acceptedModel(load, accepted, rule)
      const opened = (model: AcceptedModel) =>
        responsibility.of(accepted, () => openContents(load, model, allowed, accepted))
      const contents = await opened(model)
      try {
        return await readFiles(load, accepted, { model, contents, tell })
      } catch (error) {
        // A damaged cache is no reason to refuse the model.
        if (!contents.cached || !isMismatch(error)) throw error
        return readFiles(load, accepted, { model, contents: await opened(withoutCache(model)), tell })
      }
    })
  })
}

/** An accepted model whose files are to be read, and a callback for the outcome. */
interface FilesToRead {
  model: AcceptedModel
  contents: OpenedContents
  tell: (reason: string) => void
}

async function readFiles<T>(
  load: Load<T>,
  accepted: readonly [AcceptedJudging, ...AcceptedJudging[]],
  { model: { found, signature, rule, further }, contents: { served, reader, warm }, tell }: FilesToRead,
): Promise<OpenedModel<T>> {
  const { options, judgings, responsibility } = load
  const files = watched(load, served, signature.manifest)
  try {
    const entry = found.entry ?? (found.files.isFile ? found.files.name : undefined)
    const attestations = async (there: string | undefined) => {
      const { attestationsToSave } = await import('./downloading/saved-attestations.ts')
      const isRequired = accepted.some((judging) => judging.accepted.rule.attestations.length > 0)
      const { manifest } = signature
      const about = { files: found.files, manifest, isRequired, signal: options.signal }
      return attestationsToSave(await load.opened(), about, there)
    }
    const save: SavingReader['save'] = (directory, replaced) =>
      saveModel(
        { directory, replaced },
        {
          files: served,
          model: found.files,
          bundles: found.bundles,
          verdict: judgings[0].verdict,
          attestations,
        },
      )
    const parts: SignedParts = {
      files: found.files,
      reader,
      manifest: signature.manifest,
      further,
      limit: (await load.opened()).limit(found.files, options.maxBytes),
    }
    const gathered = await gatherFrom(load, files, { entry, save, parts })
    const read = { ...served.checked }
    if (rule.require.files !== 'loaded') {
      const strict = accepted.filter((judging) => judging.accepted.rule.require.files !== 'loaded')
      await responsibility.of(strict, () => checkRest(served))
    }
    throwIfAborted(options.signal)
    await warm?.finish()
    tell(
      [
        ...hashedNotes(served, warm),
        ...costNotes(found.files, read, served.checked),
        ...(load.isDataset ? rangeNotes(signature.manifest) : []),
        ...unsignedNotes(rule, found.files),
      ].join(' '),
    )
    load.standing.remember(await judgedLoads(load))
    const { standing } = load
    const [{ accepted: own, verdict }] = judgings
    const loaded = { verdict, gathered, standing }
    // If only another policy accepted it, the program's own policy has not verified it.
    return own ? new VerifiedModel(files, own, loaded) : new UnverifiedModel(files, loaded)
  } catch (error) {
    await files.dispose()
    throw error
  } finally {
    for (const [index, { verdict }] of accepted.entries()) {
      verdict.files.checked = served.checked.files
      // Hashed once, so counted once.
      verdict.bytes = index === 0 ? served.checked.bytes : 0
      verdict.isolation = [...served.used]
      noteIsolation(verdict, served)
      verdict.hashed = warm?.warm ? 'receipt' : 'files'
    }
  }
}

async function checkRest(served: VerifiedFiles): Promise<void> {
  try {
    await served.checkRest()
  } catch (error) {
    // Files on this machine were admitted before, so that only others are too large here.
    if (!(error instanceof ModelSealError) || error.code !== 'FILE_TOO_LARGE') throw error
    throw withHint(error, [error.hint, ONLY_LOADED].filter(Boolean).join(' '))
  }
}

/** Checks the isolation of each policy's rule, and returns what all of them allow. */
async function isolationOf<T>(
  { options: { isolation = 'auto' }, responsibility }: Load<T>,
  accepted: readonly AcceptedJudging[],
  rule: Rule,
): Promise<AllowedIsolation> {
  for (const judging of accepted) {
    await responsibility.of([judging], () =>
      checking(judging.verdict, 'isolation', (tell) => {
        const { levels } = new AllowedIsolation(isolation, judging.accepted.rule)
        tell(`The runtime gets what was hashed. Allowed isolation: ${levels.join(', ')}.`)
      }),
    )
  }
  return responsibility.of(accepted, () => Promise.resolve(new AllowedIsolation(isolation, rule)))
}

async function openAnyway<T>(load: Load<T>): Promise<OpenedModel<T>> {
  const { options, judgings } = load
  const verdicts = judgings.map(({ verdict }) => verdict)
  const files = await checkingEach(verdicts, 'revocation', async (tell) => {
    const opened = await openUnverified(load, await unrevokedClaims(judgings, load))
    tell('Neither its root digest nor anything that its bundles claim is revoked.')
    return opened
  })
  const handedOut = watched(load, files, undefined)
  try {
    const gathered = await gatherFrom(load, handedOut, { entry: files.entry, save: undefined, parts: undefined })
    throwIfAborted(options.signal)
    for (const verdict of verdicts) noteIsolation(verdict, files)
    load.standing.remember(await judgedLoads(load))
    return new UnverifiedModel(handedOut, { verdict: judgings[0].verdict, gathered, standing: load.standing })
  } catch (error) {
    await handedOut.dispose()
    throw error
  }
}

/** @param manifest manifest by which the files are verified, if they are */
function watched<T>({ handOuts, judgings }: Load<T>, files: ServedFiles, manifest: Manifest | undefined): ServedFiles {
  return handOuts ? new WatchedFiles(files, manifest, handOuts, judgings[0].verdict) : files
}

/** Requires a loader of several formats to report the one that it found, before its result is used. */
async function gatherFrom<T>(
  { options, gather, judgings, responsibility }: Load<T>,
  files: ServedFiles,
  { entry, save, parts }: Pick<SavingReader, 'entry' | 'save' | 'parts'>,
): Promise<T> {
  const formats = judgings.map((judging) => {
    const { verdict } = judging
    const format = new LoadedFormat(judging.formats, saidFormats(options.format), verdict.model.path)
    return { judging, verdict, format }
  })
  const loads: ModelReader['loads'] = (loaded: ModelFormat) => {
    for (const { judging, verdict, format } of formats) {
      responsibility.ofNow([judging], () => format.loads(loaded))
      verdict.model.format = loaded
    }
  }
  const gathered = await gather({ ...readerOf(files, entry), loads, signal: options.signal, save, parts })
  for (const { format } of formats) format.check()
  return gathered
}
