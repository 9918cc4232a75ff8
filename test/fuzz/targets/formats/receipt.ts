import { parseReceipt, writeReceipt } from '../../../../packages/core/src/receipts/receipt.ts'
import { mustEqual, texts, type Target } from '../../target.ts'

const A = 'a'.repeat(64)
const RECEIPT = { version: 1, model: '/m', rootDigest: A, bundleDigest: A, hashedAt: 1000 }

const target: Target = {
  dictionary: [A, '"hashTypes":["sha256"]', '"0x10"', '"1e3"', '""', 'null', '[]'],
  seeds: () =>
    texts(
      JSON.stringify({ ...RECEIPT, files: [['a', '1', '2', 3, '4', '5']] }),
      JSON.stringify({ ...RECEIPT, hashTypes: ['sha256'], files: [['a', '1', '2', 3, '4', '5', A]] }),
    ),
  check(input) {
    const receipt = parseReceipt(input)
    if (!receipt) return
    mustEqual(parseReceipt(writeReceipt(receipt)), receipt, 'What is written again')
    const { files } = JSON.parse(Buffer.from(input).toString()) as { files: unknown[][] }
    mustEqual(receipt.files.size, files.length, 'The number of files')
    for (const [name, dev, ino, size, mtimeNs, ctimeNs] of files) {
      const numbers = [dev, ino, mtimeNs, ctimeNs].map((text) => BigInt(text as string))
      const found = receipt.files.get(String(name))
      mustEqual([found?.dev, found?.ino, found?.mtimeNs, found?.ctimeNs, found?.size], [...numbers, size], 'A file')
    }
  },
}
export default target
