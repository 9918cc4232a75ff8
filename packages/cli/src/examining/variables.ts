import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Finding } from './findings.ts'

/** What the environment says about the network. No value of a secret is read, let alone shown. */

type Environment = Readonly<Partial<Record<string, string>>>

const PROXIES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']

export function proxies(environment: Environment): Finding[] {
  const subject = 'proxies'
  const named = PROXIES.filter((name) => environment[name])
  if (named.length === 0) return [{ status: 'ok', subject, found: 'none' }]
  const found = named.map((name) => `${name} (${hostOf(environment[name] ?? '')})`).join(', ')
  if (environment['NODE_USE_ENV_PROXY'] === '1') return [{ status: 'ok', subject, found }]
  return [
    {
      status: 'advice',
      subject,
      found: `${found}, which Node.js does not use`,
      action: 'Set NODE_USE_ENV_PROXY=1 if models, feeds and logs are reached through the proxy.',
    },
  ]
}

/** Without user and password. */
function hostOf(url: string): string {
  return URL.parse(url)?.host || 'not a URL'
}

const TOKENS: Readonly<Record<string, readonly string[]>> = {
  'Hugging Face': ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_ACCESS_TOKEN', 'HF_TOKEN_PATH'],
  'object stores': ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  registries: ['DOCKER_CONFIG'],
  'signing keys': ['MODELSEAL_PASSWORD'],
}

/** Where they are by default, in the home directory. */
const FILES: Readonly<Partial<Record<string, string>>> = {
  'Hugging Face': '.cache/huggingface/token',
  'object stores': '.aws/credentials',
  registries: '.docker/config.json',
}

export function tokens(environment: Environment, home = homedir()): Finding[] {
  const present = Object.entries(TOKENS).flatMap(([where, names]) => {
    const file = FILES[where]
    const places = [
      ...names.filter((name) => environment[name]),
      ...(file !== undefined && existsSync(join(home, file)) ? [`~/${file}`] : []),
    ]
    return places.length === 0 ? [] : [`${where}: ${places.join(', ')}`]
  })
  return [{ status: 'ok', subject: 'credentials', found: present.length === 0 ? 'none' : present.join('; ') }]
}
