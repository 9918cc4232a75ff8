import type { HttpBody } from '../../../../packages/core/src/source/http/request.ts'
import type { S3Client } from '../../../../packages/s3/src/s3-client.ts'
import { listPrefix } from '../../../../packages/s3/src/listing/list-prefix.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, textOf, type Target } from '../../target.ts'

/** A request to the object store. */
type Request = Parameters<S3Client['send']>[0]

// An input has the pages of a listing (XML), each after a line.

const BETWEEN = '\n--\n'
const FIRST =
  '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
const CONTENTS = '<Contents><Key>vad/a%20b</Key><Size>5</Size><ETag>"x"</ETag></Contents>'
const LAST = '<IsTruncated>false</IsTruncated></ListBucketResult>'
const MORE = '<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken></ListBucketResult>'

const target: Target = {
  dictionary: [
    BETWEEN,
    CONTENTS,
    '<Contents>',
    '<Key>vad/',
    '<Size>',
    '<ETag>W/"x"</ETag>',
    '<EncodingType></EncodingType>',
    '<![CDATA[',
    '&#x2e;',
    '&lt;',
    '%2F',
    '%2e%2e/',
    '../',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    MORE,
    LAST,
  ],
  seeds: () =>
    texts(
      FIRST + CONTENTS + LAST,
      [FIRST + CONTENTS + MORE, FIRST + CONTENTS.replace('a%20b', 'c') + LAST].join(BETWEEN),
      FIRST.replace('>url<', '><') + CONTENTS.replace('a%20b', 'Größe &amp; <![CDATA[x]]>') + LAST,
      FIRST + CONTENTS.replace('a%20b', '').replace('5', '0') + CONTENTS.replace('a%20b', 'x/../y') + LAST,
      '<Error><Code>NoSuchBucket</Code></Error>',
    ),
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const pages = text.split(BETWEEN)
    const asked: Request[] = []
    const client = {
      send: (request: Request, receive: (body: HttpBody) => Promise<string>) => {
        asked.push(request)
        return receive(bodyOf(pages[asked.length - 1] ?? ''))
      },
    } as unknown as S3Client
    const at = { client, bucket: 'models', path: 'vad', signal: undefined }
    const read = await readOrRefusedLater(() => listPrefix(at))
    for (const { query } of asked) mustEqual(query?.prefix, 'vad/', 'What is asked for')
    if (read === REFUSED) return
    mustEqual(asked.length <= pages.length, true, 'Whether only pages that exist were read')
    for (const page of pages.slice(0, asked.length))
      mustEqual(/<!DOCTYPE/.test(withoutLiterals(page)), false, 'Whether a page declares entities')
    const folded = new Set<string>()
    for (const [name, { size, etag, ...entry }] of read) {
      mustEqual(entry.name, name, 'The name of an entry')
      mustEqual(
        name.split('/').filter((part) => /^\.{0,2}$/.test(part)),
        [],
        'Components that are no names',
      )
      mustEqual(Number.isSafeInteger(size) && (size ?? -1) >= 0, true, 'Whether the size is one')
      mustEqual(etag === undefined || etag.startsWith('"'), true, 'Whether the tag is strong')
      folded.add(name.normalize('NFC').toLowerCase())
    }
    mustEqual(folded.size, read.size, 'The number of different names')
  },
}
export default target

/** What is neither a comment nor literal text. */
function withoutLiterals(page: string): string {
  return page.replace(/<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>/gs, '')
}

function bodyOf(page: string): HttpBody {
  const chunks = (async function* () {
    yield await Promise.resolve(Buffer.from(page))
  })()
  return { length: undefined, status: 200, headers: new Headers(), url: '', chunks }
}
