import { publishVerdict, traceLoad, type LoadTrace } from '../events.ts'
import { absolutePath } from '../environment.ts'
import { ModelSealError, shown } from '../errors.ts'
import { judge } from '../policy/judge.ts'
import { chooseRule, type ChosenRule } from '../policy/choose-rule.ts'
import { ModelFacts, type ModelFormat } from '../policy/match.ts'
import type { Policy } from '../policy/policy.ts'
import type { Revocations } from '../policy/revocations.ts'
import type { Rule } from '../policy/rule.ts'
import type { Verdict } from '../policy/verdict.ts'
import { throwIfAborted } from '../source/aborted.ts'
import type { FileRequest } from '../source/size-limit.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import { BundleSearch } from './bundle-search.ts'
import type { FoundModel } from './find-bundles.ts'
import { isDirectory, isHttpUrl } from '../source/http-source.ts'
import type { FoundHttpModel } from './http-model.ts'
import { openUnverifiedHttp } from './open-unverified-http.ts'
import { AllowedIsolation } from './isolation.ts'
import { checkChoices, openOptions, type OpenOptions } from './open-options.ts'
import { concernsClaims, openUnverified } from './open-unverified.ts'
import type { PlacedFiles, PlaceOptions } from './placed-files.ts'
import { LoadedFormat, saidFormats } from './loaded-format.ts'
import { openContents } from './open-contents.ts'
import { readPolicy } from './read-policy.ts'
import type { ServedFiles } from './served-files.ts'
import { holdsInAudit } from './tolerate.ts'
import { checking, emptyVerdict, refused, timed } from './verdict-steps.ts'
import { VerifiedModel } from './verified-model.ts'

/**
 * Reads files of a model whose signature and policy were accepted, each against its signed digest.
 * For a model that a rule in the mode `audit` or `skip` loads unverified: files as they lie on disk.
 */
export interface ModelReader {
  /** The file that was asked for, where a file was; else undefined. */
  readonly entry: string | undefined
  /** Names of all signed files; of an unverified model, of those that are known. */
  readonly files: readonly string[]
  /**
   * For a loader of several formats, see {@link PossibleFormats}: says which one the bytes that it read here are of,
   * before it makes anything of them.
   *
   * @throws {@link ModelSealError} `MODEL_FORMAT` where the rule was chosen for another
   */
  loads(format: ModelFormat): void
  /**
   * @returns the bytes that were hashed; nobody else has this buffer
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_REVOKED`,
   * `ISOLATION_REFUSED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Reads several files at the same time: as {@link read}, in the order of the requests.
   *
   * @throws {@link ModelSealError} as there, and `FILE_TOO_LARGE`
   */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /**
   * In bytes, by what the disk says; of a file behind HTTP, 0 until it was read.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  size(name: string): number
  /**
   * True where these files should reach the runtime as buffers, by {@link read}; false where by their
   * paths, by {@link place}: as caller and policy want it, and by their size.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  inMemory(names: readonly string[]): boolean
  /**
   * As {@link VerifiedModel.place}.
   *
   * @throws {@link ModelSealError} as there
   */
  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles>
}

/**
 * Opens a model for any runtime: finds policy and bundle, verifies the signature, judges the
 * signer, and checks every file against the signed manifest. A failure of any step refuses the
 * model. Either way the verdict is published (see `VERDICT_CHANNEL`).
 *
 * `gather` is for loaders: it reads what the runtime is to get, before the remaining files are
 * checked, so that no file is read twice. What it returns must not reach the runtime before this
 * function has returned: only then the whole model is verified. It is called once more where a
 * rule in the mode `audit` has the model loaded after the check failed.
 *
 * A model may lie behind HTTP: see `HttpOptions` for what is followed and waited for. Only files that
 * its signature names are then fetched.
 *
 * @param path of a directory or file; or its URL (`http:`, `https:`), that of a directory with a slash at the end
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`, `POLICY_INVALID`, `POLICY_STALE`,
 * `POLICY_NO_MATCH`, `FORMAT_UNPROVEN`, `NAME_AMBIGUOUS`, `MODEL_FORMAT`, `MODEL_NOT_FOUND`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`,
 * `SIGNATURE_INVALID`, `SIGNATURE_THRESHOLD`, `SIGNATURE_TIME_UNKNOWN`, `SIGNATURE_TOO_OLD`,
 * `KEY_OUTSIDE_VALIDITY`, `TIMESTAMP_REQUIRED`, `LOG_REQUIRED`, `HASH_ALGORITHM_REFUSED`,
 * `ISOLATION_REFUSED`, `MODEL_REVOKED`, `FILE_REVOKED`, `KEY_REVOKED`, `CERTIFICATE_REVOKED`,
 * `IDENTITY_REVOKED`, `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH`, `HTTP_UNREACHABLE`,
 * `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, and the others of reading, parsing and hashing
 * @example
 * ```ts
 * const model = await openVerifiedModel('models/llama', { policy: 'trust-policy.yaml' })
 * const config = await model.read('config.json')
 * await model.close()
 * ```
 */
