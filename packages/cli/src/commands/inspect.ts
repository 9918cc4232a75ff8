import type { InspectedBundle, InspectedSigner, InspectedStatement } from '@modelseal/core/verification'
import type { Command } from 'commander'
import { maxBundleBytesOption, nonEmpty, pathOption, withJson } from '../options.ts'
import { amount, byteCount, revisionFact, summary } from '../output.ts'
import type { Outcome, Perform, Session } from '../perform.ts'

interface Flags {
  signature?: string
  maxBundleBytes?: number
}

/** `modelseal inspect BUNDLE|MODEL`: what bundles say, unverified. */
export function addInspect(program: Command, perform: Perform): void {
  withJson(program.command('inspect'))
    .description('Show what the signature bundles of a model say: who signed what, how and when. Verifies nothing.')
    .argument('<model>', 'bundle, or directory, file or URL (https://, hf://, oci://) of a model', nonEmpty)
    .addOption(pathOption('--signature <path>', 'bundle of the model (default: the ones next to the model)'))
    .addOption(maxBundleBytesOption())
    .addHelpText('after', HELP)
    .action(perform(inspect))
}

const HELP = `
No file of the model is read, and no signer is trusted: anyone can write a bundle that names anyone. Use "modelseal verify"
to find out whether a model is what a signer of yours has signed.

Sigstore bundles of other content, such as the signature that cosign attaches in a registry, are listed as other attachments.

Exit code: 0 if all bundles could be read, 1 if one of them could not, or there is none.

Examples:
  $ modelseal inspect models/vad
  $ modelseal inspect hf://org/vad@v1.0 --json`

type Facts = (readonly [name: string, value: string])[]
type Shown = (value: string) => string

async function inspect(model: string, flags: Flags, { signal }: Session): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { inspectModel } = await import('@modelseal/core/verification')
  const { signature, maxBundleBytes } = flags
  const inspection = await inspectModel(model, { signature, maxBundleBytes, signal })
  const bundles = inspection.bundles.map(named)
  return {
    lines: [
      'Nothing was verified. This is what the bundles say, and anyone can write a bundle.',
      ...inspection.bundles.flatMap((bundle) => ['', ...linesOf(bundle, revisionFact(inspection), shown)]),
    ],
    json: { result: { verified: false, ...inspection, bundles } },
    ...(areReadable(bundles) ? {} : { exitCode: 1 }),
  }
}

/** What else is attached in a registry does not matter, if there is a bundle. */
function areReadable(bundles: readonly InspectedBundle[]): boolean {
  return bundles.every(({ error }) => !error) && bundles.some(({ other }) => other === undefined)
}

/** Digests as everywhere in results. */
function named(bundle: InspectedBundle) {
  const { statement } = bundle
  return statement ? { ...bundle, statement: { ...statement, rootDigest: `sha256:${statement.rootDigest}` } } : bundle
}

function linesOf(bundle: InspectedBundle, revision: Facts, shown: Shown): string[] {
  const { path, digest, bytes = 0, method, signer, signature, statement, policy, other, error } = bundle
  const facts: Facts = [
    ...revision,
    ...(method === undefined ? [] : [['method', method] as const]),
    ...(signer ? signerFacts(signer, shown) : []),
    ...(bundle.logEntries ?? []).map(({ index, log, at }): Facts[number] => [
      'log entry',
      `${shown(index)} of the log ${shown(log)}${at === undefined ? '' : `, which states the time ${at}`}`,
    ]),
    ...(bundle.timestamps ?? []).map((at): Facts[number] => ['timestamp', `states the time ${at}`]),
    ...(signature === undefined ? [] : [['signature', ARITHMETIC[signature]] as const]),
    ...(digest === undefined ? [] : [['bundle', `sha256:${digest}, ${byteCount(bytes)}`] as const]),
    ...(other === undefined ? [] : [['content', `${other}, which is no signature of a model`] as const]),
    ...(error ? [['problem', `${error.code}: ${error.message}`] as const] : []),
    ...(statement ? statementFacts(statement, shown) : []),
  ]
  return [
    ...summary(`${other === undefined ? 'Bundle' : 'Other attachment'} ${shown(path)}`, facts),
    ...(statement ? fileLines(statement, shown) : []),
    ...(policy === undefined
      ? []
      : [
          'To trust this signer, add this to a policy:',
          ...policy
            .trimEnd()
            .split('\n')
            .map((line) => `  ${line}`),
        ]),
  ]
}

const ARITHMETIC = {
  valid: 'was made with the key in the bundle, which says nothing about whose key that is',
  invalid: 'was NOT made with the key in the bundle',
  unknown: 'cannot be checked by the bundle alone, which does not contain the key',
} as const

function signerFacts(signer: InspectedSigner, shown: Shown): Facts {
  const { description, fingerprint, identity, issuer, subject, subjectAltNames = [], serialNumber } = signer
  const { notBefore = '', notAfter = '', furtherCertificates } = signer
  const facts: [string, string][] = [['signer', description]]
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined) facts.push([name, shown(value)])
  }
  add('identity', identity)
  add('subject', subject)
  for (const name of subjectAltNames.slice(0, MOST_NAMES)) add('name', name)
  add('issuer', issuer)
  if (serialNumber !== undefined) {
    facts.push(['serial number', serialNumber], ['valid', `${notBefore} to ${notAfter}`])
    facts.push(['certificate', `sha256:${fingerprint ?? ''}`])
  }
  if (furtherCertificates !== undefined) facts.push(['chain', `${furtherCertificates} more in the bundle`])
  return facts
}

function statementFacts(statement: InspectedStatement, shown: Shown): Facts {
  const { name, rootDigest, method, hashType, shardSize, ignorePaths = [], allowSymlinks, files } = statement
  const sizes = files.flatMap(({ size }) => size ?? [])
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const how = method === 'files' ? 'whole files' : `shards of ${shardSize ?? 0} bytes`
  return [
    ...(name === undefined ? [] : [['model', shown(name)] as const]),
    ['root digest', `sha256:${rootDigest}`],
    ['hashed', `${how}, ${hashType}${allowSymlinks ? ', links followed' : ''}`],
    ...(ignorePaths.length === 0 ? [] : [['ignored', listed(ignorePaths, shown)] as const]),
    ['content', sizes.length === files.length ? amount({ files: files.length, bytes }) : countOf(files.length)],
  ]
}

const MOST_NAMES = 10
const MOST_FILES = 20

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`
}

function listed(names: readonly string[], shown: Shown): string {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
  return `${names.slice(0, MOST_NAMES).map(shown).join(', ')}${more}`
}

function fileLines({ files }: InspectedStatement, shown: Shown): string[] {
  const lines = files
    .slice(0, MOST_FILES)
    .map(({ name, size }) => `    ${shown(name)}${size === undefined ? '' : `  ${byteCount(size)}`}`)
  if (files.length > MOST_FILES) lines.push(`    and ${files.length - MOST_FILES} more (see --json)`)
  return lines
}
