import type * as s from '../../schema/define.ts'
import { hashAlgorithms } from './hash-algorithms.ts'
import { keyValidity } from './key-validity.ts'
import { modelName } from './model-name.ts'
import type { AnyRequirement, Demand } from './requirement.ts'
import { rootDigest } from './root-digest.ts'
import { signatureAge } from './signature-age.ts'
import { timestamp } from './timestamp.ts'
import { transparencyLog } from './transparency-log.ts'

/** All requirements of signatures, in the order in which they are checked. */
export const REQUIREMENTS = [
  modelName,
  rootDigest,
  keyValidity,
  hashAlgorithms,
  transparencyLog,
  timestamp,
  signatureAge,
] as const

type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never
type Fields = Intersection<(typeof REQUIREMENTS)[number]['schema']>

/** The fields of all requirements. */
export const requirementFields = Object.assign({}, ...REQUIREMENTS.map(({ schema }) => schema)) as {
  [Name in keyof Fields]: Fields[Name]
}

/** What a rule requires of signatures. */
export function compileDemands(require: s.ObjectOf<Fields & s.FieldSchemas>): Demand[] {
  return REQUIREMENTS.flatMap((requirement: AnyRequirement) => {
    const wanted = requirement.compile(require)
    return wanted === undefined ? [] : [{ requirement, wanted }]
  })
}
