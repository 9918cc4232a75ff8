import type { Verdict } from '@modelseal/core'
import type { Contradiction, LineageNode, WeighedAttestation, WeighedAttestations } from '@modelseal/core/attestation'
import type { InspectedModel } from '@modelseal/core/verification'
import { revisionFact } from '../output.ts'
import type { Facts, Status, Table } from '../pages/content.ts'
import { namedBy, statementContent, type StatementContent } from './statement-content.ts'
import { bundleSection, type JudgedSigner } from './bundle-section.ts'

/** How a name or value of unknown origin is written: quoted on a terminal, plain in a page, which escapes all of its text. */
export type Show = (value: string) => string

/** A part of the report under a heading of its own. */
export interface Section {
  heading: string
  status?: Status
  facts: Facts
  tables: readonly Table[]
  /** Long texts as they were written. */
  texts: readonly { name: string; text: string; more: number }[]
}

/** Everything that is known about a model, in the order in which it is shown. */
export interface Report {
  title: string
  status: Status
  facts: Facts
  attestations: readonly Section[]
  /** The number of attestations that are left out. Those that are believed come first. */
  more: number
  /** All of those at a glance. */
  overview: Table
  contradictions: Table
  lineage: LineageNode | undefined
  bundles: readonly Section[]
}

/** How much of it is shown. */
export interface Extent {
  show: Show
  attestations: number
  rows: number
  characters: number
}

interface Known extends WeighedAttestations {
  inspection: InspectedModel
  verdict: Verdict | undefined
}

export function reportOf(
  { inspection, verdict, attestations, contradictions, lineage }: Known,
  extent: Extent,
): Report {
  const { show } = extent
  const { model, attestationsError, bundles } = inspection
  const shown = attestations.slice(0, extent.attestations)
  const digest = verdict?.model.rootDigest ?? bundles[0]?.statement?.rootDigest
  const described = shown.map((one) => ({ one, content: one.error ? NO_CONTENT : statementContent(one, extent) }))
  const sections = described.map(({ one, content }) => attestationSection(one, content, extent))
  return {
    title: show(verdict?.model.name ?? bundles[0]?.statement?.name ?? model ?? bundles[0]?.path ?? ''),
    status: decisionOf(verdict, show),
    facts: [
      ...(model === undefined ? [] : [['location', show(model)] as const]),
      ...revisionFact(inspection),
      ...(digest === undefined ? [] : [['root digest', `sha256:${digest}`] as const]),
      ...(attestationsError
        ? [['attestations', `${attestationsError.message} (${attestationsError.code})`] as const]
        : []),
    ],
    attestations: sections,
    more: attestations.length - shown.length,
    overview: {
      caption: 'All statements that are kept with this model',
      header: ['Statement', 'Status', 'Signer', 'Stated at', 'Says'],
      rows: described.map(({ one, content }, index) => [
        sections[index]?.heading ?? '',
        statusOf(one).words,
        shortened(signerOf(one, show)),
        show(one.statedAt ?? ''),
        brief(content.gist),
      ]),
      more: attestations.length - shown.length,
    },
    contradictions: contradictionTable(contradictions, extent),
    lineage,
    bundles: bundles.map((bundle) => bundleSection(bundle, judgedSigner(bundle, verdict), extent)),
  }
}

/** The signer whose signature the policy found valid: of this bundle, unless it was replaced between the two readings. */
function judgedSigner(
  { path, signer, statement }: InspectedModel['bundles'][number],
  verdict: Verdict | undefined,
): JudgedSigner | undefined {
  const judged = verdict?.bundles.find((one) => one.path === path)
  if (!judged?.signer || judged.signer.description !== signer?.description) return undefined
  if (verdict?.model.rootDigest !== statement?.rootDigest) return undefined
  return { root: judged.signer.name, counts: judged.counted }
}

