// Random attacks are repeatable: each case is made from its own seed, which always produces the same
// case.
import { numberFrom } from '../../packages/core/src/testing/runs.ts'

/** The seed of the first case; the following cases count up from it. */
export function firstSeed(): number {
  return numberFrom('ATTACK_SEED') ?? Math.floor(Math.random() * 2 ** 31)
}

/** The prefix of a failure message, which says how to repeat it. */
export function reproducing(seed: number): string {
  return `Run this again with ATTACK_SEED=${seed} ATTACK_RUNS=1.`
}

/** SplitMix32: neighbouring seeds give unrelated sequences. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    this.#next()
  }

  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }

  /** From 0 up to but excluding `count`. */
  below(count: number): number {
    return Math.floor((this.#next() / 2 ** 32) * count)
  }

  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('There is nothing to pick from.')
    return items[this.below(items.length)] as T
  }

  /** 0, 1, 2 …, each less likely than the previous one by the factor `again`. */
  geometric(again: number): number {
    let count = 0
    while (this.chance(again)) count++
    return count
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items]
    const shuffled: T[] = []
    while (left.length > 0) shuffled.push(...left.splice(this.below(left.length), 1))
    return shuffled
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}
