import type {
  AffectedModel,
  AffectedService,
  AffectedSigner,
  Limited,
  LoadCount,
  LoadedNow,
  Refusals,
} from './incident.ts'
import { MOST_PAIRS, MOST_ROWS, type Counts, type JournalFacts, type Living } from './journal-facts.ts'
import type { Period } from './counting.ts'

/** Names of a model that are shown. */
const MOST_NAMES = 20

type Sum = Counts & Living

interface ServiceSum extends Sum {
  service: string
  host: string
  models: Set<string>
}

interface ModelSum extends Sum {
  root: string
  names: Set<string>
  places: Set<string>
}

type SignerSum = Counts & Omit<AffectedSigner, keyof LoadCount>
type RefusalSum = Omit<Refusals, 'first' | 'last'> & { first: number; last: number }

/** What several journals say together. */
export class Merged {
  readonly services = new Map<string, ServiceSum>()
  readonly models = new Map<string, ModelSum>()
  readonly signers = new Map<string, SignerSum>()
  readonly refusals = new Map<string, RefusalSum>()
  readonly total: Sum = { ...NOTHING }
  /** True if a journal has more rows than were read. */
  isCut = false

  /** @param recent see {@link JournalFacts.living} */
  add(facts: JournalFacts, period: Period, recent: Period): void {
    addCounts(this.total, facts.total())
    const [services, models, spread, signers] = [facts.services(), facts.models(), facts.spread(), facts.signers()]
    const serviceKeys = new Map(services.map(({ place, service, host }) => [place, keyOf(service, host)]))
    const modelKeys = new Map(models.map(({ model, root, label }) => [model, keyOf(root, label)]))
    for (const { service, host, ...counts } of services)
      addCounts(
        entry(this.services, keyOf(service, host), () => ({ service, host, models: new Set(), ...NOTHING })),
        counts,
      )
    for (const { model, root, label, ...counts } of models) {
      const sum = entry(this.models, keyOf(root, label), () => ({
        root,
        names: new Set(),
        places: new Set(),
        ...NOTHING,
      }))
      addCounts(sum, counts)
      for (const name of facts.names(model)) if (sum.names.size < MOST_NAMES) sum.names.add(name)
    }
    for (const { root, label, service, host } of spread) {
      this.models.get(keyOf(root, label))?.places.add(keyOf(service, host))
      this.services.get(keyOf(service, host))?.models.add(keyOf(root, label))
    }
    for (const { place, model, ...living } of facts.living(period, recent)) {
      addLiving(this.total, living)
      addLiving(this.services.get(serviceKeys.get(place) ?? ''), living)
      addLiving(this.models.get(modelKeys.get(model) ?? ''), living)
    }
    this.#addSigners(signers)
    this.#addRefusals(facts, period)
    this.isCut ||=
      [services, models, signers].some(({ length }) => length === MOST_ROWS) || spread.length === MOST_PAIRS
  }

  #addSigners(signers: ReturnType<JournalFacts['signers']>): void {
    for (const { facts: text, counted, ...counts } of signers) {
      const signer = JSON.parse(text) as Omit<AffectedSigner, 'counted' | keyof LoadCount>
      const { method, fingerprint, name, identity, issuer, subject } = signer
      const known = {
        method,
        fingerprint,
        name,
        ...(identity !== undefined && { identity }),
        ...(issuer !== undefined && { issuer }),
      }
      const sum = entry(this.signers, text, () => ({
        ...known,
        ...(subject !== undefined && { subject }),
        counted: false,
        ...NOTHING,
      }))
      addCounts(sum, counts)
      sum.counted ||= counted === 1
    }
  }

  #addRefusals(facts: JournalFacts, period: Period): void {
    const revoked = facts.revocations(period).map((one) => ({ decision: 'revoked', ...one }))
    for (const { decision, code, count, first, last } of [...facts.refusals(), ...revoked]) {
      const kind = decision as Refusals['kind']
      const sum = entry(this.refusals, keyOf(kind, code), () => ({ kind, code, count: 0, first, last }))
      sum.count += count
      sum.first = Math.min(sum.first, first)
      sum.last = Math.max(sum.last, last)
    }
  }
}

const NOTHING: Sum = { loads: 0, refusals: 0, first: Infinity, last: -Infinity, running: 0, silent: 0 }

function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts)
}

function placeOf(key: string): { service: string; host: string } {
  const [service, host] = JSON.parse(key) as [string, string]
  return { service, host }
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function addCounts(sum: Counts, { loads, refusals, first, last }: Counts): void {
  if (loads + refusals === 0) return
  sum.loads += loads
  sum.refusals += refusals
  sum.first = Math.min(sum.first, first)
  sum.last = Math.max(sum.last, last)
}

function addLiving(sum: Living | undefined, { running, silent }: Living): void {
  if (!sum) return
  sum.running += running
  sum.silent += silent
}

export function loadedNow({ running, silent }: Living): LoadedNow {
  return running > 0 ? 'yes' : silent > 0 ? 'unknown' : 'no'
}

export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

function countsOf({ loads, refusals, first, last }: Counts): LoadCount {
  return { loads, refusals, first: timeText(first), last: timeText(last) }
}

export function servicesOf({ services }: Merged): Limited<AffectedService> {
  return limited(services.values(), ({ service, host, models, ...sum }) => ({
    service,
    host,
    ...countsOf(sum),
    loadedNow: loadedNow(sum),
    live: sum.running + sum.silent,
    models: models.size,
  }))
}

export function modelsOf({ models, services }: Merged): Limited<AffectedModel> {
  const inUseFirst = (a: string, b: string) => byUse(services.get(a) ?? NOTHING, services.get(b) ?? NOTHING)
  return limited(models.values(), ({ root, names, places, ...sum }) => ({
    ...(root !== '' && { rootDigest: root }),
    names: [...names],
    ...countsOf(sum),
    loadedNow: loadedNow(sum),
    services: places.size,
    loadedBy: [...places].sort(inUseFirst).slice(0, MOST_NAMES).map(placeOf),
  }))
}

/** Services that may still have something loaded come first, then those with more loads. */
function byUse(a: Sum, b: Sum): number {
  return (
    Number(b.running > 0) - Number(a.running > 0) || Number(b.silent > 0) - Number(a.silent > 0) || b.loads - a.loads
  )
}

export function signersOf({ signers }: Merged): Limited<AffectedSigner> {
  return limited(signers.values(), ({ loads, refusals, first, last, ...signer }) => {
    const { method, fingerprint, name, identity, issuer, subject, counted } = signer
    const named = { ...(identity !== undefined && { identity }), ...(issuer !== undefined && { issuer }) }
    const facts = { method, fingerprint, name, ...named, ...(subject !== undefined && { subject }), counted }
    return { ...facts, ...countsOf({ loads, refusals, first, last }) }
  })
}

export function refusalsOf({ refusals }: Merged): Limited<Refusals> {
  const items = [...refusals.values()].sort((a, b) => b.count - a.count)
  const told = items.map((one) => ({ ...one, first: timeText(one.first), last: timeText(one.last) }))
  return { items: told.slice(0, MOST_ROWS), more: Math.max(0, told.length - MOST_ROWS) }
}

/** Those with the most loads first. */
function limited<Given extends Counts, Item>(given: Iterable<Given>, tell: (one: Given) => Item): Limited<Item> {
  const all = [...given].sort((a, b) => b.loads + b.refusals - a.loads - a.refusals)
  return { items: all.slice(0, MOST_ROWS).map(tell), more: Math.max(0, all.length - MOST_ROWS) }
}
