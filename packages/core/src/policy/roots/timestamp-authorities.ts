import * as s from '../../schema/define.ts'
import { filesSchema } from '../schema/text.ts'
import { expiryDangers, readAuthorities } from './authorities.ts'
import type { CompiledRootOf, RootKind } from './root.ts'

export interface TimestampRoot extends CompiledRootOf<'timestampAuthorities'> {
  certificates: readonly Buffer[]
}

const schema = s.strictObject({
  timestampAuthorities: filesSchema.describe('PEM files of RFC 3161 authorities whose time is trusted.'),
})

export const timestampRoot = {
  kind: 'timestampAuthorities',
  what: 'timestamp authorities',
  schema,
  isNamed: false,
  certifies: false,
  async read({ timestampAuthorities }, name, files) {
    const { trusted } = await readAuthorities(['timestampAuthorities'], timestampAuthorities, files)
    return { kind: 'timestampAuthorities', name, certificates: trusted }
  },
  certificates: ({ certificates }) => certificates,
  dangers: ({ name, certificates }, now) => expiryDangers(certificates, name, now),
} satisfies RootKind<s.Infer<typeof schema>, TimestampRoot>
