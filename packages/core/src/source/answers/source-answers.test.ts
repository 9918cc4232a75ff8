import { expect, test } from 'vitest'
import { expectLinear } from '../../testing/linear.ts'
import { sourceFailed } from './source-answers.ts'

test.each(['https', 'x'.repeat(100), '1https'])(
  'the message of a source does not repeat a password in a URL of %s',
  (scheme) => {
    const { found } = sourceFailed('file', `cannot get ${scheme}://user:horse@models.example/vad?token=battery`)
    expect(found).toContain('models.example/vad')
    expect(found).not.toMatch(/horse|battery/)
  },
)

test.each(['a', 'a:', 'a:/', 'a.'])('searches a message of repeated %j in linear time', async (part) => {
  await expectLinear((text) => sourceFailed('file', text), ['', part])
})
