import { setTimeout } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import { Calls } from '../standing/calls.ts'
import type { Releasable, Standing } from '../standing/standing.ts'
import type { OpenedModel } from '../verified-model.ts'
import { keepRevocable, type Revocable } from './revocable.ts'

/** A model that may be revoked, and what is kept of it. */
function revocable({ isChangeable = true, isRecorded = false, releases = true } = {}) {
  const state = { isRevoked: false, uses: [] as Releasable[], ended: [] as Releasable[], watched: [] as object[] }
  const check = vi.fn(() => {
    if (state.isRevoked) throw new ModelSealError('MODEL_REVOKED', 'Revoked.')
  })
  const standing = {
    check,
    isChangeable,
    isRecorded,
    releases,
    calls: new Calls(check, () => {}),
    begin: (use: Releasable) => void state.uses.push(use),
    end: (use: Releasable) => void state.ended.push(use),
  } as unknown as Standing
  const model = { standing, keepWatching: (kept: object) => void state.watched.push(kept) }
  return { state, model: model as unknown as OpenedModel<unknown> }
}

/** What a runtime creates. */
class Session {
  factor = 2
  readonly released: string[] = []
  run(value: number): number {
    return this.factor * value
  }
  async infer(value: number): Promise<number> {
    await Promise.resolve()
    return this.factor * value
  }
  dispose(how: string): string {
    this.released.push(how)
    return how
  }
}

const release = vi.fn((created: Session) => created.dispose('revoked'))
const USE: Revocable<Session> = { calls: ['run'], asyncCalls: ['infer'], ends: ['dispose'], release }

describe('what a runtime created', () => {
  test('is used as before, and watched', async () => {
    const { model, state } = revocable()
    const session = new Session()
    keepRevocable(model, session, USE)
    expect([session.run(2), await session.infer(3)]).toEqual([4, 6])
    expect([state.watched, state.uses.length, state.ended]).toEqual([[session], 1, []])
    expect(Object.getOwnPropertyDescriptor(session, 'run')).toMatchObject({
      writable: true,
      configurable: true,
      enumerable: false,
    })
  })

  test('is refused if the model was revoked meanwhile', () => {
    const { model, state } = revocable({ isChangeable: false })
    state.isRevoked = true
    expect(() => keepRevocable(model, new Session(), USE)).toThrow(refusal('MODEL_REVOKED'))
    expect([state.watched, state.uses]).toEqual([[], []])
  })

  test('cannot be used any more once the model is revoked', async () => {
    const { model, state } = revocable()
    const session = new Session()
    keepRevocable(model, session, USE)
    state.isRevoked = true
    expect(() => session.run(1)).toThrow(refusal('MODEL_REVOKED'))
    await expect(session.infer(1)).rejects.toEqual(refusal('MODEL_REVOKED'))
    expect(session.dispose('by the program')).toBe('by the program')
  })

  test('has parts that cannot be used any more either', () => {
    const { model, state } = revocable()
    const [session, part] = [new Session(), new Session()]
    keepRevocable(model, session, { ...USE, parts: (created) => (created === session ? [part] : []) })
    expect(part.run(2)).toBe(4)
    state.isRevoked = true
    expect(() => part.run(2)).toThrow(refusal('MODEL_REVOKED'))
    // The part is not what is released.
    part.dispose('by the program')
    expect(state.ended).toEqual([])
  })

  test('is released by the program once, with its arguments, and then by nobody else', async () => {
    const { model, state } = revocable()
    const session = new Session()
    keepRevocable(model, session, USE)
    session.dispose('by the program')
    expect(state.ended).toEqual(state.uses)
    state.uses[0]?.release()
    await setTimeout(0)
    expect(session.released).toEqual(['by the program'])
  })

  test('is released once if the model is revoked', async () => {
    const { model, state } = revocable()
    const session = new Session()
    keepRevocable(model, session, USE)
    state.uses[0]?.release()
    state.uses[0]?.release()
    await setTimeout(0)
    expect(session.released).toEqual(['revoked'])
  })

  test('may fail to be released', async () => {
    const { model, state } = revocable()
    keepRevocable(model, new Session(), {
      ...USE,
      release: () => {
        throw new RangeError('mine')
      },
    })
    expect(() => state.uses[0]?.release()).not.toThrow()
    await setTimeout(0)
  })

  test.each<[string, object]>([
    ['for keepRevocable', { ...USE, end: [] }],
    ['"ends" is missing', { ...USE, ends: undefined }],
    ['"release" is missing', { ...USE, release: undefined }],
    ['"calls', { ...USE, calls: 'run' }],
    ['"asyncCalls', { ...USE, asyncCalls: [1] }],
    ['"parts"', { ...USE, parts: [] }],
  ])('is refused with other options: %s', (said, use) => {
    const { model, state } = revocable()
    expect(() => keepRevocable(model, new Session(), use as never)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining(said) as string }),
    )
    expect(state.uses).toEqual([])
  })

  test('may lack methods that others have', () => {
    const { model } = revocable()
    const session: object = { run: 'not a method' }
    keepRevocable(model, session, { calls: ['run'], ends: ['dispose'], release: () => {} })
    expect(session).toEqual({ run: 'not a method' })
  })

  test('keeps its methods if nothing can happen to it', () => {
    const { model, state } = revocable({ isChangeable: false })
    const session = new Session()
    keepRevocable(model, session, USE)
    expect([Object.keys(session), state.watched]).toEqual([['factor', 'released'], []])
    expect(Object.hasOwn(session, 'dispose')).toBe(false)
  })

  test.each([
    ['its end is recorded', { isChangeable: false, isRecorded: true, releases: false }],
    ['the caller reacts to a revocation', { releases: false }],
  ])('has only its end watched if %s', (_, standing) => {
    const { model, state } = revocable(standing)
    const session = new Session()
    keepRevocable(model, session, USE)
    state.isRevoked = true
    expect(session.run(2)).toBe(4)
    session.dispose('by the program')
    expect([state.ended.length, state.watched]).toEqual([1, [session]])
  })
})

test.each<[string, object]>([
  ['no names', { calls: 'run' }],
  ['no ends', { ends: undefined }],
  ['no function to release it', { release: undefined }],
  ['names of something else', { asyncCalls: [1] }],
  ['parts that are no function', { parts: [] }],
])('options with %s are refused', (_, wrong) => {
  const { model } = revocable()
  expect(() => keepRevocable(model, new Session(), { ...USE, ...wrong })).toThrow(refusal('INVALID_ARGUMENT'))
})
