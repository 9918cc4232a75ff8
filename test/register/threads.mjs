// Starts onnx.cjs in worker threads in all the ways that replace what a thread starts with: threads.mjs MODEL
import { once } from 'node:events'
import { SHARE_ENV, Worker } from 'node:worker_threads'

const program = new URL('./onnx.cjs', import.meta.url)
const code = `require(${JSON.stringify(program.pathname)})`
const argv = process.argv.slice(2)
const threads = [
  [program, {}],
  [program, { execArgv: [] }],
  [program, { env: {} }],
  [program, { execArgv: ['--no-warnings'], env: {} }],
  [program, { env: SHARE_ENV }],
  [program, { execArgv: [], env: SHARE_ENV }],
  [code, { eval: true }],
  [code, { eval: true, execArgv: [] }],
  [code, { eval: true, env: SHARE_ENV }],
]
for (const [file, options] of threads) {
  const { env } = options
  const passed = typeof env === 'object' ? { ...env, MODELSEAL_POLICY: process.env.MODELSEAL_POLICY } : env
  await once(new Worker(file, { ...options, ...(passed && { env: passed }), argv }), 'exit')
}
