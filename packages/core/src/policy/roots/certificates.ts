import { X509Certificate } from 'node:crypto'
import * as s from '../../schema/define.ts'
import { shown } from '../../errors.ts'
import { parseRevocationLists, REVOCATION_LIST_FILE } from '../../x509/revocation-list.ts'
import type { ReadFile } from '../../source/read-small-file.ts'
import type { Danger } from '../checking/finding.ts'
import { filesSchema } from '../schema/text.ts'
import { expiryDangers, subjectOf, readAuthorities } from './authorities.ts'
import type { CompiledRootOf, RootKind } from './root.ts'

/** Certificates of authorities: DER. */
export interface Authorities {
  roots: readonly Buffer[]
  intermediates: readonly Buffer[]
}

export interface CertificatesRoot extends CompiledRootOf<'certificates'> {
  trusted: Authorities
  /** Authorities that the policy names and revokes. */
  revoked: Authorities
  crls: readonly Buffer[]
}

const schema = s.strictObject({
  certificates: s
    .strictObject({
      roots: filesSchema.describe('PEM files of root certificates.'),
      intermediates: filesSchema.optional().describe('PEM files of intermediate certificates that bundles may omit.'),
      crls: filesSchema.optional().describe('Certificate revocation lists, PEM or DER.'),
    })
    .describe('Certificate authorities that issue the certificates of signers.'),
})

export const certificatesRoot = {
  kind: 'certificates',
  what: 'certificates',
  schema,
  isNamed: true,
  certifies: true,
  async read({ certificates }, name, files) {
    const roots = await readAuthorities(['certificates', 'roots'], certificates.roots, files)
    const between = await readAuthorities(['certificates', 'intermediates'], certificates.intermediates ?? [], files)
    return {
      kind: 'certificates',
      name,
      trusted: { roots: roots.trusted, intermediates: between.trusted },
      revoked: { roots: roots.revoked, intermediates: between.revoked },
      crls: await files.all(['certificates', 'crls'], certificates.crls ?? [], readLists),
    }
  },
  certificates: ({ trusted, revoked }) => [...both(trusted), ...both(revoked)],
  dangers: ({ name, trusted }, now) => [
    ...expiryDangers(both(trusted), name, now),
    ...both(trusted).flatMap((der) => notAuthority(der, name)),
  ],
} satisfies RootKind<s.Infer<typeof schema>, CertificatesRoot>

function both({ roots, intermediates }: Authorities): Buffer[] {
  return [...roots, ...intermediates]
}

/** @throws {@link ModelSealError} `CRL_INVALID`, and as `readPolicyFile` */
async function readLists(path: string, readFile: ReadFile): Promise<Buffer[]> {
  return parseRevocationLists(await readFile(path, REVOCATION_LIST_FILE), path)
}

/** Warns about a trusted certificate that cannot issue others. */
function notAuthority(der: Buffer, root: string): Danger[] {
  if (new X509Certificate(der).ca) return []
  const message = `The certificate ${subjectOf(der)} of the trust root ${shown(root)} is not a CA certificate, so no signer's certificate can chain to it. Name the certificate of the issuing authority.`
  return [{ severity: 'warning', code: 'CERTIFICATE_NOT_CA', message }]
}
