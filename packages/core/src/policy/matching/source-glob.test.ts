import { describe, expect, test } from 'vitest'
import { ModelFacts, compileMatch, matchesModel } from './match.ts'
import { sourceGlobFault } from './source-glob.ts'

describe('a glob over sources', () => {
  test.each([
    'hf://org/*',
    'hf://Xenova/all-MiniLM-L6-v2',
    'hf://gpt2',
    'hf://*',
    'hf://**',
    'hf://datasets/org/*',
    'hf://*/org/*',
    'hf://{org,other}/**',
    '{hf,oci}://org/**',
    'oci://registry.example/**',
    'oci://registry.example:5000/org/vad',
    'oci://\\[::1\\]:5000/org/vad',
    'oci://*.example/org/*',
    'oci://docker.io/library/vad',
    'oci://docker.io/*',
    'store://Anything/at/all@v1',
    's3+x.y-1://a/b',
    'hf://{datasets,org}/*',
    'oci://registry.example:4430/vad',
    'oci://docker.io/**',
    'oci://x.docker.io/vad',
    'hf://org/**/x/y/z',
  ])('%s is valid', (glob) => expect(sourceGlobFault(glob)).toBeUndefined())

  test.each([
    ['**', 'every source begins with its scheme in lower case, as "hf://org/*" and "oci://registry.example/**" do'],
    ['hf:', 'begins with its scheme'],
    ['hf:/', 'begins with its scheme'],
    ['1hf://org/*', 'begins with its scheme'],
    ['*://org/*', 'begins with its scheme'],
    ['HF://org/*', 'lower case'],
    ['org/vad', 'begins with its scheme'],
    ['hf:/org', 'begins with its scheme'],
    ['hf://', 'ends with a slash'],
    ['hf://org/', 'ends with a slash'],
    ['hf://org/vad@v1', 'without their revision'],
    ['hf://org/vad@*', 'without their revision. To accept commits and digests only, add "require: { pinned: true }"'],
    ['hf://*/org/x/y', 'without their folder'],
    ['hf://datasets/org/*/x', 'without their folder'],
    ['hf://org/vad/onnx', 'without their folder'],
    ['hf://org/*/*', 'without their folder'],
    ['hf://datasets/org/data/train', 'without their folder'],
    ['hf://datasets', 'write "hf://datasets/org/*"'],
    ['hf://models/org/vad', 'written without "models/"'],
    ['hf://org/v%61d', 'no escapes'],
    ['oci://registry.example', 'write "oci://registry.example/**"'],
    ['oci://registry.example/vad:1.0', 'without their tag and digest. To accept commits and digests only'],
    ['oci://registry.example/v%61d', 'no escapes'],
    ['oci://registry.example/vad@sha256:*', 'without their tag and digest'],
    ['oci://registry.example:443/vad', 'without the default port; write "registry.example"'],
    ['oci://index.docker.io/org/vad', 'Docker Hub is written as "oci://docker.io"'],
    ['oci://Registry.example/vad', 'lower case'],
    ['oci://registry.example/Vad', 'lower case'],
    ['oci://registry-1.docker.io/org/vad', 'oci://docker.io'],
    ['oci://docker.io/vad', 'official images of Docker Hub are written as "oci://docker.io/library/vad"'],
    ['https://hub.example/**', 'a model over HTTP has no such source; write it under "url"'],
    ['http://hub.example/**', 'a model over HTTP has no such source; write it under "url"'],
    ['file:///srv/**', 'a model on this machine has no such source; write its path under "path"'],
    ['{hf://org/*,https://hub.example/**}', 'under "url"'],
    ['hf://[ab]/x', 'means different things'],
  ])('%s is refused because it matches none', (glob, why) => expect(sourceGlobFault(glob)).toContain(why))

  test.each([
    ['the hub that a load reads from', { url: 'hf://org/vad', source: 'hf://org/vad' }, true],
    ['no other organisation', { url: 'hf://Org/vad', source: 'hf://Org/vad' }, false],
    ['no path whose URL the caller states', { path: '/srv/vad', url: 'hf://org/vad' }, false],
    ['no model over HTTP', { url: 'https://hub.example/vad', source: 'https://hub.example/vad' }, false],
  ])('matches %s', (_, model, expected) => {
    const rule = { name: 'r', match: compileMatch({ source: ['hf://org/*'] }, '/') }
    const facts = new ModelFacts(model, () => Promise.resolve([]))
    expect(matchesModel(rule, facts, undefined)).toBe(expected)
  })
})
