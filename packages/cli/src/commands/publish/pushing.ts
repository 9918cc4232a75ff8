import { basename } from 'node:path'
import type { SignedModel, Signer } from '@modelseal/core/signing'
import type { PushedModel, PushOptions, PushSettings, UploadedFile } from '@modelseal/hub'
import type { S3PushedModel, S3PushSettings } from '@modelseal/s3'
import { Option, type Command } from 'commander'
import { isInBucket } from '../../hubs.ts'
import { nonEmpty, pathOption, withJson, workersOption } from '../../options.ts'
import { amount, byteCount, summary } from '../../output.ts'
import { keySignerWithPassword } from '../../password.ts'
import type { Outcome, Session } from '../../perform.ts'

/** Options of every command that pushes. */
export interface PushingFlags {
  target: string
  verify: 'listing' | 'full'
  message?: string
  createRepo?: boolean
  private?: boolean
  createPr?: boolean
  delete?: boolean
  cosignKey?: string
}

/** Adds the target and the options of {@link PushingFlags}, after those of the model. */
export function withPushing(command: Command): Command {
  return command
    .argument(
      '<target>',
      'hf://ORG/NAME[@BRANCH][/FOLDER], oci://HOST/REPOSITORY[:TAG] or s3://BUCKET/PREFIX',
      nonEmpty,
    )
    .addOption(
      new Option('--verify <how>', 'what to read back: names, sizes and stated digests, or every byte')
        .choices(['listing', 'full'])
        .default('listing'),
    )
    .option('--message <text>', 'Hugging Face: title of the commit (default: "Upload a signed model")')
    .option('--create-pr', 'Hugging Face: open a pull request')
    .option('--create-repo', 'Hugging Face: create the repository if it does not exist')
    .option('--private', 'Hugging Face: make it private if it is created')
    .option('--delete', 'Hugging Face: delete files that are not signed, in the same commit')
    .addOption(
      pathOption('--cosign-key <path>', 'registry: also sign the manifest for "cosign verify" with this key on P-256'),
    )
}

/** Adds what a command that pushes without signing needs before {@link withPushing}. */
export function withPushedModel(command: Command): Command {
  return withJson(command)
    .argument('<model>', 'directory or file of the model', nonEmpty)
    .addOption(pathOption('--signature <path>', 'bundle (default: the one beside the model)'))
    .addOption(workersOption())
}

/** What pushes to a place. */
interface Publisher {
  checkPushTarget(target: string, options: PushSettings): Promise<void>
  pushModel(model: string, target: string, options: PushOptions): Promise<Pushed>
}

/** What all places say of a model that was pushed, and what only some do. */
type Pushed = S3PushedModel & Partial<PushedModel>

/** The package that knows the place. */
export async function publisherFor(target: string): Promise<Publisher> {
  if (!isInBucket(target)) return import('@modelseal/hub')
  const { checkPushTarget, pushModel } = await import('@modelseal/s3')
  return {
    checkPushTarget: async (place, options) => checkPushTarget(place, await forBucket(options)),
    pushModel: async (model, place, options) => pushModel(model, place, { ...options, ...(await forBucket(options)) }),
  }
}

/** Options for other places must not be ignored. */
async function forBucket({ huggingFace, cosignSigner, signal, onProgress }: PushSettings): Promise<S3PushSettings> {
  const [name] = Object.entries({ ...huggingFace, cosignSigner }).find(([, value]) => value !== undefined) ?? []
  if (name === undefined) return { signal, onProgress }
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot push to a bucket with these settings.', {
    expected: 'no options for Hugging Face and registries',
    found: shown(name),
  })
}

/** The options of the packages that publish, apart from who signed. */
export async function pushOptions(flags: PushingFlags, { signal, onProgress }: Session): Promise<PushSettings> {
  const { verify, message, createRepo, private: isPrivate, createPr, delete: deletes, cosignKey } = flags
  const asked = { message, createRepo, private: isPrivate, createPr, delete: deletes }
  const isAsked = Object.values(asked).some((value) => value !== undefined)
  return {
    verify,
    huggingFace: isAsked ? asked : undefined,
    cosignSigner: cosignKey === undefined ? undefined : await cosignSigner(cosignKey, signal),
    signal,
    onProgress,
  }
}

async function cosignSigner(privateKey: string, signal: AbortSignal): Promise<Signer> {
  const { keySigner } = await import('@modelseal/core/signing')
  return keySignerWithPassword(keySigner, { privateKey, password: process.env.MODELSEAL_PASSWORD }, signal)
}

/** What is reported if the model was signed, too. */
interface SigningReport {
  facts: readonly (readonly [string, string])[]
  notes: readonly string[]
  warnings?: SignedModel['warnings']
}

/** Reports what was pushed. */
export async function pushingOutcome(
  model: string,
  { target }: PushingFlags,
  pushed: Pushed,
  { facts, notes, warnings }: SigningReport = { facts: [], notes: [] },
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const {
    url,
    revision,
    pullRequest,
    rootDigest,
    signers,
    uploaded,
    bundles,
    checked,
    deleted = [],
    bundleFiles,
  } = pushed
  const { attestations, leftOut } = pushed
  const bytes = uploaded.reduce((sum, { size }) => sum + size, 0)
  const kept = pushed.uploaded.filter((file: UploadedFile) => file.isSent === false).length
  return {
    lines: [
      ...summary(`Pushed ${shown(model)} to ${shown(target)}`, [
        ...(revision === undefined ? [] : [[/^oci:/i.test(target) ? 'digest' : 'commit', revision] as const]),
        ...(pullRequest === undefined ? [] : [['pull request', shown(pullRequest)] as const]),
        ...bundles.map((bundle, index) => ['signature', namedBundle(bundle, bundleFiles[index] ?? '', shown)] as const),
        ...signers.map((signer) => ['signer', signer] as const),
        ...facts,
        ['content', amount({ files: uploaded.length, bytes })],
        ...(kept === 0 ? [] : [['not sent', `${kept} of them, which the registry had`] as const]),
        ...attestations.map(({ type }) => ['attestation', shown(type)] as const),
        ...(deleted.length === 0 ? [] : [['deleted', deleted.map(shown).join(', ')] as const]),
        ['read back', readBackText(checked)],
        ['root digest', `sha256:${rootDigest}`],
      ]),
      ...notes,
    ],
    notes: [
      ...(checked.full || checked.read === checked.files ? [] : [STATED]),
      ...leftOut.map(({ path, reason }) => `The attestation ${shown(path)} was not published. ${reason}`),
    ],
    json: { result: { ...pushed, url, rootDigest: `sha256:${rootDigest}`, warnings } },
  }
}

/** In a repository, a bundle gets the name under which loads find it. In a registry, it has a digest. */
function namedBundle(url: string, file: string, shown: (text: string) => string): string {
  const isRenamed = /^(?:hf|s3):/i.test(url) && basename(file) !== url.split('/').at(-1)
  return isRenamed ? `${shown(url)}, from ${shown(file)}` : shown(url)
}

const STATED =
  'Files that were not read back were compared by the SHA-256 digests that are stated for them. "--verify full" reads every byte.'

function readBackText({ files, read, bytes }: Pushed['checked']): string {
  const content = read === 0 ? 'no content' : `the content of ${read} (${byteCount(bytes)})`
  return `the list of ${files} ${files === 1 ? 'file' : 'files'}, ${read === 0 ? 'but' : 'and'} ${content}`
}
