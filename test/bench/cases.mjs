import { closeSync, existsSync, openSync, readSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { data, file, files, keys, root, sizeText } from './data.mjs'
import { asFast, asLong, inMemory } from './targets.mjs'
import { tools } from './tools.mjs'

const SHARD = 64 * 2 ** 20
const CLI = join(root, 'packages/cli/bin/modelseal.cjs')
const OURS = 'modelseal'

/**
 * Each case prepares its data and names its contestants and targets. `rounds` limits how often a slow
 * case runs.
 */
export const CASES = [
  {
    name: 'one-large-file',
    title: 'One large file, SHA-256, whole process, from the page cache',
    prepare(size) {
      const path = inCache(file(size))
      return {
        contestants: [
          ours('modelseal digest', 'digest', path),
          own('hashing alone, from a hot buffer', 'hot-buffer', String(size)),
          program('plain loop', 'plain-loop', path),
          ...tool('openssl', 'openssl dgst -sha256', 'dgst', '-sha256', path),
          ...tool('sha256sum', 'sha256sum', path),
          ...referenceSign(path),
        ],
        targets: [
          asFast('modelseal digest', 'hashing alone, from a hot buffer', 0.93),
          asFast('modelseal digest', 'openssl dgst -sha256', 1.15),
        ],
      }
    },
  },
  {
    name: 'four-files',
    title: 'Four files, SHA-256',
    prepare(size) {
      const path = inCache(files(4, size / 4))
      const halves = [0, 2].map((first) => [first, first + 1].map((n) => join(path, `weights-00000${n}.bin`)))
      return {
        contestants: [
          ours('modelseal digest', 'digest', path),
          program('plain loop', 'plain-loop', path),
          atOnce('two plain loops at once', ...halves.map((half) => program('', 'plain-loop', ...half))),
        ],
        targets: [asFast('modelseal digest', 'plain loop', 1.85)],
      }
    },
  },
  {
    name: 'shards',
    title: `One large file in shards of ${sizeText(SHARD)}, SHA-256`,
    prepare(size) {
      const path = inCache(file(size))
      return {
        contestants: [
          ours('modelseal digest --shard-size', 'digest', path, '--shard-size', String(SHARD)),
          program('plain loop', 'plain-loop', path),
        ],
        targets: [asFast('modelseal digest --shard-size', 'plain loop', 1.85)],
      }
    },
  },
  {
    name: 'blake3',
    title: `One large file, BLAKE3, whole and in shards of ${sizeText(SHARD)}`,
    prepare(size) {
      const path = inCache(file(size))
      const blake3 = ['digest', path, '--hash-type', 'blake3']
      return {
        contestants: [
          ours('modelseal (hashes in one thread)', ...blake3),
          ours('modelseal --max-workers 1', ...blake3, '--max-workers', '1'),
          ours('modelseal, shards', ...blake3, '--shard-size', String(SHARD), '--max-workers', '2'),
          ...[1, 2].flatMap((threads) => [
            ...tool('b3sum', `b3sum --num-threads ${threads}`, '--num-threads', String(threads), path),
            ...tool(
              'b3sum',
              `b3sum --no-mmap --num-threads ${threads}`,
              '--no-mmap',
              '--num-threads',
              String(threads),
              path,
            ),
          ]),
        ],
        targets: [
          asFast('modelseal (hashes in one thread)', 'b3sum --num-threads 1', 0.9),
          asFast('modelseal, shards', 'b3sum --num-threads 2', 0.85),
        ],
      }
    },
  },
  {
    name: 'small-files',
    title: '20,000 files of 4 KiB, sign and verify',
    prepare() {
      const path = inCache(files(20_000, 4096))
      return {
        contestants: [
          oursSign(path),
          oursVerify(path),
          program('bare loop', 'walk-loop', path),
          ...referenceSign(path),
          ...referenceVerify(path),
        ],
        targets: [
          asFast('modelseal sign key', 'model_signing sign key', 8),
          asFast('modelseal verify key', 'model_signing verify key', 8),
          asLong('modelseal sign key', 'bare loop', 2),
          asLong('modelseal verify key', 'bare loop', 2),
        ],
      }
    },
  },
  {
    name: 'many-files',
    title: '100,000 files of 64 bytes, verify',
    rounds: 3,
    prepare() {
      const path = inCache(files(100_000, 64))
      return {
        contestants: [oursVerify(path), program('bare loop', 'walk-loop', path), ...referenceVerify(path)],
        targets: [asFast('modelseal verify key', 'model_signing verify key', 8), inMemory('modelseal verify key', 300)],
      }
    },
  },
  {
    name: 'tiny',
    title: 'A model of three small files, verify, whole process',
    prepare() {
      const path = inCache(files(3, 1000))
      return {
        contestants: [
          oursVerify(path),
          { name: 'node -e 0', command: [process.execPath, '-e', '0'] },
          ...referenceVerify(path),
        ],
        targets: [
          asLong('modelseal verify key', 'model_signing verify key', 0.2),
          asLong('modelseal verify key', 'node -e 0', 3),
        ],
      }
    },
  },
  {
    name: 'cold-cache',
    title: 'One large file that is not in the page cache',
    rounds: 3,
    prepare(size) {
      const path = file(size)
      const before = () => dropFromCache(path)
      const contestants = [
        ours('modelseal digest', 'digest', path),
        program('plain loop', 'plain-loop', path),
        ...(tools.cat
          ? [{ name: 'cat FILE > /dev/null', command: ['sh', '-c', 'exec cat "$0" > /dev/null', path] }]
          : []),
      ]
      return {
        contestants: tools.dd ? contestants.map((one) => ({ ...one, before })) : [],
        targets: [],
      }
    },
  },
  {
    name: 'memory',
    title: 'Memory while hashing, above the idle process whose pool has started',
    rounds: 3,
    prepare(size) {
      const warmUp = file(64 * 2 ** 20)
      const path = inCache(file(size))
      const four = inCache(files(4, size / 4))
      return {
        contestants: [
          own('one large file', 'memory', warmUp, path, 'sha256'),
          own('four files', 'memory', warmUp, four, 'sha256'),
          own('shards', 'memory', warmUp, path, 'blake3', String(SHARD)),
        ],
        targets: ['one large file', 'four files', 'shards'].map((name) => inMemory(name, 120)),
      }
    },
  },
  {
    name: 'progress',
    title: 'Progress and abort, in a process that runs already',
    prepare(size) {
      const path = inCache(file(size))
      return {
        contestants: [own('watched', 'watched', path, 'watched'), own('not watched', 'watched', path)],
        targets: [asLong('watched', 'not watched', 1.02)],
      }
    },
  },
  {
    name: 'into-memory',
    title:
      'A file of 512 MiB into memory, in a process that runs already: verified while it is read, or read and then hashed',
    prepare() {
      const path = inCache(file(512 * 2 ** 20))
      const small = file(64 * 2 ** 20)
      for (const one of [small, path]) signed(one)
      const policy = join(data, 'policy.yaml')
      const { publicKey } = keys()
      writeFileSync(
        policy,
        `version: 1\ntrustRoots:\n  bench: { publicKey: ${JSON.stringify(publicKey)} }\nrules:\n  - { name: bench, match: { path: "**" }, signers: [{ key: bench }] }\n`,
      )
      return {
        contestants: [
          own('openVerifiedModel, read', 'keep', small, path, policy),
          own('readFileSync, hash', 'keep', small, path),
        ],
        targets: [asLong('openVerifiedModel, read', 'readFileSync, hash', 1)],
      }
    },
  },
]

function ours(name, ...args) {
  return { name, ours: true, memory: true, command: [process.execPath, CLI, ...args] }
}

function oursSign(path) {
  return ours(`${OURS} sign key`, 'sign', 'key', path, '--private-key', keys().privateKey, '--signature', `${path}.sig`)
}

function oursVerify(path) {
  return ours(
    `${OURS} verify key`,
    'verify',
    'key',
    path,
    '--public-key',
    keys().publicKey,
    '--signature',
    signed(path),
  )
}

/** Signs a model unless it is signed; returns the path of the bundle. */
function signed(path) {
  const signature = `${path}.sig`
  if (!existsSync(signature)) check(oursSign(path).command)
  return signature
}

function referenceSign(path) {
  const args = ['--private_key', keys().privateKey, '--signature', `${path}.reference.sig`]
  return tool('model_signing', 'model_signing sign key', 'sign', 'key', path, ...args)
}

/** Verifies the reference tool's own signature, because it sorts names differently. */
function referenceVerify(path) {
  const signature = `${path}.reference.sig`
  if (tools.model_signing && !existsSync(signature)) check(referenceSign(path)[0].command)
  return tool(
    'model_signing',
    'model_signing verify key',
    'verify',
    'key',
    path,
    '--public_key',
    keys().publicKey,
    '--signature',
    signature,
  )
}

function program(name, script, ...args) {
  return { name, command: [process.execPath, join(import.meta.dirname, 'programs', `${script}.mjs`), ...args] }
}

/** Several programs in separate processes: no program that does the same work in threads can be faster. */
function atOnce(name, ...programs) {
  const words = (command) => command.map((word) => `'${word}'`).join(' ')
  const started = programs.map(({ command }, index) => `${words(command)} & p${index}=$!`)
  const ended = programs.map((_, index) => `wait $p${index}`)
  return { name, command: ['sh', '-c', `${started.join('; ')}; ${ended.join(' && ')}`] }
}

/** A program that prints its own measurements. */
function own(name, script, ...args) {
  return {
    ...program(name, script, ...args),
    says: true,
    ours: script !== 'hot-buffer' && name !== 'readFileSync, hash',
  }
}

/** A contestant if the tool is installed, otherwise none. */
function tool(which, name, ...args) {
  return tools[which] ? [{ name, command: [tools[which].command, ...args] }] : []
}

function check([command, ...args]) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`)
}

/** Reads a large file once, so that no contestant pays for the disk. */
function inCache(path) {
  const large = path.endsWith('.bin') ? [path] : []
  const buffer = Buffer.alloc(2 ** 20)
  for (const one of large) {
    const fd = openSync(one)
    while (readSync(fd, buffer) > 0);
    closeSync(fd)
  }
  return path
}

/** Works without root: pages that were written back may be dropped. */
function dropFromCache(path) {
  check(['dd', `of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'])
}
