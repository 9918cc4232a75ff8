import { ModelSealError } from '../errors.ts'
import { publishVerdict, traceLoad, type LoadTrace } from '../events.ts'
import type { HashOptions } from '../hashing/hash-files.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { ModelFormat } from '../results.ts'
import type { Rule } from '../policy/rule.ts'
import { strictest } from '../policy/strictest.ts'
import { withoutPrototype } from '../snapshot.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { isDirectory, isHttpUrl } from '../source/http/url.ts'
import { acceptedModel } from './files/accepted-model.ts'
import type { FoundModel } from './bundles/find-bundles.ts'
import { WatchedFiles, type HandOuts } from './files/hand-outs.ts'
import type { FoundHttpModel } from './files/http-model.ts'
import { AllowedIsolation } from './placing/isolation.ts'
import { Judging, type AcceptedJudging, type Judge } from './judging/judging.ts'
import { LoadedFormat, saidFormats } from './judging/loaded-format.ts'
import { readerOf, type Gather, type ModelReader } from './model-reader.ts'
import { openContents } from './files/open-contents.ts'
import { checkChoices, type OpenOptions } from './open-options.ts'
import { openUnverifiedHttp } from './files/open-unverified-http.ts'
import { openUnverified } from './files/open-unverified.ts'
import { Responsibility } from './judging/responsibility.ts'
import type { ServedFiles } from './files/served-files.ts'
import { unrevokedClaims } from './files/unrevoked-claims.ts'
import { checking, checkingEach, noteIsolation, timedEach, warnInto } from './judging/verdict-steps.ts'
import { VerifiedModel } from './verified-model.ts'

/** A model that is to be loaded. */
export interface Load<T> {
  /** Absolute, or a URL. */
  path: string
  /** As `openOptions` has read them. */
  options: OpenOptions
  gather: Gather<T>
}

/**
 * Opens a model that every judge lets pass. They all look at the same bundles, and its files are hashed once, by what the
 * strictest of their rules asks for.
 *
 * Each judgement has a verdict of its own. When the model is loaded, all of them are published; when it is refused, those of
 * the policies that refuse it.
 *
 * @param judges at least one; the verdict of the first is that of the load
 * @param handOuts is told what is handed out
 * @throws {@link ModelSealError} as `openVerifiedModel`; `POLICIES_DISAGREE`
 */
export async function openJudged<T>(
  load: Load<T>,
  [judge, ...others]: readonly [Judge, ...Judge[]],
  handOuts?: HandOuts,
): Promise<VerifiedModel<T>> {
  const { path, options } = load
  const first = new Judging(path, options, judge)
  const judgings = [first, ...others.map((other) => new Judging(path, options, other, first))] as const
  const responsibility = new Responsibility(judgings)
  const trace: LoadTrace = { model: first.verdict.model.path }
  return traceLoad(trace, async () => {
    trace.verdict = first.verdict
    try {
      const model = await open<T>({ ...load, judgings, responsibility, handOuts })
      for (const judging of judgings) judging.decide()
      for (const { verdict } of judgings) publishVerdict(verdict)
      return model
    } catch (error) {
      const refusal = responsibility.refused(error)
      trace.verdict = refusal.verdict
      throw refusal
    }
  })
}

/** A {@link Load} under way. */
interface JudgedLoad<T> extends Load<T> {
  judgings: readonly [Judging, ...Judging[]]
  responsibility: Responsibility
  handOuts: HandOuts | undefined
}

async function open<T>(load: JudgedLoad<T>): Promise<VerifiedModel<T>> {
  const { options, judgings, responsibility } = load
  checkChoices(options)
  const now = Date.now()
  for (const judging of judgings) await responsibility.of([judging], () => judging.judge(now))
  for (;;) {
    const [first, ...others] = judgings.filter((judging): judging is AcceptedJudging => judging.accepted !== undefined)
    try {
      return first ? await readModel(load, [first, ...others]) : await openAnyway(load)
    } catch (error) {
      if (!isTolerated(error, responsibility.for(error))) throw error
    }
  }
}

/** Whether the load goes on without the policies that refuse it. */
function isTolerated(error: unknown, responsible: readonly Judging[]): boolean {
  // Two rules may leave no isolation between them. Then the one that is enforced decides.
  const isBetweenThem = error instanceof ModelSealError && error.code === 'ISOLATION_REFUSED'
  return isBetweenThem
    ? responsible.filter((judging) => judging.tolerates(error)).length > 0
    : responsible.every((judging) => judging.tolerates(error))
}

async function readModel<T>(
  load: JudgedLoad<T>,
  accepted: readonly [AcceptedJudging, ...AcceptedJudging[]],
): Promise<VerifiedModel<T>> {
  const verdicts = accepted.map(({ verdict }) => verdict)
  const rule = strictest(accepted.map((judging) => judging.accepted.rule) as [Rule, ...Rule[]])
  return timedEach(verdicts, 'hashing', async () => {
    const allowed = await isolationOf(load, accepted, rule)
    return checkingEach(verdicts, 'files', (tell) => readFiles(load, accepted, { rule, allowed, tell }))
  })
}

