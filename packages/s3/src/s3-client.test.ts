import type { IncomingMessage } from 'node:http'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusal } from '../../core/src/testing/scratch.ts'
import { S3Client } from './s3-client.ts'
import { s3Settings, type S3Options } from './s3-settings.ts'
import { answerXml, errorXml, SmallS3, type Fault } from './testing/small-s3.ts'

let store: SmallS3
beforeEach(async () => {
  store = await SmallS3.start({ x: 'content' })
  onTestFinished(() => store.close())
})

async function client(options: S3Options = {}): Promise<S3Client> {
  const settings = await s3Settings({ ...store.options, ...options }, {})
  const made = new S3Client('models', settings, { signal: undefined })
  onTestFinished(() => made.stop())
  return made
}

async function read(options: S3Options = {}): Promise<string | undefined> {
  return (await client(options)).send({ key: 'x', what: 'file "x"' }, async ({ chunks }) => {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return Buffer.concat(parts).toString()
  })
}

/** Answers the first requests in its own way. */
function first(times: number, fault: Fault): void {
  store.fault = (...given) => times-- > 0 && fault(...given)
}

const scopeOf = ({ headers }: IncomingMessage) =>
  /Credential=([^/]*)\/\d{8}\/([^/]*)\/s3\//.exec(headers.authorization ?? '')

