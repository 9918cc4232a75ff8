// Downloads a model of a bucket once, in one of several ways, and prints what it took.
import { createWriteStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const [way, bucket, prefix, directory, policy] = process.argv.slice(2)
const PART_BYTES = 4 * 1024 * 1024
const url = `s3://${bucket}/${prefix}`

// Each imports its packages, which is not measured, and returns the download.
const ways = {
  modelseal: async () => {
    const { downloadModel } = await import('@modelseal/core')
    await import('@modelseal/s3')
    return () => downloadModel(url, directory, { policy, maxBytes: 64 * 1024 ** 3 })
  },
  // The requests of the package, without hashing and without a policy.
  plain: async () => {
    const { s3Source } = await import('@modelseal/s3')
    const { signal } = new AbortController()
    return async () => {
      const session = await s3Source(url).open({ signal })
      const files = await session.model()
      const download = (name) =>
        files.read({ name, signal }, async ({ chunks }) => {
          const file = await open(join(directory, name), 'wx')
          for await (const chunk of chunks) await file.write(chunk)
          await file.close()
        })
      const downloads = []
      for await (const { name } of files.list()) downloads.push(download(name))
      await Promise.all(downloads)
      await session.close()
    }
  },
  sdk: async () => {
    const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3')
    return async () => {
      const client = new S3Client({ forcePathStyle: true })
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/` }))
      const download = async ({ Key }) => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
        await pipeline(Body, createWriteStream(join(directory, Key.slice(prefix.length + 1))))
      }
      await Promise.all(Contents.map(download))
    }
  },
  // As the plain client fetches: parts of 4 MiB, eight at a time.
  'sdk-in-parts': async () => {
    const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3')
    return async () => {
      const client = new S3Client({ forcePathStyle: true })
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/` }))
      const files = await Promise.all(
        Contents.map(({ Key }) => open(join(directory, Key.slice(prefix.length + 1)), 'wx')),
      )
      const parts = Contents.flatMap(({ Key, Size }, index) =>
        Array.from({ length: Math.ceil(Size / PART_BYTES) }, (_, at) => {
          const start = at * PART_BYTES
          return { Key, file: files[index], start, end: Math.min(start + PART_BYTES, Size) }
        }),
      )
      const work = async () => {
        for (let part = parts.shift(); part; part = parts.shift()) {
          const { Key, file, start, end } = part
          const Range = `bytes=${start}-${end - 1}`
          const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key, Range }))
          await file.write(await Body.transformToByteArray(), 0, end - start, start)
        }
      }
      await Promise.all(Array.from({ length: 8 }, work))
      await Promise.all(files.map((file) => file.close()))
    }
  },
}

await mkdir(directory, { recursive: true, mode: 0o700 })
const download = await ways[way]()
const start = process.hrtime.bigint()
await download()
const seconds = Number(process.hrtime.bigint() - start) / 1e9
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ seconds, busy: (user + system) / 1e6, mib: process.resourceUsage().maxRSS / 1024 }))
process.exit()
