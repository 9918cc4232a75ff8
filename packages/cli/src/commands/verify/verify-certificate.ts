import type { VerifyResult } from '@modelseal/core/verification'
import type { Command } from 'commander'
import { chainOption, pathsOption } from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { verify, withVerifier, type TimedVerifierFlags } from './verifying.ts'

interface Flags extends TimedVerifierFlags {
  certificateChain: string[]
  systemRoots?: boolean
  crl: string[]
  logFingerprints?: boolean
}

/** `modelseal verify certificate MODEL --signature S --certificate-chain ROOT`. */
export function addVerifyCertificate(parent: Command, perform: Perform): void {
  withVerifier(parent.command('certificate'))
    .description('Verify against certificate authorities, without a policy.')
    .addOption(chainOption('trusted root and optional intermediate certificates, PEM; may be repeated'))
    .option('--system-roots', 'trust the certificate authorities that this machine trusts')
    .addOption(pathsOption('--crl <path>', 'revocation list, PEM or DER; may be repeated'))
    .option('--log-fingerprints', "show the SHA-256 fingerprints of the signer's certificate and its root")
    .addHelpText('after', HELP)
    .action(perform(verifyWithCertificate))
}

const HELP = `
Self-signed certificates in the chain are trusted as roots. The signer's certificate must be valid now, or at the
time that a timestamp proves; use --timestamp-authority to trust timestamps.

Example:
  $ modelseal verify certificate models/vad --signature models/vad/model.sig --certificate-chain root.pem`

function verifyWithCertificate(
  model: string,
  { certificateChain, systemRoots, crl, logFingerprints, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { timestampAuthority: timestampAuthorities } = flags
  const verifier = { certificateChain, systemRoots, crls: crl, timestampAuthorities }
  const fingerprints = logFingerprints === true && session.talkative
  return verify(model, flags, session, {
    verifier,
    factsOf: (signer, shown) => factsOf(signer, fingerprints, shown),
  })
}

function factsOf(
  signer: VerifyResult['signer'],
  fingerprints: boolean,
  shown: (name: string) => string,
): [string, string][] {
  if (signer.method !== 'certificate') return []
  const { subject, subjectAltNames, issuer, serialNumber, notBefore, notAfter, fingerprint, rootFingerprint } = signer
  return [
    ['subject', shown(subject)],
    ...(subjectAltNames.length > 0
      ? [['names', subjectAltNames.map(shown).join(', ')] satisfies [string, string]]
      : []),
    ['issuer', `${shown(issuer)}, serial number ${serialNumber}`],
    ['valid', `${notBefore} to ${notAfter}`],
    ...(fingerprints
      ? [
          ['certificate', `sha256:${fingerprint}`] satisfies [string, string],
          ['root', `sha256:${rootFingerprint}`] satisfies [string, string],
        ]
      : []),
  ]
}
