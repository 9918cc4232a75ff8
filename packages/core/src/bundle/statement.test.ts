import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { Manifest, type Resource } from '../manifest/manifest.ts'
import { compareCodePoints } from '../manifest/order.ts'
import { atOnce } from '../source/turns.ts'
import { encoded, rootOf, statementOver, type LooseJson } from '../testing/bundles.ts'
import { field, refusal } from '../testing/scratch.ts'
import { statementSteps, writeStatement } from './statement.ts'

const parseStatement = (payload: Uint8Array): Manifest => atOnce(statementSteps(payload)).manifest

function changed(change: (statement: LooseJson) => void): Buffer {
  const statement = statementOver({ 'a.bin': 'a', 'b/c': 'c' })
  change(statement)
  return encoded(statement)
}

/** Like {@link changed}, with a matching root digest. */
function changedSoundly(change: (statement: LooseJson) => void): Buffer {
  return changed((statement) => {
    change(statement)
    statement.subject[0].digest.sha256 = rootOf(statement.predicate.resources.map((r: Resource) => r.digest))
  })
}

const sharded = (names: readonly string[], shardSize: unknown = 10) =>
  changedSoundly((s) => {
    const [{ digest }] = s.predicate.resources
    s.predicate.resources = names.map((name) => ({ name, digest, algorithm: 'sha256' }))
    s.predicate.serialization.method = 'shards'
    s.predicate.serialization.shard_size = shardSize
  })

test('returns the names, digests and root digest that were written', () => {
  const manifest = parseStatement(changed(() => {}))
  expect(manifest.modelName).toBe('model')
  expect(atOnce(statementSteps(changed(() => {}))).version).toBe('1.0')
  expect([...manifest.files.keys()]).toEqual(['a.bin', 'b/c'])
  expect(manifest.serialization).toEqual({ method: 'files', hashType: 'sha256', allowSymlinks: false, ignorePaths: [] })
})

