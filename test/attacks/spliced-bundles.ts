import { bundleOver as keyBundleOver, keyPair } from '../../packages/core/src/testing/bundles.ts'
import { TestSigstore, type BundleJson, type Wanted } from '../../packages/core/src/testing/sigstore.ts'
import { writeBundle } from '../../packages/core/src/bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../packages/core/src/bundle/dsse.ts'
import { writeStatement } from '../../packages/core/src/bundle/statement.ts'
import { Manifest } from '../../packages/core/src/manifest/manifest.ts'
import type { Random } from './random.ts'

// Keyless bundles assembled from parts of valid ones.

/** Valid bundles: by several signers, for several models, with each kind of log and time. */
export async function validBundles(sigstore: TestSigstore): Promise<BundleJson[]> {
  const stampedAt = sigstore.at
  const later = new Date(sigstore.at.getTime() + 60_000)
  const wanted: Wanted[] = [
    { rekor: 'v1' },
    { rekor: 'v1', stampedAt },
    {
      rekor: 'v1',
      stampedAt: later,
      identity: 'https://github.com/mallory/models/.github/workflows/sign.yml@refs/heads/main',
    },
    { rekor: 'v1', loggedAt: later, identity: 'mallory@example.com', issuer: 'https://accounts.example.com' },
    { rekor: 'v2', stampedAt },
    { rekor: 'v2', stampedAt: later, identity: 'mallory@example.com' },
  ]
  return Promise.all(wanted.map((kind, i) => bundleOver(i % 2 === 0 ? 'model' : `model-${i}`, sigstore, kind)))
}

/** Bundles that are refused but have compatible parts: from an untrusted instance, and signed with a bare key. */
export async function foreignBundles(): Promise<BundleJson[]> {
  const stranger = new TestSigstore()
  return [
    await bundleOver('model', stranger, { rekor: 'v1', stampedAt: stranger.at }),
    await bundleOver('model', stranger, { rekor: 'v2', stampedAt: stranger.at }),
    JSON.parse(keyBundleOver(payloadOf('model'), keyPair()).toString()),
  ]
}

async function bundleOver(name: string, sigstore: TestSigstore, wanted: Wanted): Promise<BundleJson> {
  const payload = payloadOf(name)
  const signer = sigstore.signer(wanted)
  const { signature, verificationMaterial } = await signer.sign(
    preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload),
    undefined,
    payload,
  )
  return asJson(verificationMaterial, payload, signature)
}

function payloadOf(name: string): Buffer {
  const serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
  return writeStatement(new Manifest(name, serialization, [{ name: 'weights', digest: 'ab'.repeat(32) }]))
}

function asJson(material: object, payload: Buffer, signature: Buffer): BundleJson {
  return JSON.parse(writeBundle(material, { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature }).toString())
}

/** A valid bundle in which parts were replaced, repeated, removed or changed. */
export function spliced(random: Random, valid: readonly BundleJson[], parts: readonly BundleJson[]): BundleJson {
  const source = random.pick(valid)
  const bundle: BundleJson = structuredClone(source)
  const before = JSON.stringify(source)
  while (JSON.stringify(bundle) === before) spliceSome(random, bundle, parts)
  return bundle
}

function spliceSome(random: Random, bundle: BundleJson, parts: readonly BundleJson[]): void {
  for (let count = 1 + random.geometric(0.35); count > 0; count--) {
    const places = placesIn(bundle)
    if (places.length === 0) return
    splice(random, random.pick(places), random.pick(parts))
  }
}

type Key = string | number

/** A place in a bundle: its container, its key, and its path. */
interface Place {
  holder: Record<Key, BundleJson>
  key: Key
  path: readonly Key[]
}

