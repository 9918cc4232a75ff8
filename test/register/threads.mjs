// Starts onnx.cjs in worker threads with all options that replace what a thread starts with: threads.mjs MODEL…
// MODELSEAL_TEST_ENV is a JSON object of variables, for threads with their own environment.
// MODELSEAL_TEST_THREADS limits the number of threads to start.
import { once } from 'node:events'
import { SHARE_ENV, Worker } from 'node:worker_threads'

const program = new URL('./onnx.cjs', import.meta.url)
const code = `require(${JSON.stringify(program.pathname)})`
const nested = `const { Worker } = require('node:worker_threads')
new Worker(${JSON.stringify(program.pathname)}, { env: {}, execArgv: [], argv: process.argv.slice(2) })`
const argv = process.argv.slice(2)
const env = JSON.parse(process.env.MODELSEAL_TEST_ENV ?? '{}')
const threads = [
  [program, {}],
  [program, { execArgv: [] }],
  [program, { env: null }],
  [program, { env }],
  [program, { execArgv: ['--no-warnings'], env }],
  [program, { env: SHARE_ENV }],
  [program, { execArgv: [], env: SHARE_ENV }],
  [code, { eval: true }],
  [code, { eval: true, execArgv: [] }],
  [code, { eval: true, env: SHARE_ENV }],
  [code, { eval: true, env }],
  [nested, { eval: true, env, execArgv: [] }],
]
const count = Number(process.env.MODELSEAL_TEST_THREADS ?? threads.length)
await Promise.all(
  threads.slice(0, count).map(([file, options]) => once(new Worker(file, { ...options, argv }), 'exit')),
)