export async function openVerifiedModel(path: string, options?: OpenOptions): Promise<VerifiedModel<undefined>>
export async function openVerifiedModel<T>(
  path: string,
  options: OpenOptions,
  gather: (reader: ModelReader) => Promise<T>,
): Promise<VerifiedModel<T>>
export async function openVerifiedModel<T>(
  given: string,
  givenOptions?: OpenOptions,
  gather?: (reader: ModelReader) => Promise<T>,
): Promise<VerifiedModel<T | undefined>> {
  const options = openOptions(givenOptions)
  const path = isHttpUrl(given) ? given : absolutePath(given)
  const verdict = emptyVerdict(path, options)
  const trace: LoadTrace = { model: verdict.model.path }
  return traceLoad(trace, async () => {
    trace.verdict = verdict
    try {
      const model = await open<T | undefined>(path, options, gather ?? NOTHING, verdict)
      verdict.at = new Date().toISOString()
      publishVerdict(verdict)
      return model
    } catch (error) {
      throw refused(verdict, error)
    }
  })
}

type Gather<T> = (reader: ModelReader) => Promise<T>
/** {@link Gather} where the formats that it may load are settled. */
type GatherOf<T> = (reader: Omit<ModelReader, 'loads'>) => Promise<T>

const NOTHING = () => Promise.resolve(undefined)

async function open<T>(
  path: string,
  options: OpenOptions,
  gather: Gather<T>,
  verdict: Verdict,
): Promise<VerifiedModel<T>> {
  checkChoices(options)
  const now = Date.now()
  const search = new BundleSearch(path, options)
  const reading: { policy?: Policy } = {}
  const openUnverifiedModel = async (orUnreadable: boolean) => {
    const revocations = reading.policy?.revocations ?? (await none())
    const found = await search.findIfAny({ orUnreadable, orTooLarge: !concernsClaims(revocations) })
    const gatherAny = ofFormat(gather, saidFormats(options.format), options, verdict)
    return openAnyway(path, options, gatherAny, revocations, found, verdict)
  }
  try {
    const { policy, rule, mode, formats } = await timed(verdict, 'policy', () =>
      findRule(options, search, now, verdict, reading),
    )
    if (mode === 'skip') {
      const model = await openUnverifiedModel(false)
      verdict.decision = 'skipped'
      return model
    }
    const { found, signature } = await timed(verdict, 'verification', () =>
      findSignature(search, options, rule, policy, now, verdict),
    )
    const model = await timed(verdict, 'hashing', () =>
      readModel(found, signature, rule, policy, options, ofFormat(gather, formats, options, verdict), verdict),
    )
    verdict.decision = 'accepted'
    return model
  } catch (error) {
    const audit = verdict.mode === 'audit' || options.audit === true
    if (!audit || !(error instanceof ModelSealError) || holdsInAudit(error)) throw error
    verdict.wouldRefuse = error.toJSON()
    const model = await openUnverifiedModel(true)
    verdict.decision = 'tolerated'
    return model
  }
}

/** Has a loader of several formats say which one it met, before what it gathered is believed. */
function ofFormat<T>(
  gather: Gather<T>,
  allowed: readonly ModelFormat[],
  { format: said }: OpenOptions,
  verdict: Verdict,
): GatherOf<T> {
  return async (reader) => {
    const format = new LoadedFormat(allowed, saidFormats(said), verdict.model.path)
    const loads = (loaded: ModelFormat) => {
      format.loads(loaded)
      verdict.model.format = loaded
    }
    const gathered = await gather({ ...reader, loads })
    format.check()
    return gathered
  }
}

async function findRule(
  { policy: given, format }: OpenOptions,
  search: BundleSearch,
  now: number,
  verdict: Verdict,
  reading: { policy?: Policy },
): Promise<ChosenRule & { policy: Policy }> {
  const policy = await readPolicy(given, now, verdict, reading)
  return checking(verdict, 'rule', async (tell) => {
    const { url } = verdict.model
    const path = isHttpUrl(verdict.model.path) ? undefined : verdict.model.path
    const facts = new ModelFacts({ path, format, url }, () => search.claimedNames())
    const chosen = await chooseRule(policy, facts)
    const { rule, mode } = chosen
    verdict.rule = rule.name
    verdict.mode = mode
    search.limitTo(rule.require.maxBundleBytes)
    if (rule.reason !== undefined) verdict.reason = rule.reason
    const enforced = mode === rule.mode ? '' : ', but it is enforced because the unverified model named the format'
    tell(`The rule ${shown(rule.name)} is the first that matches; its mode is ${rule.mode}${enforced}.`)
    return { ...chosen, policy }
  })
}

