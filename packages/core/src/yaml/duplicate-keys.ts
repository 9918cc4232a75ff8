import { isAlias, isMap, isNode, isScalar, isSeq, type Node } from 'yaml'
import { shown } from '../errors.ts'

/** A fault in a text, and its offset in characters. */
export interface TextFault {
  sentence: string
  offset: number
}

/**
 * Finds duplicate keys in a map, in time linear in the document, and keys that are not text. Keys are
 * equal if they name the same field: `1` and `"1"`, `a` and `"a"`.
 *
 * @returns in the order of the text, at most `limit`
 */
export function duplicateKeys(root: Node | null, limit: number): TextFault[] {
  const faults: TextFault[] = []
  const nodes: unknown[] = [root]
  while (nodes.length > 0 && faults.length < limit) {
    const node = nodes.pop()
    // Backwards, because the last one is popped first.
    if (isSeq(node)) for (let i = node.items.length - 1; i >= 0; i--) nodes.push(node.items[i])
    if (!isMap(node)) continue
    const seen = new Set<string>()
    for (const { key } of node.items) {
      const fault = keyFault(key, seen)
      if (fault !== undefined) faults.push({ sentence: fault, offset: offsetOf(key) })
    }
    for (let i = node.items.length - 1; i >= 0; i--) nodes.push(node.items[i]?.value)
  }
  return faults.sort((a, b) => a.offset - b.offset).slice(0, limit)
}

function keyFault(key: unknown, seen: Set<string>): string | undefined {
  if (isAlias(key)) return undefined // a policy with an alias is refused as such
  const name = keyName(key)
  if (name === undefined) return 'A key is a list or a map; expected text.'
  if (seen.size < seen.add(name).size) return undefined
  return `Map keys must be unique; ${shown(name)} is a duplicate.`
}

/** The field that a key of a map names; undefined for a key that is a collection or an alias. */
export function keyName(key: unknown): string | undefined {
  if (key === null) return ''
  if (!isScalar<string | number | boolean | bigint | null>(key)) return undefined
  return key.value === null ? '' : String(key.value)
}

function offsetOf(key: unknown): number {
  return (isNode(key) && key.range?.[0]) || 0
}
