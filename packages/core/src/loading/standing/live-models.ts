import { onPolicyChange } from '../../policy/watching/changes.ts'
import { setTimeout } from '../../real-time.ts'
import type { JudgedBy } from '../judging/judged-by.ts'
import { currentVersion, type CurrentVersion } from './current-version.ts'
import { pause } from './soon.ts'
import type { Standing } from './standing.ts'

/** Between two rounds of judging, in milliseconds. Changes in this time are judged together. */
const PAUSE = 100
/** How often the files of watched policies and of feeds are looked at while a model is loaded, in milliseconds. */
const POLL = 2_000

/** How each model stands that is loaded. Only whoever has the signal of a model keeps what is remembered of it alive. */
const standings = new WeakMap<AbortSignal, Standing>()
const live = new Set<WeakRef<AbortSignal>>()
const references = new WeakMap<AbortSignal, WeakRef<AbortSignal>>()
const collected = new FinalizationRegistry<WeakRef<AbortSignal>>((reference) => live.delete(reference))

/** Judges a model again whenever a policy or a feed by which it was judged changes; also if one has changed since its load began. */
export function follow(standing: Standing): void {
  if (!standing.isChangeable) return
  const { revoked } = standing
  const reference = references.get(revoked) ?? new WeakRef(revoked)
  if (live.has(reference)) return
  standings.set(revoked, standing)
  references.set(revoked, reference)
  live.add(reference)
  collected.register(revoked, reference, reference)
  standing.followed(() => {
    live.delete(reference)
    collected.unregister(reference)
  })
  onPolicyChange(judgeAll)
  joined.add(reference)
  judgeSoon()
  if (standing.mustBePolled) poll()
}

/** Models that were not judged since they were loaded. A load must not have all others judged again. */
const joined = new Set<WeakRef<AbortSignal>>()
let hasChanged = false
let isJudging = false

function judgeAll(): void {
  hasChanged = true
  judgeSoon()
}

/** Judges what has to be judged, and once more if something changes meanwhile. However often that is, models are judged one after the other. */
function judgeSoon(): void {
  if (isJudging) return
  isJudging = true
  void judgeWhileChanging().finally(() => (isJudging = false))
}

async function judgeWhileChanging(): Promise<void> {
  while (mustJudge()) {
    const references = [...(hasChanged ? live : joined)]
    hasChanged = false
    joined.clear()
    await judgeEach(references)
    if (mustJudge()) await pause(PAUSE)
  }
}

/** Others set it meanwhile. */
function mustJudge(): boolean {
  return hasChanged || joined.size > 0
}

/** All policies and feeds are looked at side by side, and none of them is waited for. */
async function judgeEach(references: readonly WeakRef<AbortSignal>[]): Promise<void> {
  const looks = new Map<JudgedBy['given'], Map<JudgedBy['read'], Promise<CurrentVersion>>>()
  /** One look for all models that were judged by the same version of the same policy. */
  const current = (by: JudgedBy): Promise<CurrentVersion> => {
    const versions = looks.get(by.given) ?? new Map<JudgedBy['read'], Promise<CurrentVersion>>()
    const look = versions.get(by.read) ?? lookAt(by)
    looks.set(by.given, versions.set(by.read, look))
    return look
  }
  const all = references.flatMap((reference) => standingOf(reference)?.judgedBy ?? [])
  await Promise.allSettled(all.map(current))
  for (const reference of references) await standingOf(reference)?.judge(current)
}

async function lookAt(by: JudgedBy): Promise<CurrentVersion> {
  const { version, later } = await currentVersion(by)
  void later?.then(judgeAll)
  return version
}

function standingOf(reference: WeakRef<AbortSignal>): Standing | undefined {
  const revoked = live.has(reference) ? reference.deref() : undefined
  return revoked && standings.get(revoked)
}

let timer: ReturnType<typeof setTimeout> | undefined

/** Runs only while there is a model whose policy nobody else looks at. */
function poll(): void {
  timer ??= setTimeout(() => {
    timer = undefined
    judgeAll()
    if ([...live].some((reference) => standingOf(reference)?.mustBePolled)) poll()
  }, POLL)
  timer.unref()
}
