import type { z } from 'zod'
import type { Danger } from '../checking/finding.ts'
import type { RootFiles } from './root-files.ts'

/** One kind of trust root: everything that the policy knows about it. A new one is a file and a line in `roots.ts`. */
export interface RootKind<Written, Root extends CompiledRootOf<string>> {
  /** Also the field that names it under `trustRoots`. */
  readonly kind: Root['kind']
  /** What it is, for messages. */
  readonly what: string
  readonly schema: z.ZodType<Written>
  /** True if signers of rules name it; false if it counts for all rules. */
  readonly isNamed: boolean
  /** True if certificates under it vouch for signers that the policy does not name one by one. */
  readonly vouches: boolean
  /** Reads its files. What is wrong with one is a problem at the place that names it. */
  read(written: Written, name: string, files: RootFiles): Promise<Root>
  /** Certificates that the policy names, also those that it revokes: DER. */
  certificates(root: Root): readonly Buffer[]
  /** What `policy check` warns of. */
  dangers(root: Root, now: number): Danger[]
}

/** A trust root whose files were read. */
export interface CompiledRootOf<Kind extends string> {
  kind: Kind
  name: string
}
