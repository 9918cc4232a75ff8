import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { expect, test } from 'vitest'
import { publisherIn, scratch, writeTree, type Files, type Publisher } from './support/models.ts'

interface Layers {
  publisher: Publisher
  text: string
  bundle: { dsseEnvelope: { payload: string; signatures: [{ sig: string }] } }
  payload: Buffer
}

/** Signs a model and takes its bundle apart, using only Node.js. */
async function layersOf(files: Files, model: string): Promise<Layers> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  writeTree(directory, files)
  const signer = await keySigner({ privateKey: publisher.privateKey })
  const { signature } = await signModel(join(directory, model), { signer })
  const text = readFileSync(signature, 'utf8')
  const bundle = JSON.parse(text) as Layers['bundle']
  return { publisher, text, bundle, payload: Buffer.from(bundle.dsseEnvelope.payload, 'base64') }
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

const MODEL = { 'model/model.bin': 'B', 'model/model/x': 'X', 'model/ﬀ': 'F', 'model/😀': 'S', 'model/.gitignore': 'g' }

test('the bundle is a Sigstore bundle v0.3 with exactly the fields of OMS, in order and without whitespace', async () => {
  const { publisher, text, bundle } = await layersOf(MODEL, 'model')
  const { payload, signatures } = bundle.dsseEnvelope
  const expected = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: sha256(publisher.publicPem) }, tlogEntries: [] },
    dsseEnvelope: {
      payload,
      payloadType: 'application/vnd.in-toto+json',
      signatures: [{ sig: signatures[0].sig, keyid: '' }],
    },
  }
  // Compared as text, so that the order and number of keys must match, too.
  expect(text).toBe(JSON.stringify(expected))
  expect(Buffer.from(payload, 'base64').toString('base64')).toBe(payload)
})

test('the statement is an in-toto Statement v1 with exactly the fields of OMS, sorted by code point', async () => {
  const { payload } = await layersOf(MODEL, 'model')
  const contents = { 'model.bin': 'B', 'model/x': 'X', ﬀ: 'F', '😀': 'S' }
  const digests = Object.values(contents).map((content) => sha256(content))
  const expected = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'model', digest: { sha256: sha256(Buffer.from(digests.join(''), 'hex')) } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      resources: Object.entries(contents).map(([name, content]) => ({
        name,
        digest: sha256(content),
        algorithm: 'sha256',
      })),
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: ['.git', '.gitattributes', '.github', '.gitignore', 'model.sig'],
      },
    },
  }
  expect(payload.toString('utf8')).toBe(JSON.stringify(expected))
})

test('the statement of a single file names it by its basename', async () => {
  const { payload } = await layersOf({ 'vad.onnx': 'V' }, 'vad.onnx')
  const digest = sha256('V')
  const expected = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'vad.onnx', digest: { sha256: sha256(Buffer.from(digest, 'hex')) } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      resources: [{ name: 'vad.onnx', digest, algorithm: 'sha256' }],
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false },
    },
  }
  expect(payload.toString('utf8')).toBe(JSON.stringify(expected))
})

test('the signature is ECDSA in DER, over the pre-authentication encoding that the standard defines', async () => {
  const { publisher, payload, bundle } = await layersOf(MODEL, 'model')
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64')
  const encoded = Buffer.concat([Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${payload.length} `), payload])
  const key = createPublicKey(publisher.publicPem)
  expect(verify('sha256', encoded, { key, dsaEncoding: 'der' }, signature)).toBe(true)
  expect(verify('sha256', payload, { key, dsaEncoding: 'der' }, signature)).toBe(false)
})