describe('refuses a statement that', () => {
  test.each<[string, ErrorCode, (statement: LooseJson) => void, object]>([
    [
      'has another type',
      'STATEMENT_TYPE',
      (s) => (s._type = 'https://in-toto.io/Statement/v0.1'),
      { expected: 'https://in-toto.io/Statement/v1', found: '"https://in-toto.io/Statement/v0.1"' },
    ],
    ['has no type', 'STATEMENT_MALFORMED', (s) => delete s._type, field('_type', 'a non-empty string', 'nothing')],
    [
      'has another predicate type',
      'PREDICATE_TYPE',
      (s) => (s.predicateType = 'https://slsa.dev/provenance/v1'),
      { expected: 'https://model_signing/signature/v1.0', found: '"https://slsa.dev/provenance/v1"' },
    ],
    ['has no predicate', 'STATEMENT_MALFORMED', (s) => delete s.predicate, field('predicate', 'an object', 'nothing')],
    ['has an unknown field', 'STATEMENT_MALFORMED', (s) => (s.extra = 1), field('extra', 'no such field', '"extra"')],
    [
      'has an unknown field in its predicate',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.extra = 1),
      field('predicate.extra', 'no such field', '"extra"'),
    ],
    [
      'has no subject',
      'STATEMENT_MALFORMED',
      (s) => (s.subject = []),
      field('subject', 'exactly one subject', 'an array of length 0'),
    ],
    [
      'has two subjects',
      'STATEMENT_MALFORMED',
      (s) => s.subject.push(s.subject[0]),
      field('subject', 'exactly one subject', 'an array of length 2'),
    ],
    [
      'has a subject without a name',
      'STATEMENT_MALFORMED',
      (s) => (s.subject[0].name = ''),
      field('subject[0].name', 'a non-empty string', '""'),
    ],
    [
      'has a subject without a digest',
      'STATEMENT_MALFORMED',
      (s) => delete s.subject[0].digest,
      field('subject[0].digest', 'an object', 'nothing'),
    ],
    [
      'has another root digest',
      'ROOT_DIGEST_MISMATCH',
      (s) => (s.subject[0].digest.sha256 = '0'.repeat(64)),
      {
        expected: 'a49c7c8b9aca10635b2481820b832847a81a24fd01379580af97a593b2d5f1a2',
        found: '"0000000000000000000000000000000000000000000000000000000000000000"',
      },
    ],
    [
      'has its root digest in uppercase',
      'ROOT_DIGEST_MISMATCH',
      (s) => (s.subject[0].digest.sha256 = s.subject[0].digest.sha256.toUpperCase()),
      {
        expected: 'a49c7c8b9aca10635b2481820b832847a81a24fd01379580af97a593b2d5f1a2',
        found: '"A49C7C8B9ACA10635B2481820B832847A81A24FD01379580AF97A593B2D5F1A2"',
      },
    ],
    ['has no resources', 'RESOURCES_EMPTY', (s) => (s.predicate.resources = []), {}],
    [
      'has resources that are not an array',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.resources = {}),
      field('predicate.resources', 'an array', 'an object'),
    ],
    [
      'has a resource that is not an object',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.resources[0] = 'a'),
      field('predicate.resources[0]', 'an object', '"a"'),
    ],
    [
      'has a resource without a name',
      'STATEMENT_MALFORMED',
      (s) => delete s.predicate.resources[0].name,
      field('predicate.resources[0].name', 'a non-empty string', 'nothing'),
    ],
    [
      'has a resource without an algorithm',
      'STATEMENT_MALFORMED',
      (s) => delete s.predicate.resources[0].algorithm,
      field('predicate.resources[0].algorithm', 'a non-empty string', 'nothing'),
    ],
    [
      'has a resource without a digest',
      'STATEMENT_MALFORMED',
      (s) => delete s.predicate.resources[0].digest,
      field('predicate.resources[0].digest', 'a non-empty string', 'nothing'),
    ],
    [
      'has a digest of another algorithm',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].algorithm = 'blake2b'),
      { file: 'a.bin', expected: 'sha256', found: '"blake2b"' },
    ],
    [
      'has a shard digest for a file',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].algorithm = 'sha256-sharded-10'),
      { file: 'a.bin', expected: 'sha256', found: '"sha256-sharded-10"' },
    ],
    [
      'has a digest that is too short',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].digest = 'ab'),
      { file: 'a.bin', expected: '64 lowercase hex digits', found: '"ab"' },
    ],
    [
      'has a digest in uppercase',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].digest = s.predicate.resources[0].digest.toUpperCase()),
      {
        file: 'a.bin',
        expected: '64 lowercase hex digits',
        found: '"CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB"',
      },
    ],
    [
      'has a digest that is not hex',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].digest = 'g'.repeat(64)),
      {
        file: 'a.bin',
        expected: '64 lowercase hex digits',
        found: '"gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg"',
      },
    ],
    [
      'states sha256 but has blake2b digests',
      'RESOURCE_DIGEST',
      (s) => (s.predicate.resources[0].digest = 'a'.repeat(128)),
      {
        file: 'a.bin',
        expected: '64 lowercase hex digits',
        found:
          '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
      },
    ],
    ['has a repeated name', 'RESOURCE_DUPLICATE', (s) => (s.predicate.resources[1].name = 'a.bin'), { file: 'a.bin' }],
    ['is not sorted', 'RESOURCE_ORDER', (s) => s.predicate.resources.reverse(), { file: 'a.bin' }],
    [
      'has an absolute name',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = '/a'),
      { file: '/a', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name that leaves the model',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = '../a'),
      { file: '../a', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name that leaves the model in the middle',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = 'a/../../b'),
      { file: 'a/../../b', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name with a "." component',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = './a'),
      { file: './a', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name that ends with a slash',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = 'a/'),
      { file: 'a/', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name with an empty component',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = 'a//b'),
      { file: 'a//b', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name with a NUL',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = 'a\0'),
      { file: 'a\0', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has a name that UTF-8 cannot encode',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = 'a\ud800'),
      { file: 'a\ud800', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has the name of a single-file model next to another file',
      'RESOURCE_NAME',
      (s) => (s.predicate.resources[0].name = '.'),
      { file: '.', expected: 'a path relative to the model root, in canonical form' },
    ],
    [
      'has no serialization',
      'STATEMENT_MALFORMED',
      (s) => delete s.predicate.serialization,
      field('predicate.serialization', 'an object', 'nothing'),
    ],
    [
      'has an unknown field in its serialization',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.serialization.extra = 1),
      field('predicate.serialization.extra', 'no such field', '"extra"'),
    ],
    [
      'was made with an unknown method',
      'SERIALIZATION_UNSUPPORTED',
      (s) => (s.predicate.serialization.method = 'tree'),
      { expected: 'files or shards', found: '"tree"' },
    ],
    [
      'was made with an unknown hash type',
      'SERIALIZATION_UNSUPPORTED',
      (s) => (s.predicate.serialization.hash_type = 'md5'),
      { expected: 'a supported hash type', found: '"md5"' },
    ],
    [
      'was made with a hash type that is the name of an object method',
      'SERIALIZATION_UNSUPPORTED',
      (s) => (s.predicate.serialization.hash_type = 'toString'),
      { expected: 'a supported hash type', found: '"toString"' },
    ],
    [
      'does not state whether links are allowed',
      'STATEMENT_MALFORMED',
      (s) => delete s.predicate.serialization.allow_symlinks,
      field('predicate.serialization.allow_symlinks', 'true or false', 'nothing'),
    ],
    [
      'states it as a string',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.serialization.allow_symlinks = 'false'),
      field('predicate.serialization.allow_symlinks', 'true or false', '"false"'),
    ],
    [
      'has a shard size for whole files',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.serialization.shard_size = 10),
      field('predicate.serialization.shard_size', 'no shard_size with the method files', '10'),
    ],
    [
      'has ignored paths that are not an array',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.serialization.ignore_paths = 'a'),
      field('predicate.serialization.ignore_paths', 'an array', '"a"'),
    ],
    [
      'has an ignored path that is not a string',
      'STATEMENT_MALFORMED',
      (s) => (s.predicate.serialization.ignore_paths = [1]),
      field('predicate.serialization.ignore_paths', 'an array of strings', 'an array of length 1'),
    ],
    ['ignores a glob', 'RESOURCE_NAME', (s) => (s.predicate.serialization.ignore_paths = ['*.bin']), { file: '*.bin' }],
    [
      'ignores an absolute path',
      'RESOURCE_NAME',
      (s) => (s.predicate.serialization.ignore_paths = ['/a']),
      { file: '/a' },
    ],
    [
      'ignores a path outside the model',
      'RESOURCE_NAME',
      (s) => (s.predicate.serialization.ignore_paths = ['../a']),
      { file: '../a' },
    ],
  ])('%s', (_, code, change, details) => {
    expect(() => parseStatement(changed(change))).toThrow(refusal(code, details))
  })

  test('has an invalid name, with the name quoted in the message', () => {
    const forged = changed((s) => (s.predicate.resources[0].name = '../a\n\u202e'))
    expect(() => parseStatement(forged)).toThrow(
      'Cannot use the manifest: the signed name "../a\\u{a}\\u{202e}" is not allowed, because it contains a ".." component.',
    )
  })

  test.each<[string, ErrorCode, Uint8Array, object]>([
    ['is empty', 'JSON_INVALID', Buffer.alloc(0), {}],
    ['is not JSON', 'JSON_INVALID', Buffer.from('statement'), {}],
    ['is an array', 'STATEMENT_MALFORMED', Buffer.from('[]'), field('', 'an object', 'an array of length 0')],
    ['is in UTF-16', 'JSON_INVALID', Buffer.from(changed(() => {}).toString(), 'utf16le'), {}],
    [
      'has a repeated key',
      'JSON_DUPLICATE_KEY',
      Buffer.from(
        changed(() => {})
          .toString()
          .replace('"name"', '"name":"x","n\\u0061me"'),
      ),
      { found: '"name"' },
    ],
  ])('%s', (_, code, payload, details) => {
    expect(() => parseStatement(payload)).toThrow(refusal(code, details))
  })

  test.each<[string, ErrorCode, Buffer, object]>([
    [
      'has shards without a size',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], null),
      field('predicate.serialization.shard_size', 'a positive integer', 'null'),
    ],
    [
      'has shards of size zero',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], 0),
      field('predicate.serialization.shard_size', 'a positive integer', '0'),
    ],
    [
      'has shards of a negative size',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], -10),
      field('predicate.serialization.shard_size', 'a positive integer', '-10'),
    ],
    [
      'has shards of a fractional size',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], 10.5),
      field('predicate.serialization.shard_size', 'a positive integer', '10.5'),
    ],
    [
      'has shards with a size in a string',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], '10'),
      field('predicate.serialization.shard_size', 'a positive integer', '"10"'),
    ],
    [
      'has shards of a size beyond the safe integers',
      'STATEMENT_MALFORMED',
      sharded(['a:0:10'], 2 ** 53),
      field('predicate.serialization.shard_size', 'a positive integer', '9007199254740992'),
    ],
    [
      'has a shard without a range',
      'RESOURCE_NAME',
      sharded(['a']),
      { file: 'a', expected: 'the form path:start:end' },
    ],
    [
      'has shards that overlap',
      'RESOURCE_NAME',
      sharded(['a:0:10', 'a:5:15']),
      { file: 'a', expected: 'a shard from 10 of at most 10 bytes', found: '5:15' },
    ],
    [
      'has shards of a file outside the model',
      'RESOURCE_NAME',
      sharded(['../a:0:10']),
      { file: '../a', expected: 'a path relative to the model root, in canonical form' },
    ],
  ])('%s', (_, code, payload, details) => {
    expect(() => parseStatement(payload)).toThrow(refusal(code, details))
  })
})

