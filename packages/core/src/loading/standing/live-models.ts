import { onPolicyChange } from '../../policy/changes.ts'
import { setTimeout } from '../../real-time.ts'
import { currentVersion, type CurrentVersion } from './current-version.ts'
import type { JudgedLoad } from './judged-load.ts'
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
  onPolicyChange(judgeAll)
  judgeAll()
  poll()
}

/** The model is closed. */
export function unfollow({ revoked }: Standing): void {
  const reference = references.get(revoked)
  if (!reference) return
  live.delete(reference)
  collected.unregister(reference)
}

let isJudging = false
let hasChanged = false

/** Judges all models again, and once more if something changes meanwhile. However often that is, models are judged one after the other. */
function judgeAll(): void {
  hasChanged = true
  if (isJudging) return
  isJudging = true
  void judgeWhileChanging().finally(() => (isJudging = false))
}

async function judgeWhileChanging(): Promise<void> {
  while (changed()) {
    hasChanged = false
    await judgeEach()
    if (changed()) await new Promise((go) => setTimeout(go, PAUSE).unref())
  }
}

/** What is set by others meanwhile. */
function changed(): boolean {
  return hasChanged
}

async function judgeEach(): Promise<void> {
  const versions = new Map<JudgedLoad['by']['given'], Promise<CurrentVersion | undefined>>()
  const current = (given: JudgedLoad['by']['given']) => {
    const known = versions.get(given) ?? currentVersion(given)
    versions.set(given, known)
    return known
  }
  for (const reference of [...live]) {
    const standing = standingOf(reference)
    if (!standing) continue
    await standing.judge(current)
    if (standing.revoked.aborted) unfollow(standing)
  }
}

function standingOf(reference: WeakRef<AbortSignal>): Standing | undefined {
  const revoked = live.has(reference) ? reference.deref() : undefined
  return revoked && standings.get(revoked)
}

let timer: ReturnType<typeof setTimeout> | undefined

/** Runs only while there is a model whose policy nobody else looks at. */
function poll(): void {
  if (timer || ![...live].some((reference) => standingOf(reference)?.mustBePolled)) return
  timer = setTimeout(() => {
    timer = undefined
    judgeAll()
    poll()
  }, POLL)
  timer.unref()
}