describe('a request', () => {
  test('is signed with the credentials and the region', async () => {
    let seen: IncomingMessage | undefined
    first(1, (request) => {
      seen = request
      return false
    })
    expect(await read({ region: 'eu-central-1' })).toBe('content')
    expect(scopeOf(seen as IncomingMessage)?.slice(1)).toEqual(['test-key', 'eu-central-1'])
    expect(seen?.headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
  })

  test('is signed with a key that was derived once', async () => {
    const keyed = vi.spyOn(crypto.subtle, 'sign')
    onTestFinished(() => keyed.mockRestore())
    const made = await client()
    const send = () => made.send({ key: 'x', what: 'file "x"' }, () => Promise.resolve(true))
    await send()
    const deriving = keyed.mock.calls.length - 1
    expect(deriving).toBeGreaterThan(0)
    await send()
    expect(keyed).toHaveBeenCalledTimes(deriving + 2)
  })

  test('is not signed without credentials', async () => {
    let seen: IncomingMessage | undefined
    first(1, (request) => {
      seen = request
      return false
    })
    expect(await read({ credentials: false })).toBe('content')
    expect(seen?.headers.authorization).toBeUndefined()
  })

  test('is sent again in the region that the store names', async () => {
    const regions: (string | undefined)[] = []
    store.fault = (request, response) => {
      const region = scopeOf(request)?.[2]
      regions.push(region)
      if (region === 'eu-west-1') return false
      answerXml(response, 301, errorXml('PermanentRedirect'), { 'x-amz-bucket-region': 'eu-west-1' })
      return true
    }
    expect(await read()).toBe('content')
    expect(regions).toEqual(['us-east-1', 'eu-west-1'])
  })

  test('is sent again in the region that another one has learnt meanwhile', async () => {
    let isWaiting = true
    const both = Promise.withResolvers<undefined>()
    store.fault = async (request, response) => {
      if (scopeOf(request)?.[2] === 'eu-west-1') return false
      if (!isWaiting) both.resolve(undefined)
      isWaiting = false
      await both.promise
      answerXml(response, 400, errorXml('AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>'))
      return true
    }
    const made = await client()
    const send = () => made.send({ key: 'x', what: 'file "x"' }, () => Promise.resolve(true))
    expect(await Promise.all([send(), send()])).toEqual([true, true])
    expect(made.region).toBe('eu-west-1')
  })

  test('is sent again in the region that the error names', async () => {
    first(1, (_, response) => {
      answerXml(response, 400, errorXml('AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>'))
      return true
    })
    expect(await read()).toBe('content')
  })

  test('is not sent to region after region', async () => {
    let count = 0
    store.fault = (_, response) => {
      answerXml(response, 301, errorXml('PermanentRedirect'), { 'x-amz-bucket-region': `region-${count++}` })
      return true
    }
    await expect(read()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 301 (PermanentRedirect)' }))
    expect(count).toBe(4)
  })

  test('is never redirected to another host', async () => {
    store.fault = (_, response) => {
      response.writeHead(307, { location: 'http://127.0.0.1:1/x' }).end()
      return true
    }
    await expect(read()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 307' }))
  })

  test('is signed anew with new credentials once those have expired', async () => {
    const asked: string[] = []
    const credentials = () => {
      asked.push('asked')
      return Promise.resolve({ accessKeyId: `key${asked.length}`, secretAccessKey: 's', sessionToken: 't' })
    }
    store.fault = (request, response) => {
      if (scopeOf(request)?.[1] === 'key2') return false
      answerXml(response, 400, errorXml('ExpiredToken'))
      return true
    }
    expect(await read({ credentials })).toBe('content')
    expect(asked).toHaveLength(2)
  })

  test('does not ask for new credentials once more if another one has', async () => {
    let asked = 0
    const made = await client({
      credentials: () => Promise.resolve({ accessKeyId: `key${++asked}`, secretAccessKey: 's' }),
    })
    let waiting = 0
    const all = Promise.withResolvers<undefined>()
    store.fault = async (request, response) => {
      if (scopeOf(request)?.[1] === 'key2') return false
      if (++waiting === 4) all.resolve(undefined)
      await all.promise
      answerXml(response, 400, errorXml('ExpiredToken'))
      return true
    }
    const send = () => made.send({ key: 'x', what: 'file "x"' }, () => Promise.resolve(true))
    expect(await Promise.all([send(), send(), send(), send()])).toEqual([true, true, true, true])
    expect(asked).toBe(2)
  })

  test('is sent again while the store is busy', async () => {
    first(2, (_, response) => {
      answerXml(response, 503, errorXml('SlowDown'), { 'retry-after': '0' })
      return true
    })
    expect(await read()).toBe('content')
    expect(store.asked).toHaveLength(3)
  })

  test('is given up if the store stays busy', async () => {
    store.fault = (_, response) => {
      answerXml(response, 503, errorXml('SlowDown'), { 'retry-after': '0' })
      return true
    }
    await expect(read()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 503 (SlowDown)' }))
    expect(store.asked).toHaveLength(4)
  })
})

describe('a refusal', () => {
  test.each([
    [403, 'AccessDenied', {}, 's3:GetObject'],
    [403, 'AccessDenied', { credentials: false }, 'No credentials were found'],
    [403, 'SignatureDoesNotMatch', {}, 'AWS_SECRET_ACCESS_KEY'],
    [403, 'InvalidAccessKeyId', {}, 'AWS_ACCESS_KEY_ID'],
    [403, 'RequestTimeTooSkewed', {}, 'Set the clock'],
    [403, 'InvalidObjectState', {}, 'Restore it'],
  ] as const)('with %s and %s says what to do', async (status, code, options, hint) => {
    store.fault = (_, response) => {
      answerXml(response, status, errorXml(code))
      return true
    }
    await expect(read(options)).rejects.toEqual(
      refusal('HTTP_RESPONSE', {
        file: 's3://models/x',
        found: `status ${status} (${code})`,
        hint: expect.stringContaining(hint) as string,
      }),
    )
  })

  test('of one that does not exist is no failure', async () => {
    store.objects.clear()
    expect(await read()).toBeUndefined()
  })

  test('of unlimited length is read only in part', async () => {
    store.fault = (_, response) => {
      response.writeHead(400)
      const more = () => {
        while (response.write('x'.repeat(16_384)));
      }
      response.on('drain', more)
      more()
      return true
    }
    await expect(read()).rejects.toEqual(refusal('HTTP_RESPONSE', { found: 'status 400' }))
  })
})

describe('the address', () => {
  const addressOf = async (bucket: string, options: S3Options) => {
    const made = new S3Client(bucket, await s3Settings({ credentials: false, ...options }, {}), { signal: undefined })
    return made.urlOf({ key: 'a b/c+d', query: {} }).href
  }

  test.each([
    ['models', {}, 'https://models.s3.us-east-1.amazonaws.com/a%20b/c%2Bd'],
    ['models', { region: 'cn-north-1' }, 'https://models.s3.cn-north-1.amazonaws.com.cn/a%20b/c%2Bd'],
    ['my.models', {}, 'https://s3.us-east-1.amazonaws.com/my.models/a%20b/c%2Bd'],
    ['models', { pathStyle: true }, 'https://s3.us-east-1.amazonaws.com/models/a%20b/c%2Bd'],
    ['models', { endpoint: 'https://store.example:9000/s3/' }, 'https://store.example:9000/s3/models/a%20b/c%2Bd'],
    ['models', { endpoint: 'https://store.example', pathStyle: false }, 'https://models.store.example/a%20b/c%2Bd'],
  ])('of bucket %s with %o is %s', async (bucket, options, expected) => {
    expect(await addressOf(bucket, options)).toBe(expected)
  })

  test.each([
    ['localhost:9000', 'the scheme "localhost:"'],
    ['https://user:secret@store.example', '"https://store.example"'],
    ['store', 'something else'],
  ])('of an endpoint like %s is refused', async (endpoint, found) => {
    await expect(addressOf('models', { endpoint })).rejects.toEqual(refusal('INVALID_ARGUMENT', { found }))
  })
})

test.each(['http://127.0.0.1:9000', 'https://[::1]', 'http://0x7f.1'])(
  'a bucket cannot stand before the address of %s',
  async (endpoint) => {
    await expect(s3Settings({ endpoint, pathStyle: false }, {})).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  },
)
