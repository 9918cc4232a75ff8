// Imports the core without using it: do threads that it then starts inherit the environment?
import { getEnvironmentData } from 'node:worker_threads'
import { openVerifiedModel } from '@modelseal/core'

console.log(typeof openVerifiedModel, typeof getEnvironmentData('modelseal.environment')?.text)
