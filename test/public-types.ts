import {
  loadPolicy,
  ModelSealError,
  openVerifiedModel,
  watchPolicy,
  type Attestation,
  type BelievedAttestations,
  type Manifest,
  type OpenOptions,
  type Policy,
  type UnverifiedModel,
  type Verdict,
  type VerifiedModel,
} from '@modelseal/core'
import * as core from '@modelseal/core'
import { outcomeOf } from '@modelseal/core/adapter'
import type { Evaluation, ModelCard, Provenance } from '@modelseal/core/attestation'
import * as onnx from '@modelseal/onnxruntime'
import * as tfjs from '@modelseal/tfjs'
import { attestationsOf, verdictOf, verified, type VerifiedOptions } from '@modelseal/transformers'
import * as transformers from '@huggingface/transformers'

// What the published types promise. Nothing here runs: public-types.test.ts compiles it, as it does the code of the documents.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function holds<_T extends true>(): void

export async function errorsCarryVerdicts(error: unknown): Promise<void> {
  if (!(error instanceof ModelSealError)) throw error
  holds<Same<typeof error.verdict, Verdict | undefined>>()
  holds<Same<NonNullable<typeof error.verdict>['decision'], Verdict['decision']>>()
}

export async function policiesAreOpaque(): Promise<void> {
  const policy = await loadPolicy('policy.yaml')
  holds<Same<typeof policy, Policy>>()
  holds<Same<keyof Policy, 'path'>>()
  const options: OpenOptions[] = [{ policy }, { policy: await watchPolicy() }, { policy: 'policy.yaml' }]
  // @ts-expect-error made by hand
  options.push({ policy: { path: 'policy.yaml', rules: [] } })
  // @ts-expect-error a copy, which could have been changed
  options.push({ policy: { ...policy } })
}

export function formatsAreOpen(): void {
  const formats: OpenOptions['format'][] = ['onnx', 'gguf']
  // @ts-expect-error a name
  formats.push(1)
}

export async function nobodyElseMakesModels(): Promise<void> {
  // @ts-expect-error only openVerifiedModel() makes one
  new core.VerifiedModel()
  // @ts-expect-error likewise
  new core.UnverifiedModel()
  // @ts-expect-error only watchPolicy() makes one
  new core.WatchedPolicy()
  const byHand = { decision: 'accepted' as const, verdict: {} as never, manifest: {} as Manifest, gathered: undefined }
  // @ts-expect-error no class of the core
  holds<typeof byHand extends VerifiedModel ? true : false>()
}

export async function modelsTellWhetherTheyWereVerified(): Promise<void> {
  const model = await openVerifiedModel('models/vad', {}, () => Promise.resolve(1))
  holds<Same<typeof model, VerifiedModel<number> | UnverifiedModel<number>>>()
  holds<Same<typeof model.manifest, Manifest | undefined>>()
  // @ts-expect-error it may be unverified
  const verified: VerifiedModel<number> = model
  void verified
  if (model.decision === 'accepted') {
    holds<Same<typeof model, VerifiedModel<number>>>()
    holds<Same<typeof model.manifest, Manifest>>()
    const { policy, rule }: { policy: string; rule: string } = model.verdict
    const rootDigest: string = model.verdict.model.rootDigest
    void [policy, rule, rootDigest]
  } else {
    holds<Same<typeof model, UnverifiedModel<number>>>()
    holds<Same<typeof model.decision, 'tolerated' | 'skipped'>>()
    holds<Same<typeof model.manifest, undefined>>()
  }
  const outcome = outcomeOf(model)
  if (outcome.decision === 'accepted') {
    holds<Same<typeof outcome.verdict.decision, 'accepted'>>()
    holds<Same<typeof outcome.attestations, BelievedAttestations>>()
  }
  // @ts-expect-error it may be unverified
  void outcome.attestations
}

export async function adaptersDoLikewise(tf: tfjs.TensorFlow, loadedByTransformers: object): Promise<void> {
  const onlyVerified = (loaded: Extract<onnx.LoadedModel, { decision: 'accepted' }>) => loaded.session
  const loaded = await onnx.loadVerifiedModel('models/vad')
  // @ts-expect-error it may be unverified
  onlyVerified(loaded)
  if (loaded.decision === 'accepted') holds<Same<typeof loaded.verdict.decision, 'accepted'>>()
  if (loaded.decision === 'accepted') onlyVerified(loaded)
  if (loaded.decision === 'accepted') {
    const evaluation = loaded.attestations('evaluation').at(0)
    holds<Same<typeof evaluation, Attestation<Evaluation> | undefined>>()
    const review = loaded.attestations('https://example.org/review/v1').at(0)
    holds<Same<typeof review, Attestation | undefined>>()
  }
  const byTf = await tfjs.loadVerifiedModel(tf, 'models/blazeface')
  if (byTf.decision === 'accepted' && byTf.format === 'graph-model') {
    holds<Same<typeof byTf.verdict.decision, 'accepted'>>()
    holds<Same<typeof byTf.format, 'graph-model'>>()
    const card = byTf.attestations('model-card').at(0)
    holds<Same<typeof card, Attestation<ModelCard> | undefined>>()
  }
  await onnx.loadVerifiedModel(new URL('hf://org/vad/onnx/model.onnx'))
  const { pipeline } = verified(transformers, { policy: 'policy.yaml', hub: true })
  holds<Same<typeof pipeline, typeof transformers.pipeline>>()
  // @ts-expect-error not the URL of a hub
  const options: VerifiedOptions = { hub: 'https://hub.example' }
  verified(transformers, options)
  const verdict = verdictOf(loadedByTransformers)
  if (verdict?.decision === 'accepted') holds<Same<typeof verdict.rule, string>>()
  const provenance = attestationsOf(loadedByTransformers, 'provenance').at(0)
  holds<Same<typeof provenance, Attestation<Provenance> | undefined>>()
}
