import { parseLists } from '../../../../packages/core/src/verification/chain/revocation.ts'
import { parseRevocationLists } from '../../../../packages/core/src/x509/revocation-list.ts'
import { authority, pemOf, revocationList, signingLeaf } from '../../../../packages/core/src/testing/authority.ts'
import { mustEqual, readOrRefused, readOrRefusedLater, REFUSED, texts, type Target } from '../../target.ts'

const target: Target = {
  dictionary: ['-----BEGIN X509 CRL-----', '-----END X509 CRL-----'],
  async seeds() {
    const root = await authority('Root')
    const leaf = await signingLeaf(root)
    const lists = [await revocationList(root), await revocationList(root, { revoked: [{ certificate: leaf }] })]
    const pem = lists.map((der) => pemOf({ der }, 'X509 CRL'))
    return [...lists, ...texts(...pem, pem.join(''))]
  },
  async check(input) {
    const ders = readOrRefused(() => parseRevocationLists(Buffer.from(input), 'list.crl'))
    if (ders === REFUSED) return
    const lists = await readOrRefusedLater(() => parseLists(ders))
    if (lists === REFUSED) return
    mustEqual(lists.length, ders.length, 'The number of lists')
    for (const [index, list] of lists.entries()) {
      const again = written(list)
      if (!again) continue
      const [read] = await parseLists([again])
      const entries = (each: typeof list) =>
        (each.revokedCertificates ?? []).map(({ userCertificate }) =>
          Buffer.from(userCertificate.valueBlock.valueHexView).toString('hex'),
        )
      mustEqual(read && entries(read), entries(list), `What is read of list ${index} again`)
    }
  },
}
export default target

/** Undefined for times that do not exist, which pkijs reads but does not write. */
function written(list: Awaited<ReturnType<typeof parseLists>>[number]): Buffer | undefined {
  try {
    return Buffer.from((list.toSchema(true) as { toBER(): ArrayBuffer }).toBER())
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