describe('refuses a resource', () => {
  const first = 'predicate.resources[0]'
  test.each<[string, unknown, object]>([
    ['that is null', null, field(first, 'an object', 'null')],
    ['whose name is a number', { name: 1 }, field(`${first}.name`, 'a non-empty string', '1')],
    ['with an empty name', { name: '' }, field(`${first}.name`, 'a non-empty string', '""')],
    ['whose digest is a number', { digest: 1 }, field(`${first}.digest`, 'a non-empty string', '1')],
    ['with an empty digest', { digest: '' }, field(`${first}.digest`, 'a non-empty string', '""')],
  ])('%s', (_, wrong, details) => {
    const bytes = changed((s) => {
      const { resources } = s.predicate
      resources[0] = wrong === null ? null : { ...resources[0], ...(wrong as object) }
    })
    expect(() => parseStatement(bytes)).toThrow(refusal('STATEMENT_MALFORMED', details))
  })

  test.each(['name', 'digest', 'algorithm'])('that has its %s from Object.prototype', (name) => {
    let inherited: unknown
    const bytes = changed((s) => {
      inherited = s.predicate.resources[0][name]
      Reflect.deleteProperty(s.predicate.resources[0] as object, name)
    })
    Object.defineProperty(Object.prototype, name, { value: inherited, configurable: true, writable: true })
    let error: unknown
    try {
      parseStatement(bytes)
    } catch (thrown) {
      error = thrown
    } finally {
      Reflect.deleteProperty(Object.prototype, name)
    }
    expect(error).toEqual(refusal('STATEMENT_MALFORMED', field(`${first}.${name}`, 'a non-empty string', 'nothing')))
  })
})

