import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { isRemote } from '../../hubs.ts'
import { isUri, nonEmpty, pathOption } from '../../options.ts'
import type { Session } from '../../perform.ts'
import { attestedVerdict, withVerdict, type VerdictFlags, type VerifiedByPolicy } from './attest-verdict.ts'

/** Options that say what a statement contains. */
export interface ContentFlags extends VerdictFlags {
  type: string
  from?: string
  builder?: string
  buildType?: string
  param: string[]
  baseModel: string[]
  dataset: string[]
  invocation?: string
  startedOn?: string
  finishedOn?: string
}

/** The content of a statement, and where it comes from. */
export interface AttestedContent {
  predicate: object
  /** For people. */
  source: string
  /** The file that it was made from. */
  from?: string
  /** Its content. */
  bytes?: Uint8Array
  /** What a policy has verified about the model. */
  verified?: VerifiedByPolicy
}

/** Adds the options of {@link ContentFlags}. */
export function withContent(command: Command): Command {
  const described = command
    .addOption(
      new Option('--type <type>', 'kind of the statement, or the URI of a predicate type')
        .choices(['evaluation', 'model-card', 'data-card', 'provenance', 'verification-summary'])
        // The core checks the type.
        .argParser(nonEmpty)
        .makeOptionMandatory(),
    )
    .addOption(pathOption('--from <path>', 'file that the statement is made from'))
    .option('--builder <uri>', 'provenance: the platform that made the model', isUri)
    .option('--build-type <uri>', 'provenance: defines the meaning of its parameters', isUri)
    .addOption(repeated('--param <name=value>', 'provenance: parameter of the build; may be repeated', isParameter))
    .addOption(
      repeated('--base-model <name=sha256:…>', 'provenance: base model with its root digest; may be repeated', isNamed),
    )
    .addOption(
      repeated('--dataset <name=sha256:…>', 'provenance: dataset with its root digest; may be repeated', isNamed),
    )
    .option('--invocation <uri>', 'provenance: the run of the build', nonEmpty)
    .option('--started-on <time>', 'provenance: when the build began, such as 2026-11-01T09:30:00Z', isPastTime)
    .option('--finished-on <time>', 'provenance: when it ended', isPastTime)
  return withVerdict(described)
}

function repeated(flags: string, description: string, check: (text: string) => string): Option {
  return new Option(flags, description)
    .argParser((text: string, all: string[]) => [...all, check(text)])
    .default([], 'none')
}

function isParameter(text: string): string {
  if (!/^[^=]+=/.test(text)) throw new InvalidArgumentError('Expected NAME=VALUE.')
  return text
}

function isPastTime(text: string): string {
  const [, day = ''] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const time = Date.parse(text)
  const start = Date.parse(`${day}T00:00:00Z`)
  // A day that does not exist is read as one of the next month.
  if (day === '' || Number.isNaN(time) || !new Date(start).toISOString().startsWith(day))
    throw new InvalidArgumentError('Expected a time with a time zone, such as 2026-11-01T09:30:00Z.')
  if (time > Date.now()) throw new InvalidArgumentError('This time is in the future.')
  return text
}

function isNamed(text: string): string {
  if (/^.+=sha256:[0-9a-f]{64}$/.test(text)) return text
  throw new InvalidArgumentError(
    'Expected NAME=sha256: and the 64 lowercase hex digits of the root digest, which "modelseal inspect" shows.',
  )
}

/** The options that only one type has. */
const OPTIONS_OF: Readonly<Partial<Record<string, readonly (keyof ContentFlags)[]>>> = {
  provenance: ['builder', 'buildType', 'param', 'baseModel', 'dataset', 'invocation', 'startedOn', 'finishedOn'],
  'verification-summary': ['policy', 'policyUri', 'verifierId', 'resourceUri', 'verifiedLevel'],
}

/** Refuses options that would have no effect, and a statement without content. */
export function checkContent(command: Command): void {
  const { type, from, builder, buildType, startedOn, finishedOn, verifierId, check } = command.opts<
    ContentFlags & { check: boolean }
  >()
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli'
  for (const [owner, names] of Object.entries(OPTIONS_OF)) {
    const given = names?.find(isGiven)
    if (given === undefined || (owner === type && from === undefined)) continue
    const other = owner === type ? '--from' : `--type ${type}`
    const option = command.options.find((one) => one.attributeName() === given)
    command.error(`error: option '${option?.long ?? given}' cannot be used with '${other}'`)
  }
  if (from !== undefined) return
  if ((builder === undefined) !== (buildType === undefined))
    command.error("error: '--builder' and '--build-type' must be used together")
  if (startedOn !== undefined && finishedOn !== undefined && Date.parse(finishedOn) < Date.parse(startedOn))
    command.error("error: the time of '--finished-on' is before that of '--started-on'")
  if (type !== 'verification-summary') return
  if (verifierId === undefined)
    command.error("error: '--type verification-summary' needs '--verifier-id URI', which names the verifier")
  if (!check) command.error("error: option '--no-check' cannot be used with '--type verification-summary'")
}

/** Makes the content of the statement. */
export async function contentOf(model: string, flags: ContentFlags, session: Session): Promise<AttestedContent> {
  const { makeAttestation, predicateTypeOf, readAttestationFile } = await import('@modelseal/core/attestation')
  const { type } = flags
  predicateTypeOf(type)
  if (flags.from === undefined) {
    if (type === 'provenance') return provenanceOf(flags)
    if (type === 'verification-summary') return attestedVerdict(model, flags, session)
  }
  const from = flags.from ?? (await cardSourceOf(model, type))
  const { bytes } = await readAttestationFile(from)
  const predicate = await makeAttestation(type, {
    bytes,
    file: from,
    name: basename(isRemote(model) ? new URL(model).pathname : resolve(model)),
  })
  const { shown } = await import('@modelseal/core/errors')
  return { predicate, source: shown(from), from, bytes }
}

async function provenanceOf(flags: ContentFlags): Promise<AttestedContent> {
  const { makeProvenance } = await import('@modelseal/core/attestation')
  const { builder, buildType, param, baseModel, dataset, invocation, startedOn, finishedOn } = flags
  const parameters = Object.fromEntries(
    param.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  )
  const given = { builder, buildType, invocation, startedOn, finishedOn }
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const predicate = makeProvenance({ ...named, parameters, baseModels: baseModel, datasets: dataset }, process.env)
  return { predicate, source: builder === undefined ? 'the environment of this CI job' : 'the options of the command' }
}

/** What a card is made from if no file is given. */
async function cardSourceOf(model: string, type: string): Promise<string> {
  if (/^(?:model|data)-card$/.test(type) && !isRemote(model)) {
    const path = join(model, 'README.md')
    if (existsSync(path) || !existsSync(model)) return path
    const croissant = join(model, 'croissant.json')
    if (type === 'data-card' && existsSync(croissant)) return croissant
    const { ModelSealError, shown } = await import('@modelseal/core/errors')
    throw new ModelSealError('FILE_NOT_FOUND', `There is no ${type.replace('-', ' ')} at ${shown(path)}.`, {
      file: path,
      hint: 'Write one and sign the model again, or name another file with --from.',
    })
  }
  const example = type === 'evaluation' ? 'the results of the evaluation in JSON' : 'a file with its content'
  throw new InvalidArgumentError(`The type ${type} needs --from FILE: ${example}.`)
}
