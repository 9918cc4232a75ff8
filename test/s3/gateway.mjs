// A versitygw that keeps its objects in a directory. Its access keys are for this test alone.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { root } from '../interop/environment.mjs'

const BINARIES = process.env.S3_BINARIES ?? join(root, '.cache/s3/bin')
export const CREDENTIALS = { accessKeyId: 'modelseal-test', secretAccessKey: 'modelseal-test-secret' }

/**
 * Starts it with one bucket, `models`.
 *
 * @returns its address, the directory of the bucket, the environment for a client, its process, and what ends it
 */
export async function startGateway(parent = tmpdir()) {
  const directory = mkdtempSync(join(parent, 'modelseal-s3-'))
  const bucket = join(directory, 'data/models')
  mkdirSync(bucket, { recursive: true })
  mkdirSync(join(directory, 'iam'))
  const port = await freePort()
  const { accessKeyId, secretAccessKey } = CREDENTIALS
  const keys = ['--access', accessKeyId, '--secret', secretAccessKey]
  const place = ['--port', `127.0.0.1:${port}`, '--iam-dir', join(directory, 'iam')]
  const child = spawn(
    join(BINARIES, 'versitygw'),
    [...place, ...keys, '--keep-alive', '--quiet', 'posix', join(directory, 'data')],
    {
      stdio: 'ignore',
    },
  )
  const endpoint = `http://127.0.0.1:${port}`
  const stop = () => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  const env = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: 'us-east-1',
    AWS_CONFIG_FILE: '/dev/null/none',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none',
  }
  for (let attempt = 0; attempt < 600; attempt += 1) {
    // Without a signature it answers, but with a refusal.
    if (
      await fetch(endpoint).then(
        () => true,
        () => false,
      )
    )
      return { endpoint, bucket, env, pid: child.pid, stop }
    await wait(50)
  }
  stop()
  throw new Error('versitygw does not answer')
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
