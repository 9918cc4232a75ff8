import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { modelLocation } from './model-location.ts'
import { registerScheme, type SourceOfUrl } from './schemes.ts'

describe('modelLocation', () => {
  test.each<[string, unknown, string]>([
    ['an absolute path', '/srv/models/vad', '/srv/models/vad'],
    ['a relative path', 'models/vad', resolve('models/vad')],
    ['a file: URL', 'file:///srv/models/v%20d%23/m.onnx', '/srv/models/v d#/m.onnx'],
    ['one with a scheme in capitals', 'FILE:///srv/models', '/srv/models'],
    ['one with the name of this host', 'file://localhost/srv/models', '/srv/models'],
    ['a URL object', pathToFileURL('/srv/mödels/100%?#'), '/srv/mödels/100%?#'],
    ['a URL object of HTTP', new URL('https://models.example/a?b'), 'https://models.example/a?b'],
    ['an HTTP URL', 'https://models.example/a?b', 'https://models.example/a?b'],
  ])('accepts %s', (_, given, location) => {
    expect(modelLocation(given)).toBe(location)
  })

  test('accepts a URL object of another realm', () => {
    const url: unknown = runInNewContext('({ href, protocol })', { href: 'file:///srv/models', protocol: 'file:' })
    expect(modelLocation(url)).toBe('/srv/models')
  })

  test.each<[string, unknown]>([
    ['a number', 5],
    ['nothing', undefined],
    ['an empty path', ''],
    ['a NUL character', 'a\0b'],
    ['a NUL character in a URL', 'file:///a%00b'],
    ['an encoded slash', 'file:///srv/a%2fb'],
    ['another host', 'file://models.example/srv'],
    ['a query', 'file:///srv/models?x'],
    ['a fragment', 'file:///srv/models#x'],
    ['a file: URL with a relative path', 'file:models'],
    ['data', new URL('data:,x')],
    ['an HTTP URL whose slashes were lost', 'https:/models.example/a'],
    ['a URL of a hub without slashes', 'hf:org/vad'],
    ['a URL of a registry with one slash', 'oci:/registry.example/vad:1'],
  ])('refuses %s', (_, given) => {
    expect(() => modelLocation(given)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  test.each([
    ['s3:/bucket/vad', 's3://bucket/vad'],
    ['S3:bucket/vad', 's3://bucket/vad'],
    ['arn:aws:s3:::bucket/vad/m.onnx', 's3://bucket/vad/m.onnx'],
    ['arn:aws-us-gov:s3:::bucket', 's3://bucket'],
    ['hf:user:secret@org/vad', 'hf://org/vad'],
  ])('says what to write in place of %s', (given, url) => {
    const hint = `If you mean "${url}", write it in this way.`
    expect(() => modelLocation(given)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', hint }))
    expect(() => modelLocation(given)).not.toThrow('secret')
  })

  test.each<[string, unknown]>([
    ['an unregistered scheme', 'foo://user:secret@host/x?token=secret'],
    ['one in capitals', 'FOO+Bar://user:secret@host/x'],
    ['the name of a method of objects', 'constructor://user:secret@host/x'],
    ['a URL object', new URL('ftp://user:secret@models.example/a')],
  ])('refuses %s, and does not show its credentials', (_, given) => {
    expect(() => modelLocation(given)).toThrow(expect.objectContaining({ code: 'SCHEME_UNKNOWN' }))
    expect(() => modelLocation(given)).not.toThrow('secret')
  })

  test.each([
    ['a slash in the password', 'foo://user:secret/secret@host/x'],
    ['a question mark in the password', 'foo://user:secret?secret@host/x'],
    ['a hash in the password', 'foo://user:secret#secret@host/x?mail=a@secret'],
    ['an at sign and a slash in the password', 'foo://user:a@secret/secret@host/x'],
    ['one slash', 'https:/user:secret@host/x?token=secret'],
    ['no slash', 'http:user:secret@host/x'],
    ['backslashes', 'https:\\\\user:secret@host/x'],
    ['a file: URL', 'file://user:secret@localhost/x'],
    ['a file: URL with a query', 'file://user:secret@localhost/x?secret'],
  ])('shows no credentials of a URL with %s', (_, given) => {
    expect(() => modelLocation(given)).toThrow(ModelSealError)
    expect(() => modelLocation(given)).not.toThrow('secret')
  })

  test.each([
    ['a host with a port', 'foo://[::1]:80/x@v2'],
    ['a digest', 'foo://host:5000/repository@sha256:0a'],
  ])('shows a URL with %s as it is', (_, given) => {
    expect(() => modelLocation(given)).toThrow(JSON.stringify(given))
  })

  test.each<[string, unknown]>([
    ['nothing', () => undefined],
    ['a promise', () => Promise.resolve({})],
    ['a path', () => '/srv/models/vad'],
    ['a source that cannot be opened', () => ({ place: { url: 'x://x' } })],
    [
      'an error',
      () => {
        throw new Error('no https://user:secret@host/x?secret')
      },
    ],
  ])('refuses a source from a package if it is %s', (what, sourceOf) => {
    const scheme = `given-${what.replaceAll(' ', '-')}`
    registerScheme(scheme, sourceOf as SourceOfUrl)
    expect(() => modelLocation(`${scheme}://x`)).toThrow(expect.objectContaining({ code: 'SOURCE_FAILED' }))
    expect(() => modelLocation(`${scheme}://x`)).not.toThrow('secret')
  })

  test('accepts a directory given as a path, whatever its name', () => {
    expect(modelLocation('./foo://x')).toBe(resolve('foo:/x'))
  })
})
