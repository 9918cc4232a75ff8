import { certificateHolder, rawBytes, type MaterialKind } from './material.ts'

export interface SigstoreMaterial {
  method: 'sigstore'
  /** DER. */
  certificate: Buffer
}

export const sigstoreMaterial: MaterialKind<SigstoreMaterial> = {
  method: 'sigstore',
  field: 'certificate',
  expectedBefore03: 'no single certificate in a bundle of version 0.2',
  keepsJson: true,
  async signer({ certificate }) {
    const { signer, names } = await certificateHolder(certificate)
    return { ...signer, ...(names[0] ? { identity: names[0].value } : {}) }
  },
  parse(material, { logEntries, path }) {
    // OMS 4.1: at least one transparency log entry.
    if (logEntries === 0) throw material.fault('tlogEntries', 'at least one log entry')
    return { method: 'sigstore', certificate: rawBytes(material.object('certificate').only('rawBytes'), path) }
  },
}
