import { certificateHolder, rawBytes, type MaterialKind } from './material.ts'

export interface CertificateMaterial {
  method: 'certificate'
  /** DER, leaf first. */
  certificates: readonly Buffer[]
}

/** The leaf and the maximum number of certificates to build a chain from. */
const MAX_CERTIFICATES = 33

export const certificateMaterial: MaterialKind<CertificateMaterial> = {
  method: 'certificate',
  field: 'x509CertificateChain',
  keepsJson: false,
  signer: async ({ certificates: [leaf] }) => leaf && (await certificateHolder(leaf)).signer,
  parse(material, { path }) {
    const chain = material.object('x509CertificateChain').only('certificates')
    const count = chain.array('certificates').length
    if (count < 1 || count > MAX_CERTIFICATES)
      throw chain.fault('certificates', `1 to ${MAX_CERTIFICATES} certificates`)
    const certificates = chain.objects('certificates').map((item) => rawBytes(item.only('rawBytes'), path))
    return { method: 'certificate', certificates }
  },
}
