// The data of the benchmarks: random, without holes, created once and cached in .cache/bench.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, randomFillSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const data = join(root, '.cache/bench')

const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** Parses a size such as `256MiB` into bytes. */
export function parseSize(text) {
  const [, count, unit] = /^([0-9]+)(KiB|MiB|GiB)$/.exec(text) ?? []
  if (unit === undefined) throw new Error(`${text} is no size: write 256MiB or 2GiB.`)
  return Number(count) * UNITS[unit]
}

export function sizeText(bytes) {
  const [unit, factor] = Object.entries(UNITS).findLast(([, factor]) => bytes % factor === 0) ?? ['bytes', 1]
  return `${bytes / factor} ${unit}`
}

/** A directory of `count` files of `size` bytes each; returns its path. */
export function files(count, size) {
  const directory = join(data, `${count}-files-of-${size}`)
  if (existsSync(directory)) return directory
  const making = `${directory}.making`
  rmSync(making, { recursive: true, force: true })
  for (let index = 0; index < count; index++) {
    const folder = join(making, count > 1_000 ? `layer-${String(Math.floor(index / 500)).padStart(3, '0')}` : '')
    mkdirSync(folder, { recursive: true })
    writeRandom(join(folder, `weights-${String(index).padStart(6, '0')}.bin`), size)
  }
  renameSync(making, directory)
  return directory
}

/** The only file of such a directory. */
export function file(size) {
  return join(files(1, size), 'weights-000000.bin')
}

function writeRandom(path, size) {
  if (size < 2 ** 20) {
    writeFileSync(path, randomBytes(size))
    return
  }
  const chunk = Buffer.alloc(2 ** 20)
  const fd = openSync(path, 'wx')
  for (let left = size; left > 0; left -= chunk.length)
    writeSync(fd, randomFillSync(chunk), 0, Math.min(left, chunk.length))
  closeSync(fd)
}

/** A key pair for the benchmarks on this machine; returns both paths. */
export function keys() {
  const privateKey = join(data, 'bench.key')
  const publicKey = join(data, 'bench.pub')
  if (!existsSync(privateKey)) {
    mkdirSync(data, { recursive: true })
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(privateKey, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  }
  const pem = createPublicKey(createPrivateKey(readFileSync(privateKey))).export({ type: 'spki', format: 'pem' })
  writeFileSync(publicKey, pem)
  return { privateKey, publicKey }
}