async function readFiles<T>(
  load: JudgedLoad<T>,
  accepted: readonly [AcceptedJudging, ...AcceptedJudging[]],
  { rule, allowed, tell }: { rule: Rule; allowed: AllowedIsolation; tell: (reason: string) => void },
): Promise<VerifiedModel<T>> {
  const { options, judgings, responsibility } = load
  const model = await acceptedModel(load, accepted, rule)
  const { served, warm } = await responsibility.of(accepted, () =>
    openContents(model, allowed, withWarnings(options, accepted)),
  )
  const files = watched(load, served, model.signature.manifest)
  try {
    const gathered = await gatherFrom(load, files, model.found.entry ?? onlyFile(model.found))
    if (rule.require.files !== 'loaded') {
      const strict = accepted.filter((judging) => judging.accepted.rule.require.files !== 'loaded')
      await responsibility.of(strict, () => served.checkRest())
    }
    throwIfAborted(options.signal)
    await warm?.finish()
    const hashed = `${served.checked.files} of ${served.names.length} signed files were hashed and are as they were signed.`
    const notes = warm?.warm ? [] : [hashed]
    if (warm?.note !== undefined) notes.push(warm.note)
    // Behind HTTP, nothing says what else there is.
    if (!('client' in model.found)) notes.push(...unsignedNotes(rule))
    tell(notes.join(' '))
    const [{ accepted: own, verdict }] = judgings
    return new VerifiedModel(files, own?.signature.manifest, verdict, gathered)
  } catch (error) {
    await files.dispose()
    throw error
  } finally {
    for (const [index, { verdict }] of accepted.entries()) {
      verdict.files.checked = served.checked.files
      // Hashed once, and so counted once.
      verdict.bytes = index === 0 ? served.checked.bytes : 0
      verdict.isolation = [...served.used]
      noteIsolation(verdict, served)
      verdict.hashed = warm?.warm ? 'receipt' : 'files'
    }
  }
}

/** What a rule lets lie in a model besides what is signed: a sentence, if anything. */
function unsignedNotes({ require }: Rule): string[] {
  const where =
    require.files === 'ignore-unsigned'
      ? ''
      : require.unsigned === undefined
        ? undefined
        : ' where "require.unsigned" allows them'
  return where === undefined ? [] : [`The model may also contain unsigned files${where}; none of them is handed out.`]
}

/** What the rule of each policy allows, and then all of them together. */
async function isolationOf<T>(
  { options: { isolation = 'auto' }, responsibility }: JudgedLoad<T>,
  accepted: readonly AcceptedJudging[],
  rule: Rule,
): Promise<AllowedIsolation> {
  for (const judging of accepted) {
    await responsibility.of([judging], () =>
      checking(judging.verdict, 'isolation', (tell) => {
        const { levels } = new AllowedIsolation(isolation, judging.accepted.rule)
        tell(`The runtime gets what was hashed, as ${levels.join(' or ')}.`)
      }),
    )
  }
  return responsibility.of(accepted, () => Promise.resolve(new AllowedIsolation(isolation, rule)))
}

/** So that what did not go as it should stands in the verdicts. */
function withWarnings(options: OpenOptions, judgings: readonly Judging[]): OpenOptions & Pick<HashOptions, 'warn'> {
  return withoutPrototype({ ...options, warn: warnInto(judgings.map(({ verdict }) => verdict)) })
}

async function openAnyway<T>(load: JudgedLoad<T>): Promise<VerifiedModel<T>> {
  const { path, options, judgings } = load
  const verdicts = judgings.map(({ verdict }) => verdict)
  const files = await checkingEach(verdicts, 'revocation', async (tell) => {
    const { found, revocations, mayBeUnsigned } = await unrevokedClaims(judgings, load)
    const isHttp = (found && 'client' in found) || isHttpUrl(path)
    const opened = isHttp
      ? openUnverifiedHttp(path, revocations, options)
      : await openUnverified(
          path,
          found,
          revocations,
          withoutPrototype({ ...withWarnings(options, judgings), mayBeUnsigned }),
        )
    tell('Nothing that its bundles claim is revoked, nor its root digest.')
    return opened
  })
  const handedOut = watched(load, files, undefined)
  try {
    const gathered = await gatherFrom(load, handedOut, files.entry)
    throwIfAborted(options.signal)
    for (const verdict of verdicts) noteIsolation(verdict, files)
    return new VerifiedModel(handedOut, undefined, judgings[0].verdict, gathered)
  } catch (error) {
    await handedOut.dispose()
    throw error
  }
}

/** @param manifest by which the files are verified, where they are */
function watched<T>(
  { handOuts, judgings }: JudgedLoad<T>,
  files: ServedFiles,
  manifest: Manifest | undefined,
): ServedFiles {
  return handOuts ? new WatchedFiles(files, manifest, handOuts, judgings[0].verdict) : files
}

/** Has a loader of several formats say which one it met, before what it gathered is believed. */
async function gatherFrom<T>(
  { options, gather, judgings, responsibility }: JudgedLoad<T>,
  files: ServedFiles,
  entry: string | undefined,
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
  const gathered = await gather({ ...readerOf(files, entry), loads, signal: options.signal })
  for (const { format } of formats) format.check()
  return gathered
}

function onlyFile({ source }: FoundModel | FoundHttpModel): string | undefined {
  const isFile = source.kind === 'http' ? !isDirectory(source) : source.kind === 'file'
  return isFile ? source.name : undefined
}
