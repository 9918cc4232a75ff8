import type * as s from '../../schema/define.ts'
import type { Danger } from '../checking/finding.ts'
import type { RootFiles } from './root-files.ts'

/** Everything that the policy knows about one kind of trust root. To add a kind, add a file and a line in `roots.ts`. */
export interface RootKind<Written, Root extends CompiledRootOf<string>> {
  /** Also the field that names it under `trustRoots`. */
  readonly kind: Root['kind']
  /** Its name in messages. */
  readonly what: string
  readonly schema: s.Schema<Written>
  /** True if signers of rules name it; false if it applies to all rules. */
  readonly isNamed: boolean
  /** True if its authorities certify signers that the policy does not list individually. */
  readonly certifies: boolean
  /** Reads its files. A fault in one is a problem at the position that names it. */
  read(written: Written, name: string, files: RootFiles): Promise<Root>
  /** Certificates that the policy names, including those that it revokes: DER. */
  certificates(root: Root): readonly Buffer[]
  /** Warnings of `policy check`. */
  dangers(root: Root, now: number): Danger[]
}

/** A trust root whose files were read. */
export interface CompiledRootOf<Kind extends string> {
  kind: Kind
  name: string
}
