import type { InspectedBundle, InspectedSigner, InspectedStatement } from '@modelseal/core/verification'
import { amount, byteCount } from '../output.ts'
import type { Facts } from '../pages/content.ts'
import type { Extent, Section, Show } from './report.ts'
import { tableOf } from './statement-content.ts'

/** What a policy says about the signer of a bundle whose signature it verified. */
export interface JudgedSigner {
  /** The name of the trust root. */
  root: string
  counts: boolean
}

/** What a bundle says. @param judged undefined if no policy verified its signature */
export function bundleSection(bundle: InspectedBundle, judged: JudgedSigner | undefined, extent: Extent): Section {
  const { show } = extent
  const { path, digest, bytes = 0, method, signer, signature, statement, policy, other, error } = bundle
  const facts: Facts = [
    ...(method === undefined ? [] : [['method', method] as const]),
    ...(signer ? signerFacts(signer, show) : []),
    ...(bundle.logEntries ?? []).map(({ index, log, at }): Facts[number] => [
      'log entry',
      `${show(index)} of the log ${show(log)}${at === undefined ? '' : `, which states the time ${at}`}`,
    ]),
    ...(bundle.timestamps ?? []).map((at): Facts[number] => ['timestamp', `states the time ${at}`]),
    ...(signature === undefined ? [] : [['signature', signatureWords(signature, judged, show)] as const]),
    ...(digest === undefined ? [] : [['bundle', `sha256:${digest}, ${byteCount(bytes)}`] as const]),
    ...(other === undefined ? [] : [['content', `${other}, which is not a signature of a model`] as const]),
    ...(error ? [['problem', `${error.code}: ${error.message}`] as const] : []),
    ...(statement ? statementFacts(statement, show) : []),
  ]
  const rows = (statement?.files ?? []).map(({ name, size }) => [show(name), size === undefined ? '' : byteCount(size)])
  return {
    heading: `${other === undefined ? 'Bundle' : 'Other attachment'} ${show(path)}`,
    facts,
    tables: tableOf('Signed files', ['Name', 'Size'], rows, extent),
    texts:
      policy === undefined || judged?.counts === true
        ? []
        : [{ name: 'To trust this signer, add this to a policy', text: policy.trimEnd(), more: 0 }],
  }
}

function signatureWords(signature: keyof typeof ARITHMETIC, judged: JudgedSigner | undefined, show: Show): string {
  if (!judged) return ARITHMETIC[signature]
  const { root, counts } = judged
  return `valid under the trust root ${show(root)} of the policy${counts ? '' : ', but does not count'}`
}

const ARITHMETIC = {
  valid: 'was made with the key in the bundle, which says nothing about whose key that is',
  invalid: 'was NOT made with the key in the bundle',
  unknown: 'cannot be checked with the bundle alone, which does not contain the key',
} as const

function signerFacts(signer: InspectedSigner, show: Show): Facts {
  const { description, fingerprint, identity, issuer, subject, subjectAltNames = [], serialNumber } = signer
  const { notBefore = '', notAfter = '', furtherCertificates } = signer
  const facts: [string, string][] = [['signer', description]]
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined) facts.push([name, show(value)])
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

function statementFacts(statement: InspectedStatement, show: Show): Facts {
  const { name, rootDigest, method, hashType, shardSize, ignorePaths = [], allowSymlinks, files } = statement
  const sizes = files.flatMap(({ size }) => size ?? [])
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const how = method === 'files' ? 'whole files' : `shards of ${shardSize ?? 0} bytes`
  return [
    ...(name === undefined ? [] : [['model', show(name)] as const]),
    ['root digest', `sha256:${rootDigest}`],
    ['hashed', `${how}, ${hashType}${allowSymlinks ? ', links followed' : ''}`],
    ...(ignorePaths.length === 0 ? [] : [['ignored', listed(ignorePaths, show)] as const]),
    ['content', sizes.length === files.length ? amount({ files: files.length, bytes }) : countOf(files.length)],
  ]
}

const MOST_NAMES = 10

function countOf(files: number): string {
  return files === 1 ? '1 file' : `${files} files`
}

function listed(names: readonly string[], show: Show): string {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
  return `${names.slice(0, MOST_NAMES).map(show).join(', ')}${more}`
}
