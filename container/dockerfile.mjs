// Reads what the last stage of a Dockerfile says about how its image runs.
import { DockerfileParser } from 'dockerfile-ast'

/** @returns the `config` of an OCI image, with the health check as Docker writes it */
export function lastStage(text, given) {
  const instructions = DockerfileParser.parse(text).getInstructions()
  const last = instructions.findLastIndex((instruction) => instruction.getKeyword() === 'FROM')
  const config = { Env: ['PATH=/usr/local/bin'], Labels: {} }
  for (const instruction of instructions.slice(last + 1)) {
    const read = READERS[instruction.getKeyword()]
    if (!read) throw new Error(`Cannot read the Dockerfile: ${instruction.getKeyword()} is not known here.`)
    read(config, instruction, (value) => value.replace(/\$\{(\w+)\}/g, (_, name) => given[name] ?? ''))
  }
  return config
}

const READERS = {
  ARG: () => {},
  // The files of the image: container/root.mjs.
  COPY: () => {},
  LABEL: (config, instruction, expanded) => {
    for (const property of instruction.getProperties())
      config.Labels[property.getName()] = expanded(property.getValue())
  },
  ENV: (config, instruction) => {
    config.Env.push(...instruction.getProperties().map((property) => `${property.getName()}=${property.getValue()}`))
  },
  WORKDIR: (config, instruction) => (config.WorkingDir = instruction.getArgumentsContent()),
  USER: (config, instruction) => (config.User = instruction.getArgumentsContent()),
  STOPSIGNAL: (config, instruction) => (config.StopSignal = instruction.getArgumentsContent()),
  ENTRYPOINT: (config, instruction) => (config.Entrypoint = JSON.parse(instruction.getArgumentsContent())),
  CMD: (config, instruction) => (config.Cmd = JSON.parse(instruction.getArgumentsContent())),
  HEALTHCHECK: (config, instruction) => {
    const flags = Object.fromEntries(
      instruction.getFlags().map((flag) => [flag.getName(), nanoseconds(flag.getValue())]),
    )
    const [, command] = /CMD (\[.*\])$/.exec(instruction.getArgumentsContent())
    config.Healthcheck = { Test: ['CMD', ...JSON.parse(command)], Interval: flags.interval, Timeout: flags.timeout }
  },
}

function nanoseconds(duration) {
  const [, count, unit] = /^(\d+)([sm])$/.exec(duration)
  return Number(count) * (unit === 'm' ? 60 : 1) * 1e9
}
