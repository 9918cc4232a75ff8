import { fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { closeHashPool, ModelSealError, openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { publisherIn, scratch, writeTree, type Publisher } from '../support/models.ts'
import { MOST_SECONDS, SECONDS, SEED, tellSeed } from './swaps.ts'

// Policy and bundle are replaced while loads read them: each load is judged by a complete version.

const KINDS = ['rename', 'write'] as const

afterAll(() => closeHashPool())

interface Place {
  directory: string
  /** The trusted signer, and an untrusted one. */
  trusted: Publisher
  stranger: Publisher
}

/** A good model, and an evil one that only the untrusted signer has signed. */
async function place(): Promise<Place> {
  const directory = scratch()
  mkdirSync(join(directory, 'stranger'))
  const [trusted, stranger] = [publisherIn(directory), publisherIn(join(directory, 'stranger'))]
  for (const content of ['good', 'evil']) writeTree(join(directory, content), { 'weights.bin': content })
  await sign(directory, 'good', trusted)
  await sign(directory, 'evil', stranger)
  return { directory, trusted, stranger }
}

async function sign(directory: string, model: string, { privateKey }: Publisher): Promise<void> {
  const signature = join(directory, `${model}.sig`)
  await signModel(join(directory, model), { signer: await keySigner({ privateKey }), signature })
}

async function swapping(kind: string, target: string, first: string, second: string): Promise<void> {
  copyFileSync(first, target)
  tellSeed()
  const script = join(import.meta.dirname, 'file-swapper.mjs')
  const swapper = fork(script, [kind, target, String(SEED), first, second])
  onTestFinished(async () => {
    swapper.kill('SIGKILL')
    if (swapper.exitCode === null && swapper.signalCode === null) await once(swapper, 'exit')
  })
  await once(swapper, 'message')
}

/** The code of the refusal, or the content that was accepted. */
async function outcomeOf(model: string, signature: string, policy: string): Promise<string> {
  try {
    await using opened = await openVerifiedModel(model, { signature, policy }, (reader) => reader.read('weights.bin'))
    return Buffer.from(opened.gathered).toString()
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'INTERNAL') throw error
    return error.code
  }
}

/** Loads until one load was accepted and one refused; accepted loads must have the good content. */
async function attack(load: () => Promise<string>): Promise<void> {
  const outcomes = new Set<string>()
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  while (seconds() < SECONDS || (!(outcomes.has('good') && outcomes.size > 1) && seconds() < MOST_SECONDS))
    outcomes.add(await load())
  expect(outcomes).not.toContain('evil')
  expect(outcomes).toContain('good')
  expect(outcomes.size).toBeGreaterThan(1)
}

describe.each(KINDS)('while it is swapped by: %s', (kind) => {
  test('a bundle only allows content that the trusted signer signed', async () => {
    const { directory, trusted } = await place()
    const bundle = join(directory, 'model.sig')
    await swapping(kind, bundle, join(directory, 'good.sig'), join(directory, 'evil.sig'))
    await attack(async () => {
      expect(await outcomeOf(join(directory, 'evil'), bundle, trusted.policy)).not.toBe('evil')
      return outcomeOf(join(directory, 'good'), bundle, trusted.policy)
    })
  })

  test('a policy never allows what neither version accepts', async () => {
    const { directory, trusted } = await place()
    const [policy, other] = [join(directory, 'swapped.yaml'), join(directory, 'other.yaml')]
    // It trusts none of the signers of these models.
    const nobody = readFileSync(trusted.policy, 'utf8').replace('./release.pub', './nobody.pub')
    mkdirSync(join(directory, 'nobody'))
    copyFileSync(publisherIn(join(directory, 'nobody')).publicKey, join(directory, 'nobody.pub'))
    writeFileSync(other, nobody)
    await swapping(kind, policy, trusted.policy, other)
    await attack(async () => {
      expect(await outcomeOf(join(directory, 'evil'), join(directory, 'evil.sig'), policy)).not.toBe('evil')
      return outcomeOf(join(directory, 'good'), join(directory, 'good.sig'), policy)
    })
  })
})
