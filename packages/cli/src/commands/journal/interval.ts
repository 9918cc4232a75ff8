import { InvalidArgumentError } from 'commander'

/** Reads an option with the time between two looks at a journal, in milliseconds. */
export function interval(text: string): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? []
  const milliseconds = Number(amount) * ({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit ?? ''] ?? NaN)
  if (milliseconds >= 1 && milliseconds <= 86_400_000) return milliseconds
  throw new InvalidArgumentError('Expected a time such as 500ms, 5s, 1m or 1h, of at most a day.')
}
