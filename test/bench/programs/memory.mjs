// Memory while a model is hashed, above that of the idle process whose pool has started; in megabytes.
import { digestModel } from '@modelseal/core/signing'

const [warmUp, model, hashType, shardSize] = process.argv.slice(2)
await digestModel(warmUp)
const idle = process.memoryUsage.rss()
await digestModel(model, { hashType, shardSize: shardSize === undefined ? undefined : Number(shardSize) })
console.log(JSON.stringify({ megabytes: (process.resourceUsage().maxRSS * 1024 - idle) / 1e6 }))
