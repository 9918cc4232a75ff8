// The source of a service before it is bundled: loads models, and prints the outcome for each.
import { openVerifiedModel } from '@modelseal/core'

async function main() {
  const [policy, ...paths] = process.argv.slice(2)
  for (const path of paths) {
    try {
      const model = await openVerifiedModel(path, { policy })
      const { decision, bytes, warnings } = model.verdict
      console.log(JSON.stringify({ decision, bytes, warnings }))
      await model.close()
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, file: error.file, message: error.message }))
    }
  }
}

void main()
