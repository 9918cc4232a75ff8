import { expect, test } from 'vitest'
import { evidenceOf } from '../../testing/evidence.ts'
import { refusal } from '../../testing/scratch.ts'
import { checkDemands } from './check-demands.ts'
import type { DemandOutcome, Demand } from './requirement.ts'

function demand(outcome: DemandOutcome | undefined): Demand {
  return {
    requirement: {
      step: 'timestamp',
      codes: ['TIMESTAMP_REQUIRED'],
      schema: {},
      compile: () => true,
      check: (wanted) => (wanted === 'wanted' ? outcome : undefined),
      canMeet: () => true,
      explain: '',
    },
    wanted: 'wanted',
  }
}

async function checked(...outcomes: (DemandOutcome | undefined)[]) {
  const checks = []
  for await (const check of checkDemands(outcomes.map(demand), evidenceOf(), '/m.sig')) checks.push(check)
  return checks
}

const UNMET = { code: 'TIMESTAMP_REQUIRED', message: 'No.', expected: 'one', found: 'none' } as const

test('passes on what is met, in order, without what does not concern the signature', async () => {
  expect(
    await checked({ passed: 'First.', failure: undefined }, undefined, { passed: 'Second.', failure: undefined }),
  ).toEqual([
    { check: 'timestamp', passed: 'First.', failure: undefined },
    { check: 'timestamp', passed: 'Second.', failure: undefined },
  ])
})

test('refuses what is not met, and says for which bundle and signer', async () => {
  const [failed] = await checked({ passed: 'Yes.', failure: UNMET })
  expect(failed?.failure).toEqual(
    refusal('TIMESTAMP_REQUIRED', {
      file: '/m.sig',
      signer: 'release',
      expected: 'one',
      found: 'none',
      hint: 'The rule "r" requires it.',
    }),
  )
})

test('gives the hint of the requirement if it has one', async () => {
  const [failed] = await checked({ passed: 'Yes.', failure: { ...UNMET, hint: 'Sign it.' } })
  expect(failed?.failure).toEqual(refusal('TIMESTAMP_REQUIRED', { hint: 'Sign it.' }))
})
