// What commands are made of.
import fc from 'fast-check'
import type { Site } from './site.ts'
import type { System } from './system.ts'
import type { Content } from './tampering.ts'

export type Command = fc.AsyncCommand<Site, System>

export const ROOT = process.geteuid?.() === 0
/** What files contain. */
export const CONTENTS: readonly Content[] = ['a:3000', 'b:3000', 'c:3000', 'd:3000', 'e:5000']

/** One of two times, where there are two users. */
export const bySecond = ROOT ? fc.boolean() : fc.constant(false)

export function command(
  name: string,
  run: (site: Site, system: System) => unknown,
  check: (site: Readonly<Site>) => boolean = () => true,
): Command {
  return {
    check,
    run: async (site, system) => {
      await run(site, system)
    },
    toString: () => name,
  }
}
