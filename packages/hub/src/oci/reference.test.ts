import { describe, expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { ociUrl, parseOciReference } from './reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('a reference to an artifact', () => {
  test.each([
    ['oci://registry.example/models/vad:1.0', 'https://registry.example', 'oci://registry.example/models/vad:1.0'],
    ['oci://registry.example/vad', 'https://registry.example', 'oci://registry.example/vad:latest'],
    ['OCI://Registry.Example:8443/a/b-c/d__e.f:V_1.x-2', 'https://registry.example:8443', undefined],
    [`oci://registry.example/models/vad@${DIGEST}`, 'https://registry.example', undefined],
    [`oci://registry.example/vad@sha512:${'0'.repeat(128)}`, 'https://registry.example', undefined],
    ['oci://registry.example:443/vad:1', 'https://registry.example', 'oci://registry.example/vad:1'],
    ['oci://registry.example:80/vad:1', 'https://registry.example:80', undefined],
    ['oci://localhost:5000/vad:1', 'http://localhost:5000', undefined],
    ['oci://127.9.0.1/vad:1', 'http://127.9.0.1', undefined],
    ['oci://[::1]:5000/vad:1', 'http://[::1]:5000', undefined],
    ['oci://192.168.0.7/vad:1', 'https://192.168.0.7', undefined],
    ['oci://[fd00::7]/vad:1', 'https://[fd00::7]', undefined],
    ['oci://localhost.example/vad:1', 'https://localhost.example', undefined],
    ['oci://docker.io/vad:1', 'https://registry-1.docker.io', 'oci://docker.io/library/vad:1'],
    ['oci://registry-1.docker.io/vad:1', 'https://registry-1.docker.io', 'oci://docker.io/library/vad:1'],
    ['oci://index.docker.io:443/ai/vad:1', 'https://registry-1.docker.io', 'oci://docker.io/ai/vad:1'],
    ['oci://docker.io/ai/vad:1', 'https://registry-1.docker.io', 'oci://docker.io/ai/vad:1'],
  ])(
    '%s is served by %s',
    (url, origin, canonical = url.replace(/^OCI:\/\/Registry.Example/, 'oci://registry.example')) => {
      const reference = parseOciReference(url)
      expect(reference.origin).toBe(origin)
      expect(ociUrl(reference)).toBe(canonical)
      expect(parseOciReference(canonical)).toEqual(reference)
    },
  )

  test.each([
    'oci://registry.example',
    'oci://registry.example/',
    'oci:///vad:1',
    'oci://registry.example/Models/vad:1',
    'oci://registry.example/models//vad:1',
    'oci://registry.example/models/../vad:1',
    'oci://registry.example/models/./vad:1',
    'oci://registry.example/models/vad/:1',
    'oci://registry.example/models/vad:',
    'oci://registry.example/models/vad:-1',
    `oci://registry.example/models/vad:${'1'.repeat(129)}`,
    'oci://registry.example/models/vad:1:2',
    'oci://registry.example/models/vad@',
    'oci://registry.example/models/vad@sha256:aaaa',
    `oci://registry.example/models/vad@${DIGEST.toUpperCase()}`,
    `oci://registry.example/models/vad@md5:${'a'.repeat(32)}`,
    `oci://registry.example/models/vad@${DIGEST}@${DIGEST}`,
    `oci://registry.example/models/vad:1@${DIGEST}`,
    'oci://registry.example/models/vad%2f..:1',
    'oci://registry.example/models/vad:1?tag=2',
    'oci://registry.example/models/vad:1#2',
    'oci://registry.example/models/vad: 1',
    'oci://registry.example\\models/vad:1',
    'oci://registry.example:0/vad:1',
    'oci://registry.example:99999/vad:1',
    'oci://registry.example:/vad:1',
    'oci://registry..example/vad:1',
    'oci://-registry.example/vad:1',
    'oci://registry.example./vad:1',
    'oci://0x7f.1/vad:1',
    'oci://127.1/vad:1',
    'oci://[::1/vad:1',
    'oci://régistry.example/vad:1',
    'oci://registry.example/\ud800:1',
    'oci://registry.example/vad:\ud800',
    'oci://\udc00.example/vad:1',
    `oci://registry.example/${'a'.repeat(300)}:1`,
    `oci://registry.example/${'a-'.repeat(100_000)}:1`,
  ])('%.80s is refused', (url) => {
    expect(() => parseOciReference(url)).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('is refused if it is no text', () => {
    expect(() => parseOciReference(undefined as never)).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test.each([
    'oci://user:pass-word@registry.example/vad:1',
    'oci://user:pass-word/@registry.example/vad:1',
    'oci://registry.example/vad:1?token=pass-word',
  ])('is refused with credentials, which the message does not repeat: %s', (url) => {
    const parse = () => parseOciReference(url)
    expect(parse).toThrow(refusal('INVALID_ARGUMENT'))
    expect(parse).not.toThrow(/pass-word/)
  })
})
