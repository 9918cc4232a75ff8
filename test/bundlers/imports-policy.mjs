// Imports the core without using it: do threads that it then starts inherit the environment?
import { getEnvironmentData } from 'node:worker_threads'
import { loadPolicy } from '@modelseal/core/policy'

console.log(typeof loadPolicy, typeof getEnvironmentData('modelseal.environment')?.text)
