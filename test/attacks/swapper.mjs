// A process that alternates between good and evil content of a model until it is ended:
//   node swapper.mjs KIND DIRECTORY SEED
// DIRECTORY has the model in "models/model" (good at first), and its two contents in "good" and "evil".
import {
  closeSync,
  copyFileSync,
  cpSync,
  fstatSync,
  futimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Random } from './random.ts'

const [kind, directory, seed] = process.argv.slice(2)
const random = new Random(Number(seed))
const model = join(directory, 'models', 'model')
const weights = join(model, 'sub', 'weights.bin')
// Files that are renamed into place are created here: on the same file system, outside the model.
const stage = join(directory, 'stage')
mkdirSync(stage, { recursive: true })
let count = 0
const fresh = () => join(stage, String(++count))

const swaps = {
  /** Replaces the file with another one. */
  rename(content) {
    const file = fresh()
    copyFileSync(join(directory, content, 'sub', 'weights.bin'), file)
    renameSync(file, weights)
  },

  /** Writes to the file, without changing its size and modification time. */
  write: (() => {
    const bytes = {}
    return (content) => {
      bytes[content] ??= readFileSync(join(directory, content, 'sub', 'weights.bin'))
      const file = openSync(weights, 'r+')
      const { atime, mtime } = fstatSync(file)
      for (let done = 0; done < bytes[content].length; done += 4096)
        writeSync(file, bytes[content].subarray(done, done + 4096), 0, undefined, done)
      futimesSync(file, atime, mtime)
      closeSync(file)
    }
  })(),

  /** Replaces the file with a symbolic link and back. */
  link(content) {
    if (content === 'good') return swaps.rename(content)
    const link = fresh()
    symlinkSync(join(directory, 'evil', 'sub', 'weights.bin'), link)
    renameSync(link, weights)
  },

  /** Replaces the directory of the file with another one. */
  directory(content) {
    const copy = fresh()
    cpSync(join(directory, content, 'sub'), copy, { recursive: true })
    exchange(join(model, 'sub'), copy)
  },

  /** Replaces the directory of the file with a symbolic link and back. */
  directoryLink(content) {
    if (content === 'good') return swaps.directory(content)
    const link = fresh()
    symlinkSync(join(directory, 'evil', 'sub'), link)
    exchange(join(model, 'sub'), link)
  },

  /** Replaces the parent directory of the model with another one. */
  parent(content) {
    const copy = fresh()
    mkdirSync(copy)
    cpSync(join(directory, content), join(copy, 'model'), { recursive: true })
    exchange(join(directory, 'models'), copy)
  },
}

function exchange(path, other) {
  const old = fresh()
  renameSync(path, old)
  renameSync(other, path)
  rmSync(old, { recursive: true })
}

const swap = swaps[kind]
const clock = new Int32Array(new SharedArrayBuffer(4))
/** Usually very short, but occasionally long enough for a whole load. */
function pause() {
  const milliseconds = random.chance(0.3) ? 30 + random.below(60) : random.below(4_000) / 1_000
  Atomics.wait(clock, 0, 0, milliseconds)
}

process.send('ready')
process.on('disconnect', () => process.exit())
function turn() {
  swap('evil')
  pause()
  swap('good')
  pause()
  setImmediate(turn)
}
turn()
