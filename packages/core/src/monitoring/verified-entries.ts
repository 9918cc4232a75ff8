import { ModelSealError, shown } from '../errors.ts'
import type { TreeHead } from '../merkle/proofs.ts'
import { GrowingTree, hashLeaf, subtreesOf } from '../merkle/tree.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import { TILE_HEIGHT, TILE_WIDTH, type LogReader, type Part } from './log-reader.ts'

/** Bundles that are requested ahead: each has up to 16 MiB, usually some 500 KiB. */
const AHEAD = 4

/**
 * Reads the entries that a log has added since a checkpoint, in order, and hashes them. Together with the subtrees of the
 * earlier tree, which must have the root of the earlier checkpoint, they must have the root of the current one: this proves
 * that nothing was changed or removed, and that no other entries were added. **No entry is verified before the last one has
 * been read.**
 *
 * @param earlier checkpoint of the same log
 * @throws {@link ModelSealError} `LOG_ROLLBACK`, `LOG_INCONSISTENT`, `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
 */
export async function* entriesSince(
  earlier: TreeHead,
  current: LogCheckpoint,
  reader: LogReader,
): AsyncGenerator<{ index: number; body: Buffer }, void> {
  if (current.size < earlier.size) throw rollback(earlier, current)
  const tree = await earlierTree(earlier.size, current, reader)
  if (!tree.root().equals(earlier.root))
    throw inconsistent('it was changed since the earlier checkpoint', earlier, current)
  const parts = partsOf(earlier.size, current.size)
  for await (const { part, bodies } of inOrder(parts, reader)) {
    const skipped = Math.max(0, earlier.size - part.index * TILE_WIDTH)
    for (const [place, body] of bodies.entries()) {
      if (place < skipped) continue
      tree.add(hashLeaf(body))
      yield { index: part.index * TILE_WIDTH + place, body }
    }
  }
  if (!tree.root().equals(current.root)) throw inconsistent('it serves entries that it did not sign', earlier, current)
}

/** The tree that the log had, from the tiles of its current one. */
async function earlierTree(size: number, current: LogCheckpoint, reader: LogReader): Promise<GrowingTree> {
  const tiles = new Map<string, Promise<Buffer[]>>()
  const subtrees = subtreesOf(size).map(async ({ level, index }) => {
    const [tileLevel, above] = [Math.floor(level / TILE_HEIGHT), level % TILE_HEIGHT]
    // The first of the 2^above hashes of the tile over which the subtree is.
    const first = index * 2 ** above
    const tile = Math.floor(first / TILE_WIDTH)
    const key = `${tileLevel} ${tile}`
    const complete = Math.floor(current.size / TILE_WIDTH ** tileLevel)
    const width = Math.min(TILE_WIDTH, complete - tile * TILE_WIDTH)
    const read = tiles.get(key) ?? reader.hashes(tileLevel, { index: tile, width })
    tiles.set(key, read)
    const hashes = (await read).slice(first % TILE_WIDTH, (first % TILE_WIDTH) + 2 ** above)
    return { level, hash: rootOf(hashes) }
  })
  return new GrowingTree(await Promise.all(subtrees))
}

/** The root over the hashes of complete subtrees of one size, of which there are 2^n. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  const tree = new GrowingTree()
  for (const hash of hashes) tree.add(hash)
  return tree.root()
}

/** The bundles with the entries from `start` to before `end`. */
function* partsOf(start: number, end: number): Generator<Part> {
  for (let index = Math.floor(start / TILE_WIDTH); index * TILE_WIDTH < end && start < end; index++)
    yield { index, width: Math.min(TILE_WIDTH, end - index * TILE_WIDTH) }
}

/** Reads the bundles in order, some of them ahead. */
async function* inOrder(
  parts: Iterator<Part>,
  reader: LogReader,
): AsyncGenerator<{ part: Part; bodies: Buffer[] }, void> {
  const ahead: { part: Part; bodies: Promise<Buffer[]> }[] = []
  for (;;) {
    while (ahead.length < AHEAD) {
      const next = parts.next()
      if (next.done) break
      const bodies = reader.entries(next.value)
      // If an earlier one fails, nobody waits for this one.
      bodies.catch(() => {})
      ahead.push({ part: next.value, bodies })
    }
    const first = ahead.shift()
    if (!first) return
    yield { part: first.part, bodies: await first.bodies }
  }
}

function rollback(earlier: TreeHead, current: LogCheckpoint): ModelSealError {
  return new ModelSealError(
    'LOG_ROLLBACK',
    `Cannot monitor the log ${shown(current.origin)}: it has fewer entries than it had before.`,
    {
      expected: `at least ${earlier.size}`,
      found: String(current.size),
      hint: 'A cache may serve an old state: try again later. If it stays, keep the earlier checkpoint and report it to the operator of the log.',
    },
  )
}

function inconsistent(reason: string, earlier: TreeHead, current: LogCheckpoint): ModelSealError {
  const described = ({ size, root }: TreeHead) => `${size} entries with the root ${root.toString('hex')}`
  return new ModelSealError('LOG_INCONSISTENT', `Cannot monitor the log ${shown(current.origin)}: ${reason}.`, {
    expected: `a log that continues ${described(earlier)}`,
    found: `a checkpoint of ${described(current)}, with other tiles or entries`,
    hint: 'Nothing was reported or saved. Keep the earlier checkpoint, try from another network, and report both checkpoints to the operator of the log.',
  })
}
