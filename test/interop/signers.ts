import { createPublicKey, sign, type KeyObject, createPrivateKey, createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateSigner, keySigner, type Signer } from '@modelseal/core/signing'
import type { Verifier } from '@modelseal/core/verification'
import {
  authority,
  inDays,
  pemOf,
  privateKeyPem,
  signingLeaf,
  type Issued,
  type IssueOptions,
} from '../../packages/core/src/testing/authority.ts'

/** A signer and its verifiers, in the terms of both tools. */
export interface Party {
  signer(): Promise<Signer>
  verifier: Verifier
  /** Parameters of the reference tool for signing and verifying. */
  theirs: { sign: { privateKey: string; certificate?: string; chain?: string[] }; verify: object }
  privateKey: KeyObject
  /** As in the bundle. */
  material: object
}

/** Signs with a key in a file with this name. */
export function keyParty(directory: string, name: string, pem: string): Party {
  const privateKey = createPrivateKey(pem)
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })
  const [path, publicKey] = [join(directory, `${name}.key`), join(directory, `${name}.pub`)]
  writeFileSync(path, pem)
  writeFileSync(publicKey, publicPem)
  return {
    signer: () => keySigner({ privateKey: path }),
    verifier: { publicKey },
    theirs: { sign: { privateKey: path }, verify: { publicKey } },
    privateKey,
    material: { publicKey: { hint: createHash('sha256').update(publicPem).digest('hex') } },
  }
}

export interface ChainOptions {
  leaf?: Partial<IssueOptions>
  intermediate?: Partial<IssueOptions>
}

/** Signs with a chain of leaf, intermediate and root, in files with this name. */
export async function certificateParty(
  directory: string,
  name: string,
  { leaf: leafOptions = {}, intermediate: above = {} }: ChainOptions = {},
): Promise<Party> {
  const since = { notBefore: inDays(-100), notAfter: inDays(100) }
  const root = await authority('Interop root', since)
  const intermediate = await authority('Interop intermediate', { issuer: root, ...since, ...above })
  const leaf = await signingLeaf(intermediate, leafOptions)
  const files = { root, intermediate, leaf }
  const path = (part: keyof typeof files) => join(directory, `${name}-${part}.pem`)
  for (const [part, certificate] of Object.entries(files) as [keyof typeof files, Issued][])
    writeFileSync(path(part), pemOf(certificate))
  const privateKey = join(directory, `${name}.key`)
  writeFileSync(privateKey, await privateKeyPem(leaf))
  const own = { privateKey, certificate: path('leaf'), chain: [path('intermediate')] }
  return {
    signer: () => certificateSigner(own),
    verifier: { certificateChain: [path('root')] },
    theirs: { sign: own, verify: { roots: [path('root')] } },
    privateKey: createPrivateKey(readFileSync(privateKey)),
    material: {
      x509CertificateChain: {
        certificates: [leaf, intermediate].map(({ der }) => ({ rawBytes: der.toString('base64') })),
      },
    },
  }
}

const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** A bundle with a valid signature (P-256) for any payload. */
export function bundleOver(payload: Buffer, { privateKey, material }: Party) {
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    payload,
  ])
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { ...material, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: sign('sha256', encoded, privateKey).toString('base64'), keyid: '' }],
    },
  }
}
