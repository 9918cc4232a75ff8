import { resolve } from 'node:path'
import { publishVerdict } from '../events.ts'
import { ModelSealError, shown } from '../errors.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import { Contents } from '../manifest/contents.ts'
import { nameWithin } from '../manifest/ignores.ts'
import { judgeBundle } from '../policy/judge.ts'
import { loadPolicy, ruleFor, type Policy, type Rule } from '../policy/policy.ts'
import type { Verdict } from '../policy/verdict.ts'
import { throwIfAborted } from '../source/local-source.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import { findBundles, type FoundModel } from './find-bundles.ts'
import { VerifiedModel } from './verified-model.ts'

export interface OpenOptions {
  /** The trust policy: a path, or one that was loaded. Without it, it is looked for. */
  policy?: string | Policy | undefined
  /** Path of the bundle. Without it, it is looked for beside the model. */
  signature?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
}

/** Reads files of a model whose signature and policy were accepted, each against its signed digest. */
export interface ModelReader {
  /** The file that was asked for, where a file was; else undefined. */
  readonly entry: string | undefined
  /** Names of all signed files. */
  readonly files: readonly string[]
  /**
   * @returns the bytes that were hashed; nobody else has this buffer
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Opens a model for any runtime: finds policy and bundle, verifies the signature, judges the
 * signer, and checks every file against the signed manifest. A failure of any step refuses the
 * model. Either way the verdict is published (see `VERDICT_CHANNEL`).
 *
 * `gather` is for loaders: it reads what the runtime is to get, before the remaining files are
 * checked, so that no file is read twice. What it returns must not reach the runtime before this
 * function has returned: only then the whole model is verified.
 *
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, `POLICY_INVALID`, `POLICY_NO_MATCH`,
 * `MODEL_NOT_FOUND`, `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`, `SIGNATURE_INVALID`,
 * `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH`, and the others of reading, parsing and hashing
 * @example
 * ```ts
 * await using model = await openVerifiedModel('models/llama', { policy: 'trust-policy.yaml' })
 * const config = await model.read('config.json')
 * ```
 */
export async function openVerifiedModel(path: string, options?: OpenOptions): Promise<VerifiedModel<undefined>>
export async function openVerifiedModel<T>(
  path: string,
  options: OpenOptions,
  gather: (reader: ModelReader) => Promise<T>,
): Promise<VerifiedModel<T>>
export async function openVerifiedModel<T>(
  path: string,
  options: OpenOptions = {},
  gather?: (reader: ModelReader) => Promise<T>,
): Promise<VerifiedModel<T | undefined>> {
  const verdict = emptyVerdict(path)
  try {
    const rule = await timed(verdict, 'policy', () => findRule(options, verdict))
    const { found, signature } = await timed(verdict, 'verification', () => findSignature(path, options, rule, verdict))
    const model = await timed(verdict, 'hashing', async () => {
      const contents = await compareNames(found, signature, options)
      try {
        const gathered = await gather?.({
          entry: found.entry ?? onlyFile(found),
          files: contents.names,
          read: (name) => contents.read(name),
        })
        await contents.checkRest()
        return new VerifiedModel(contents, signature.manifest, verdict, gathered)
      } finally {
        verdict.files.checked = contents.checked.files
        verdict.bytes = contents.checked.bytes
      }
    })
    throwIfAborted(options.signal)
    verdict.decision = 'accepted'
    publishVerdict(verdict)
    return model
  } catch (error) {
    throw refused(verdict, error)
  }
}

async function findRule({ policy: given }: OpenOptions, verdict: Verdict): Promise<Rule> {
  const policy = typeof given === 'object' ? given : await loadPolicy(given)
  verdict.policy = policy.path
  const rule = ruleFor(policy, verdict.model.path)
  verdict.rule = rule.name
  return rule
}

async function findSignature(
  path: string,
  options: OpenOptions,
  rule: Rule,
  verdict: Verdict,
): Promise<{ found: FoundModel; signature: VerifiedSignature }> {
  const found = await findBundles(path, options.signature)
  if (found.entry !== undefined) verdict.model.entry = found.entry
  throwIfAborted(options.signal)
  const signature = firstAccepted(found, rule, verdict)
  verdict.model.name = signature.manifest.modelName
  verdict.model.rootDigest = signature.manifest.rootDigest
  verdict.files.signed = signature.manifest.files.size
  return { found, signature }
}

/** Every bundle is judged, so that the verdict tells of each; the first that counts decides. */
function firstAccepted({ bundles }: FoundModel, rule: Rule, verdict: Verdict): VerifiedSignature {
  let accepted: VerifiedSignature | undefined
  let refusal: ModelSealError | undefined
  for (const found of bundles) {
    try {
      if ('error' in found) throw found.error
      const signature = judgeBundle(found.bundle, rule)
      verdict.bundles.push({ path: found.path, counted: accepted === undefined, signer: signature.signer })
      accepted ??= signature
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      verdict.bundles.push({ path: found.path, counted: false, reason: error.toJSON() })
      refusal ??= error
    }
  }
  if (accepted) return accepted
  throw refusal ?? new ModelSealError('BUNDLE_NOT_FOUND', 'The model has no signature bundle.')
}

function compareNames(
  { source, entry, bundles }: FoundModel,
  { manifest }: VerifiedSignature,
  options: OpenOptions,
): Promise<Contents> {
  if (entry !== undefined && !manifest.files.has(entry)) {
    throw new ModelSealError(
      'FILE_NOT_SIGNED',
      `The file ${shown(entry)} is not covered by the signature of the model.`,
      { file: entry },
    )
  }
  const ignored = bundles.flatMap(({ path }) => nameWithin(source, path) ?? [])
  return Contents.compareNames(source, manifest, { ignored, signal: options.signal, onProgress: options.onProgress })
}

function onlyFile({ source }: FoundModel): string | undefined {
  return source.kind === 'file' ? source.name : undefined
}

function emptyVerdict(path: string): Verdict {
  return {
    decision: 'refused',
    model: { path: resolve(path) },
    bundles: [],
    files: { checked: 0, signed: 0 },
    bytes: 0,
    durations: { policy: 0, verification: 0, hashing: 0 },
  }
}

async function timed<T>(verdict: Verdict, step: keyof Verdict['durations'], work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    verdict.durations[step] = performance.now() - start
  }
}

/** Only a typed error leaves, with the verdict on it. */
function refused(verdict: Verdict, cause: unknown): ModelSealError {
  const error = cause instanceof ModelSealError ? cause : unexpected(cause)
  verdict.decision = 'refused'
  verdict.error = error.toJSON()
  error.verdict = verdict
  publishVerdict(verdict)
  return error
}

function unexpected(cause: unknown): ModelSealError {
  return new ModelSealError(
    'INTERNAL',
    'The check failed for a reason that was not foreseen, so the model is refused.',
    {
      found: cause instanceof Error ? cause.message : String(cause),
      hint: 'Please report this.',
      cause,
    },
  )
}
