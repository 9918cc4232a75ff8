// Imports the core and has not used it yet: do the threads that it starts from now on inherit the environment?
import { getEnvironmentData } from 'node:worker_threads'
import { loadPolicy } from '@modelseal/core/policy'

console.log(typeof loadPolicy, typeof getEnvironmentData('modelseal.environment')?.text)
