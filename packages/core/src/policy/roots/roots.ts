import type * as s from '../../schema/define.ts'
import { alternatives } from '../schema/alternatives.ts'
import { certificatesRoot } from './certificates.ts'
import { publicKeyRoot } from './public-key.ts'
import type { CompiledRootOf, RootKind } from './root.ts'
import { sigstoreRoot } from './sigstore.ts'
import { timestampRoot } from './timestamp-authorities.ts'

const ROOTS = [publicKeyRoot, certificatesRoot, timestampRoot, sigstoreRoot] as const

/** `trustRoots`: the roots that signatures are verified against, by name, each of one kind. */
export const trustRootSchema = alternatives(ROOTS)

/** A trust root with its files read. */
export type CompiledRoot = Awaited<ReturnType<(typeof ROOTS)[number]['read']>>

type AnyRootKind = RootKind<unknown, CompiledRootOf<CompiledRoot['kind']>>

/** The record of a kind of trust root. */
export function rootKind(kind: CompiledRoot['kind']): AnyRootKind {
  const known = ROOTS.find((one) => one.kind === kind)
  if (!known) throw new RangeError(`no kind of trust root ${kind}`)
  return known
}

/** The kind of a trust root as written in the policy. */
export function writtenRootKind(written: s.Infer<typeof trustRootSchema>): AnyRootKind {
  return rootKind(Object.keys(written)[0] as CompiledRoot['kind'])
}
