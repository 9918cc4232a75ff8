import { expect, test } from 'vitest'
import { encodedKey, s3Location } from './s3-location.ts'

test.each([
  ['s3://models', { bucket: 'models', path: '', isFolder: true, url: 's3://models' }],
  ['s3://models/', { path: '', url: 's3://models' }],
  ['S3://models/vad/1.0', { path: 'vad/1.0', isFolder: false, url: 's3://models/vad/1.0' }],
  ['s3://models/vad/', { path: 'vad', isFolder: true, url: 's3://models/vad' }],
  ['s3://models/my%20models/ü+(1)', { path: 'my models/ü+(1)', url: 's3://models/my%20models/%C3%BC%2B%281%29' }],
  ['s3://models/%76ad', { path: 'vad', url: 's3://models/vad' }],
])('%s names a bucket and a path', (url, expected) => {
  expect(s3Location(url)).toMatchObject(expected)
})

test.each([
  's3://',
  's3://Models/vad',
  's3://ab/vad',
  's3://127.0.0.1/vad',
  's3://a..b/vad',
  's3://user:pass@models/vad',
  's3://models//vad',
  's3://models/vad//',
  's3://models/../vad',
  's3://models/%2e%2e/vad',
  's3://models/a%2Fb',
  's3://models/a%5Cb',
  's3://models/a\u0000b',
  's3://models/100%',
  's3://models/%ff',
  's3://models/vad?versionId=1',
  's3://models/vad#1',
  `s3://models/${'x'.repeat(1_025)}`,
  's3://models/\ud800',
  'hf://org/vad',
  42,
])('%s is refused', (url) => {
  expect(() => s3Location(url as string)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
})

test('a refused URL that may contain a password is not shown', () => {
  expect(() => s3Location('s3://user:secret@models/vad')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') as string }) as Error,
  )
})

test('a key is encoded as it is signed', () => {
  expect(encodedKey("a b/c+d/(e)!'*~é")).toBe('a%20b/c%2Bd/%28e%29%21%27%2A~%C3%A9')
})