function decisionOf(verdict: Verdict | undefined, show: Show): Status {
  if (!verdict)
    return {
      tone: 'unsure',
      words: 'Nothing was verified',
      why: 'This is what the bundles and attestations say, and anyone can write them. With --policy, a trust policy decides.',
    }
  const { decision, policy = '', rule, error, wouldRefuse, files } = verdict
  const by = `The policy ${show(policy)}${rule === undefined ? '' : `, rule ${show(rule)}`}`
  if (decision === 'accepted') return { tone: 'good', words: 'Accepted', why: `${by}, accepts ${whatIsSigned(files)}` }
  const reason = error ?? wouldRefuse
  const because = reason ? `: ${reason.message} (${reason.code})` : '.'
  if (decision === 'refused') return { tone: 'bad', words: 'Refused', why: `${by}, refuses the model${because}` }
  return { tone: 'bad', words: 'Not verified', why: `${by}, lets it load unverified${because}` }
}

/** A program verifies what it reads of a dataset when it reads it, and so for files that a rule need not check. */
function whatIsSigned({ checked, signed }: Verdict['files']): string {
  if (checked >= signed) return 'the model: it is what a trusted signer signed.'
  return `the signature. ${checked} of ${signed} signed files were compared with it.`
}

function attestationSection(one: WeighedAttestation, content: StatementContent, { show }: Extent): Section {
  const { path, digest, kind, type, statedAt, time } = one
  const { facts, tables, texts } = content
  const unnamed = type === undefined ? 'unreadable statement' : `statement of the type ${show(type)}`
  return {
    heading: capital(kind?.replace('-', ' ') ?? unnamed),
    status: statusOf(one),
    facts: [
      [one.verifiedSigner ? 'signer' : 'claimed signer', signerOf(one, show)],
      ...(time ? [['signed', `before ${time.at}, according to ${show(time.authority)}`] as const] : []),
      ...(statedAt === undefined ? [] : [['states the time', show(statedAt)] as const]),
      ...facts,
      ...(type === undefined ? [] : [['type', show(type)] as const]),
      ['file', show(path)],
      ...(digest === undefined ? [] : [['digest', `sha256:${digest}`] as const]),
    ],
    tables,
    texts,
  }
}

const NO_CONTENT: StatementContent = { gist: '', facts: [], tables: [], texts: [] }

/** The name that the policy has for a signer comes first. */
function signerOf({ verifiedSigner, signer }: WeighedAttestation, show: Show): string {
  if (verifiedSigner) return `${show(verifiedSigner.name)}: ${verifiedSigner.description}`
  return signer?.description ?? 'unknown'
}

const LONGEST_GIST = 120

function brief(gist: string): string {
  return gist.length > LONGEST_GIST ? `${gist.slice(0, LONGEST_GIST)}…` : gist
}

/** Enough of a digest to recognize it in a table; the whole one is below. */
function shortened(text: string): string {
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…')
}

function statusOf({ belief, why, error, isAbout }: WeighedAttestation): Status {
  if (error) return { tone: 'bad', words: 'Unreadable', why }
  if (belief === 'believed') return { tone: 'good', words: 'Believed', why }
  if (belief === 'verified') return { tone: 'unsure', words: 'Signed, but not believed', why }
  return { tone: 'unsure', words: isAbout === false ? 'About another model' : 'Merely claimed', why }
}

function contradictionTable(contradictions: readonly Contradiction[], { show, rows }: Extent): Table {
  const all = contradictions.map(({ signer, metric, unit, dataset, slice, values }) => [
    `${show(metric)}${unit === undefined ? '' : ` in ${show(unit)}`}`,
    dataset ? shortened(namedBy(dataset.name, dataset.sha256, show)) : '',
    slice === undefined ? '' : show(slice),
    values.map(({ value, belief, path }) => `${value} (${CONTRADICTING[belief]}, ${show(path)})`).join('; '),
    shortened(signer),
  ])
  return {
    caption: 'Measurements that differ although they name the same signer',
    header: ['Metric', 'Dataset', 'Slice', 'Values', 'Signer'],
    rows: all.slice(0, rows),
    more: Math.max(0, all.length - rows),
  }
}

const CONTRADICTING = { believed: 'believed', verified: 'signed, but not believed', claimed: 'merely claimed' } as const

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
