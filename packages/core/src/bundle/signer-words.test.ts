import { expect, test } from 'vitest'
import { certificateWords, identityWords, keyWords, methodHint } from './signer-words.ts'

test.each([
  [keyWords('ab'), 'key sha256:ab'],
  [certificateWords('CN=Release,O=Acme', []), 'CN=Release,O=Acme'],
  [certificateWords('CN=Release', ['email:r@acme.example', 'DNS:x']), 'CN=Release (email:r@acme.example, DNS:x)'],
  [certificateWords('', ['email:r@acme.example']), 'email:r@acme.example'],
  [certificateWords('', []), ''],
  [identityWords('r@acme.example', 'https://a.example'), 'r@acme.example (issuer https://a.example)'],
])('describes the signer in one line: %s', (words, line) => {
  expect(words).toBe(line)
})

test.each([
  ['a line break', 'x\nAccepted "models/vad"', '\\u{a}'],
  ['a terminal escape sequence', 'x\u001b[2J', '\\u{1b}'],
  ['a change of text direction', 'x\u202e', '\\u{202e}'],
  ['the words of a description', 'r@acme.example (issuer https://a.example)', '"r@acme.example (issuer'],
  ['quotes', '"r@acme.example"', '\\"r@acme.example\\"'],
  ['excessive length', 'x'.repeat(10_000), '…"'],
])('cannot be forged by a name with %s', (_, name, written) => {
  for (const words of [
    identityWords(name, 'i'),
    identityWords('i', name),
    certificateWords(name, []),
    certificateWords('', [name]),
  ]) {
    expect(words).toContain(written)
    expect(words.length).toBeLessThan(400)
    expect(words).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  }
})

test('a name of up to 300 letters, digits and harmless signs is written as it is', () => {
  for (const name of ["aÉ9 ._%+@:/=,~#*?&!'\\-", 'x'.repeat(300)]) expect(certificateWords(name, [])).toBe(name)
  expect(certificateWords('x'.repeat(301), [])).toMatch(/^"x+…"$/)
  for (const sign of ['(', ')', '"', '<', '|', ';', '\t']) {
    expect(certificateWords(`a${sign}`, [])).not.toBe(`a${sign}`)
    expect(certificateWords(`${sign}a`, [])).not.toBe(`${sign}a`)
  }
})

test('says how to verify a bundle of another method', () => {
  expect(methodHint('certificate')).toContain('"modelseal verify certificate"')
})