test('a refusal says what is not supported, and what was read', () => {
  const unsupported = (name: string, expected: string) =>
    refusal('SERIALIZATION_UNSUPPORTED', {
      expected,
      found: '"x"',
      message: expect.stringContaining(`its ${name} is not supported`) as string,
    })
  const having = (name: string) => changed((s) => (s.predicate.serialization[name] = 'x'))
  expect(() => parseStatement(having('method'))).toThrow(unsupported('method', 'files or shards'))
  expect(() => parseStatement(having('hash_type'))).toThrow(unsupported('hash_type', 'a supported hash type'))
  expect(() => parseStatement(Buffer.alloc(0))).toThrow('Cannot read the statement: it is empty.')
})

describe('accepts equivalent forms:', () => {
  test.each(['1e9', '1000000000.0', '10e8', '1000000000'])('a shard size written as %s', (number) => {
    const text = sharded(['a:0:1000000000', 'a:1000000000:1000000001'], 1e9).toString()
    const manifest = parseStatement(Buffer.from(text.replace('"shard_size":1000000000', `"shard_size":${number}`)))
    expect(manifest.serialization.shardSize).toBe(1_000_000_000)
    expect(manifest.files.get('a')?.size).toBe(1_000_000_001)
  })

  test('shards of one byte', () => {
    expect(parseStatement(sharded(['a:0:1'], 1)).serialization.shardSize).toBe(1)
  })

  test('the algorithm of a shard as the reference tool writes it, if the number is right', () => {
    const algorithm = (name: string) =>
      Buffer.from(sharded(['a:0:10']).toString().replace('"algorithm":"sha256"', `"algorithm":"${name}"`))
    expect(parseStatement(algorithm('sha256-sharded-10')).files.get('a')?.size).toBe(10)
    expect(() => parseStatement(algorithm('sha256-sharded-11'))).toThrow(
      refusal('RESOURCE_DIGEST', { expected: 'sha256 or sha256-sharded-10', found: '"sha256-sharded-11"' }),
    )
  })

  test('unknown fields of a resource and of the subject', () => {
    const manifest = parseStatement(
      changed((s) => {
        s.predicate.resources[0].size = 1
        s.subject[0].uri = 'https://example.com'
      }),
    )
    expect(manifest.files.size).toBe(2)
  })

  test('no list of ignored paths, as before v1.1.0', () => {
    const manifest = parseStatement(changed((s) => delete s.predicate.serialization.ignore_paths))
    expect('ignorePaths' in manifest.serialization).toBe(false)
  })
})

