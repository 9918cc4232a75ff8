import { onTestFinished } from 'vitest'

/** As on another system, until the test ends. */
export function elsewhere(platform: NodeJS.Platform): void {
  const real = process.platform
  Object.defineProperty(process, 'platform', { value: platform, configurable: true })
  onTestFinished(() => void Object.defineProperty(process, 'platform', { value: real, configurable: true }))
}