async function findSignature(
  search: BundleSearch,
  options: OpenOptions,
  rule: Rule,
  policy: Policy,
  now: number,
  verdict: Verdict,
): Promise<{ found: FoundModel | FoundHttpModel; signature: VerifiedSignature }> {
  const found = await checking(verdict, 'bundles', async (tell) => {
    const model = await search.find()
    tell(`The model has ${model.bundles.length === 1 ? 'one bundle' : `${model.bundles.length} bundles`}.`)
    return model
  })
  if (found.entry !== undefined) verdict.model.entry = found.entry
  throwIfAborted(options.signal)
  const { checks, bundles, outcome } = await judge(found.bundles, rule, policy, { now, signal: options.signal })
  verdict.checks.push(...checks)
  verdict.bundles = bundles
  if ('refusal' in outcome) throw outcome.refusal
  const { manifest } = outcome.signature
  verdict.model.name = manifest.modelName
  verdict.model.rootDigest = manifest.rootDigest
  verdict.files.signed = manifest.files.size
  return { found, signature: outcome.signature }
}

async function readModel<T>(
  found: FoundModel | FoundHttpModel,
  signature: VerifiedSignature,
  rule: Rule,
  policy: Policy,
  options: OpenOptions,
  gather: GatherOf<T>,
  verdict: Verdict,
): Promise<VerifiedModel<T>> {
  const allowed = await checking(verdict, 'isolation', (tell) => {
    const isolation = new AllowedIsolation(options.isolation ?? 'auto', rule)
    tell(`The runtime gets what was hashed, as ${isolation.levels.join(' or ')}.`)
    return isolation
  })
  return checking(verdict, 'files', async (tell) => {
    const { served, warm } = await openContents(found, signature, rule, policy.revocations, allowed, options)
    try {
      const gathered = await gather(readerOf(served, found.entry ?? onlyFile(found)))
      if (rule.require.files !== 'loaded') await served.checkRest()
      throwIfAborted(options.signal)
      await warm?.finish()
      const { files } = served.checked
      const hashed = `${files} of ${served.names.length} signed files were hashed and are as they were signed.`
      tell(warm?.warm ? (warm.note ?? '') : [hashed, ...(warm?.note === undefined ? [] : [warm.note])].join(' '))
      return new VerifiedModel(served, signature.manifest, verdict, gathered)
    } catch (error) {
      await served.dispose()
      throw error
    } finally {
      verdict.files.checked = served.checked.files
      verdict.bytes = served.checked.bytes
      verdict.isolation = [...served.used]
      verdict.hashed = warm?.warm ? 'receipt' : 'files'
    }
  })
}

async function openAnyway<T>(
  path: string,
  options: OpenOptions,
  gather: GatherOf<T>,
  revocations: Revocations,
  found: FoundModel | FoundHttpModel | undefined,
  verdict: Verdict,
): Promise<VerifiedModel<T>> {
  const files = await checking(verdict, 'revocation', async (tell) => {
    const opened =
      (found && 'client' in found) || isHttpUrl(path)
        ? await openUnverifiedHttp(path, found, revocations, options)
        : await openUnverified(path, found, revocations, options)
    tell('Nothing that its bundles claim is revoked, nor its root digest.')
    return opened
  })
  try {
    const gathered = await gather(readerOf(files, files.entry))
    throwIfAborted(options.signal)
    return new VerifiedModel(files, undefined, verdict, gathered)
  } catch (error) {
    await files.dispose()
    throw error
  }
}

function readerOf(served: ServedFiles, entry: string | undefined): Omit<ModelReader, 'loads'> {
  return {
    entry,
    files: served.names,
    size: (name) => served.size(name),
    inMemory: (names) => served.inMemory(names),
    read: (name) => served.read(name),
    readAll: (requests) => served.readAll(requests),
    place: (names, options) => served.place(names, options),
  }
}

function onlyFile({ source }: FoundModel | FoundHttpModel): string | undefined {
  const isFile = source.kind === 'http' ? !isDirectory(source) : source.kind === 'file'
  return isFile ? source.name : undefined
}

/** Of a policy that could not be read: imported where it is needed, since it brings a library along. */
async function none(): Promise<Revocations> {
  const { Revocations } = await import('../policy/revocations.ts')
  return new Revocations()
}