function placesIn(value: BundleJson, path: readonly Key[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const keys: Key[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value as object)
  return keys.flatMap((key) => {
    const holder = value as Record<Key, BundleJson>
    return [{ holder, key, path: [...path, key] }, ...placesIn(holder[key], [...path, key])]
  })
}

function splice(random: Random, place: Place, other: BundleJson): void {
  const { holder, key, path } = place
  const same = at(other, path)
  const way = random.below(10)
  if (way < 4 && same !== undefined) holder[key] = structuredClone(same)
  else if (way === 4) remove(place)
  else if (way === 5 && Array.isArray(holder)) {
    const item: unknown = structuredClone(random.chance(0.5) ? holder[key as number] : (same ?? holder[key as number]))
    holder.splice(random.below(holder.length + 1), 0, item)
  } else if (way === 6) holder[key] = random.pick([null, '', [], {}, 0, -1, '0', true, [holder[key]], 'AA=='])
  else if (way === 7 && typeof same === 'object') merge(holder[key], same)
  else holder[key] = changedValue(random, holder[key], same)
}

function at(value: BundleJson, path: readonly Key[]): BundleJson {
  return path.reduce<BundleJson>((inner, key) => (typeof inner === 'object' ? inner?.[key] : undefined), value)
}

function remove({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(key as number, 1)
  else Reflect.deleteProperty(holder, key)
}

/** Adds the fields that only the other part has. */
function merge(into: BundleJson, from: BundleJson): void {
  if (typeof into !== 'object' || into === null || Array.isArray(into)) return
  for (const [key, value] of Object.entries(from as object)) into[key] ??= structuredClone(value) as unknown
}

function changedValue(random: Random, value: BundleJson, same: BundleJson): BundleJson {
  if (typeof value !== 'string') return value
  if (/^\d+$/.test(value))
    return random.pick([String(Number(value) + random.pick([1, -1, 60, 2 ** 32])), Number(value), `0${value}`])
  if (value.includes('\n\n')) return changedNote(random, value, typeof same === 'string' ? same : value)
  const text = Buffer.from(value, 'base64').toString('latin1')
  const other = typeof same === 'string' ? Buffer.from(same, 'base64').toString('latin1') : ''
  const result = text.startsWith('{') ? changedBody(random, text, other) : changedBytes(random, text, other)
  return Buffer.from(result, 'latin1').toString('base64')
}

/** A checkpoint: lines of text, an empty line, and lines of signatures. */
function changedNote(random: Random, note: string, other: string): string {
  const [text, signatures] = note.split('\n\n') as [string, string]
  const [otherText, otherSignatures] = other.split('\n\n') as [string, string]
  return random.pick([
    `${otherText}\n\n${signatures}`,
    `${text}\n\n${otherSignatures}`,
    `${text}\n\n${otherSignatures}${signatures}`,
    `${text}\n\n${signatures}${signatures}`,
    `${text}\nmore\n\n${signatures}`,
    `${text}\n\n${signatures.replace('rekor.test', 'rekor.evil')}`,
    `${text.replace(/\n\d+\n/, '\n2\n')}\n\n${signatures}`,
    `${note}\n`,
    note.trimEnd(),
    note.replaceAll('\n', '\r\n'),
  ])
}

/** The entry as the log stores it: JSON, in which readers may use different parts. */
function changedBody(random: Random, text: string, other: string): string {
  try {
    const body = JSON.parse(text)
    const foreign = JSON.parse(other === '' ? text : other)
    splice(random, random.pick(placesIn(body)), foreign)
    return JSON.stringify(body)
  } catch {
    return changedBytes(random, text, other)
  }
}

function changedBytes(random: Random, bytes: string, other: string): string {
  const place = random.below(bytes.length + 1)
  return random.pick([
    () => bytes.slice(0, place) + String.fromCharCode(random.below(256)) + bytes.slice(place + 1),
    () => bytes.slice(0, place) + bytes.slice(place + 1 + random.below(16)),
    () => bytes.slice(0, place) + other.slice(place),
    () => bytes + other,
    () => bytes + String.fromCharCode(0),
  ])()
}
