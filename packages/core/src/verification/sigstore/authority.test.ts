import { TrustedRoot } from '@sigstore/protobuf-specs'
import { expect, test } from 'vitest'
import { authority, signingLeaf, type Issued } from '../../testing/authority.ts'
import { issuerPath, issuersOf } from './authority.ts'

function rootOf(...chains: Issued[][]): { root: TrustedRoot } {
  const certificateAuthorities = chains.map((chain) => ({
    certChain: { certificates: chain.map(({ der }) => ({ rawBytes: der.toString('base64') })) },
  }))
  return { root: TrustedRoot.fromJSON({ certificateAuthorities }) }
}

test('the path of a signer contains intermediates and root of each authority that issued its certificate', async () => {
  const [root, other] = [await authority('Root'), await authority('Root')]
  const intermediate = await authority('Intermediate', { issuer: root })
  const twin = await authority('Intermediate', { issuer: other })
  const leaf = await signingLeaf(intermediate)
  const path = (...chains: Issued[][]) =>
    issuerPath(issuersOf(leaf.x509, rootOf(...chains))).map((der) => der.toString('hex'))
  const hex = (...certificates: Issued[]) => certificates.map(({ der }) => der.toString('hex'))
  expect(path([twin, other], [intermediate, root])).toEqual(hex(intermediate, root))
  expect(path([intermediate, root], [intermediate])).toEqual(hex(intermediate, root, intermediate))
  expect(path([twin, other], [root])).toEqual([])
})
