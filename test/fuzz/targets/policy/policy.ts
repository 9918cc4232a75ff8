import { parsePolicy } from '../../../../packages/core/src/policy/reading/parse-policy.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

const RULE = '{ name: r, match: { path: "m/**" }, signers: [{ key: a }] }'

const target: Target = {
  seeds: () =>
    texts(
      `version: 1\nrules: [${RULE}]`,
      `version: 1\nroots: { a: { key: a.pub }, s: { sigstore: public-good } }\nrules:\n  - ${RULE}\n  - name: x\n    match: { url: "https://hub.example/**" }\n    signers: [{ sigstore: s, identity: { pattern: "*@acme.example" }, issuer: "https://issuer.example" }]\n    require: { signers: 1, transparencyLog: true, maxAge: 180d }\n`,
      'version: 1\nmaxAge: 30d\nissued: 2026-01-01T00:00:00Z\ninclude: [other.yaml]\nrevoked:\n  rootDigests: [{ digest: "sha256:AA", reason: x }]\n  keys: [{ fingerprint: x, from: 2026-01-01T00:00:00Z }]\n',
      'version: 1\nrevoked: { identities: [{ identity: { regexp: "(" } }, { identity: { pattern: "a**" } }] }',
      '{"version":1,"rules":[{"name":"r","match":{"path":"m"},"mode":"audit","signers":[{"key":"a"}]}]}',
      'version: 1\nadvisories: [{ url: https://x.example/a.jsonl, signers: [{ key: a }] }]\njournal: { directory: /var/j }',
      'version: 1\nx: &a 1\ny: *a\nz: !!str 2\n',
      '%YAML 1.1\n---\nversion: 1\n---\n',
      'a:\tb\n\tc: |\n  text\n? complex\n: "\\x41"\n',
    ),
  async check(input) {
    const parsed = await parsePolicy(input, '/policy.yaml')
    const text = textOf(input)
    if (!('file' in parsed)) {
      const lines = text?.split(/\r\n|[\r\n]/) ?? []
      for (const { code, line, column, message } of parsed.problems) {
        mustEqual(code, 'POLICY_INVALID', 'The code')
        if (line === undefined && /It is not UTF-8|It (?:is|holds|contains|has|was|begins)/.test(message)) continue
        const isPlace = line !== undefined && column !== undefined && line >= 1 && column >= 1 && line <= lines.length
        if (!isPlace) throw new Error(`The place ${line}:${column} is not in the text: ${message}`)
      }
      return
    }
    const json = Buffer.from(JSON.stringify(parsed.file))
    for (const path of ['/policy.yaml', '/policy.json']) {
      const again = await parsePolicy(json, path)
      mustEqual('file' in again && again.file, parsed.file, `What it reads of its own JSON in ${path}`)
    }
  },
}
export default target