describe('a written manifest', () => {
  const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  const component = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter((text) => text.isWellFormed() && !/[/\0]/.test(text) && text !== '.' && text !== '..')
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((components) => components.join('/'))
  const modelName = fc.string({ unit: 'grapheme', minLength: 1 })

  test('is read back unchanged and written again as the same bytes', () => {
    const manifest = fc
      .record({
        modelName,
        allowSymlinks: fc.boolean(),
        ignorePaths: fc.option(
          fc.uniqueArray(
            path.filter((p) => !/[*?[]/.test(p)),
            { maxLength: 3 },
          ),
          { nil: undefined },
        ),
        resources: fc.uniqueArray(fc.record({ name: path, digest }), { minLength: 1, selector: ({ name }) => name }),
      })
      .map(({ modelName: name, allowSymlinks, ignorePaths, resources }) => {
        resources.sort((a, b) => compareCodePoints(a.name, b.name))
        const serialization = {
          method: 'files',
          hashType: 'sha256',
          allowSymlinks,
          ...(ignorePaths && { ignorePaths }),
        } as const
        return new Manifest(name, serialization, resources)
      })
    fc.assert(fc.property(manifest, isReadBack))
  })

  test('is read back unchanged if it has shards', () => {
    const file = fc.record({ name: path, bytes: fc.integer({ min: 1, max: 100 }) })
    const manifest = fc
      .record({
        files: fc.uniqueArray(file, { minLength: 1, maxLength: 5, selector: ({ name }) => name }),
        shardSize: fc.integer({ min: 7, max: 50 }),
        digest,
      })
      .map(({ files, shardSize, digest: one }) => {
        const resources = files.flatMap(({ name, bytes }) =>
          Array.from({ length: Math.ceil(bytes / shardSize) }, (_, i) => ({
            name: `${name}:${i * shardSize}:${Math.min((i + 1) * shardSize, bytes)}`,
            digest: one,
          })),
        )
        resources.sort((a, b) => compareCodePoints(a.name, b.name))
        return new Manifest(
          'model',
          { method: 'shards', hashType: 'sha256', shardSize, allowSymlinks: false },
          resources,
        )
      })
    fc.assert(fc.property(manifest, isReadBack))
  })

  function isReadBack(manifest: Manifest): void {
    const written = writeStatement(manifest)
    const read = parseStatement(written)
    expect(read).toEqual(manifest)
    expect(writeStatement(read).equals(written)).toBe(true)
  }
})
